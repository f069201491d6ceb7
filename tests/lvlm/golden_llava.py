"""The golden LLaVA (files in tests/golden): the official weights' names as transformers has them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from api_graph.lvlm import LvlmModel

GOLDEN = Path(__file__).parent.parent / "golden"
IMAGE_TOKEN = 125
"""An id of the golden vocabulary that no golden prompt contains; the original's -200 is no row of an embedding."""

_PREFIXES = {
    "model.mm_projector.0.": "model.multi_modal_projector.linear_1.",
    "model.mm_projector.2.": "model.multi_modal_projector.linear_2.",
    "model.vision_tower.vision_tower.": "model.vision_tower.",
    "model.": "model.language_model.",
    "lm_head.": "lm_head.",
}


@cache
def maps() -> dict[str, Tensor]:
    with np.load(GOLDEN / "llava_maps.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def golden_model(end: int | None = None) -> LvlmModel:
    """The golden LLaVA in transformers' form, whose answers end at the token `end`."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    facts = json.loads((GOLDEN / "llava_config.json").read_text("utf-8"))
    vision = {key: value for key, value in facts["vision"].items() if not key.startswith("select_")}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision),
        text_config=LlamaConfig(**facts["llm"], tie_word_embeddings=False),
        image_token_index=IMAGE_TOKEN,
        vision_feature_layer=facts["vision"]["select_layer"],
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    model: Any = LlavaForConditionalGeneration(config)
    weights = load_file(GOLDEN / "llava_state.safetensors")
    missing, unexpected = model.load_state_dict({renamed(model, key): w for key, w in weights.items()}, strict=False)
    assert not unexpected and not missing
    model.generation_config.eos_token_id = end
    return LvlmModel.from_transformers(model, name="golden LLaVA")


def renamed(model: Any, name: str) -> str:
    prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
    new = _PREFIXES[prefix] + name.removeprefix(prefix)
    # Releases differ in whether the vision tower is wrapped once more.
    return new if new in model.state_dict() else new.replace("vision_tower.vision_model.", "vision_tower.")


def golden_inputs() -> dict[str, Tensor]:
    """`input_ids` (1, S) with the image's 576 tokens in place, and `pixel_values` (1, 3, 336, 336)."""
    ids = maps()["wide_input_ids"].tolist()
    where = ids.index(-200)
    expanded = [*ids[:where], *[IMAGE_TOKEN] * 576, *ids[where + 1 :]]
    facts = json.loads((GOLDEN / "llava_config.json").read_text("utf-8"))
    with np.load(GOLDEN / "llava_pixels.npz") as file:
        pixels = torch.from_numpy(file["wide_pixels_u8"]).float() / 255
    mean, std = (torch.tensor(facts[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    return {"input_ids": torch.tensor([expanded]), "pixel_values": ((pixels - mean) / std)[None]}
