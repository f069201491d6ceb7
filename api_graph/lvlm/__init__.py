"""LVLMs: the one that says where to look (its attention), and the one that answers (local, or behind an endpoint)."""

from api_graph.lvlm.attribution import LvlmAttribution, attribute, lvlm_attribution
from api_graph.lvlm.generate import generate
from api_graph.lvlm.load import load_lvlm
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.request import Answer, Request, Sampling
from api_graph.lvlm.source import checkpoint_identity

__all__ = [
    "Answer",
    "LvlmAttribution",
    "LvlmModel",
    "Request",
    "Sampling",
    "attribute",
    "checkpoint_identity",
    "generate",
    "load_lvlm",
    "lvlm_attribution",
]
