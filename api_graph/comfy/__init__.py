"""The nodes as ComfyUI knows them. Only the modules in here import ComfyUI, and only inside functions."""

from api_graph.comfy.classes import comfy_class, mappings
from api_graph.comfy.host import register_model_folder

__all__ = ["comfy_class", "mappings", "register_model_folder"]
