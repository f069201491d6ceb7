"""LVLMs: the one that says where to look (its attention), and the one that answers (local, or behind an endpoint)."""

from api_graph.lvlm.ask import ask, ask_all
from api_graph.lvlm.attribution import LvlmAttribution, attribute, lvlm_attribution
from api_graph.lvlm.generate import generate
from api_graph.lvlm.load import Quantization, checkpoint_identity, is_lvlm, load_lvlm, lvlm_dtype
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.request import Answer, Request, Sampling
from api_graph.lvlm.steer import Steering
from api_graph.lvlm.steer import preset as steer_preset

__all__ = [
    "Answer",
    "LvlmAttribution",
    "LvlmModel",
    "Quantization",
    "Request",
    "Sampling",
    "Steering",
    "ask",
    "ask_all",
    "attribute",
    "checkpoint_identity",
    "generate",
    "is_lvlm",
    "load_lvlm",
    "lvlm_attribution",
    "lvlm_dtype",
    "steer_preset",
]
