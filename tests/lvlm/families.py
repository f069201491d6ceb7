"""Tiny random LVLMs of every family, each with its real processor: what a model folder holds, without the weights.

Attention is sharpened, so that no map is uniform. Text is byte-level: any question can be asked, any answer decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.lvlm.tiny_gemma import gemma3, paligemma
from tests.lvlm.tiny_glm import glm4v
from tests.lvlm.tiny_llava import llava, llava_next, llava_next_video, llava_onevision
from tests.lvlm.tiny_pixtral import mistral3, pixtral
from tests.lvlm.tiny_qwen import qwen2_5_vl, qwen2_vl, qwen3_5, qwen3_vl
from tests.lvlm.tiny_tiled import aya_vision, idefics3, internvl, smolvlm

FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    build.__name__: build
    for build in (
        llava,
        llava_next,
        llava_next_video,
        llava_onevision,
        qwen2_vl,
        qwen2_5_vl,
        qwen3_vl,
        qwen3_5,
        glm4v,
        pixtral,
        mistral3,
        internvl,
        aya_vision,
        idefics3,
        smolvlm,
        paligemma,
        gemma3,
    )
}
"""Model type -> a builder of (model, processor); seeded, so that two calls give equal weights. `pixtral` is a LLaVA."""


def prompt(processor: Any, text: str, images: int = 1) -> str:
    """A user's turn that shows `images` images before `text`, in the family's own words."""
    content = [{"type": "image"} for _ in range(images)] + [{"type": "text", "text": text}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
