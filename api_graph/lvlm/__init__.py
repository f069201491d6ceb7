"""LVLMs: the one that says where to look (its attention), and the one that answers (local, or behind an endpoint)."""

from typing import TYPE_CHECKING

from api_graph.lazily import lazily

if TYPE_CHECKING:
    from api_graph.lvlm.asking import ask, ask_all
    from api_graph.lvlm.attribution import LvlmAttribution, attribute, lvlm_attribution
    from api_graph.lvlm.contrast import Contrast, contrast_preset
    from api_graph.lvlm.generation import generate
    from api_graph.lvlm.heads.find import find_heads
    from api_graph.lvlm.heads.profile import HeadProfile
    from api_graph.lvlm.load import Quantization, checkpoint_identity, is_lvlm, load_lvlm, lvlm_dtype
    from api_graph.lvlm.model import LvlmModel
    from api_graph.lvlm.request import Answer, Request, Sampling
    from api_graph.lvlm.steer.steering import Steering, steer_preset
    from api_graph.lvlm.words import Word, WordMaps

__all__ = [
    "Answer",
    "Contrast",
    "HeadProfile",
    "LvlmAttribution",
    "LvlmModel",
    "Quantization",
    "Request",
    "Sampling",
    "Steering",
    "Word",
    "WordMaps",
    "ask",
    "ask_all",
    "attribute",
    "checkpoint_identity",
    "contrast_preset",
    "find_heads",
    "generate",
    "is_lvlm",
    "load_lvlm",
    "lvlm_attribution",
    "lvlm_dtype",
    "steer_preset",
]

if not TYPE_CHECKING:  # to a type checker, a name that is not there is an error
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Answer": "request",
            "Contrast": "contrast",
            "HeadProfile": "heads.profile",
            "LvlmAttribution": "attribution",
            "LvlmModel": "model",
            "Quantization": "load",
            "Request": "request",
            "Sampling": "request",
            "Steering": "steer.steering",
            "Word": "words",
            "WordMaps": "words",
            "ask": "asking",
            "ask_all": "asking",
            "attribute": "attribution",
            "checkpoint_identity": "load",
            "contrast_preset": "contrast",
            "find_heads": "heads.find",
            "generate": "generation",
            "is_lvlm": "load",
            "load_lvlm": "load",
            "lvlm_attribution": "attribution",
            "lvlm_dtype": "load",
            "steer_preset": "steer.steering",
        },
    )
