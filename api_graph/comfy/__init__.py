"""The nodes as ComfyUI knows them. Only the modules in here import ComfyUI, and only inside functions."""

from api_graph.comfy.classes import comfy_class, mappings
from api_graph.comfy.host import lend_example, register_model_folder

__all__ = ["comfy_class", "lend_example", "mappings", "register_model_folder"]
