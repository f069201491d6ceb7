"""Facts of prompts that are written down by hand, for families that need no processor to lay out their tokens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

IMAGE = 7


def config(
    model_type: str, image_size: Any = 48, patch_size: Any = 8, tower: str = "clip_vision_model", **more: Any
) -> Any:
    vision = SimpleNamespace(model_type=tower, image_size=image_size, patch_size=patch_size, spatial_merge_size=2)
    return SimpleNamespace(model_type=model_type, image_token_id=IMAGE, vision_config=vision, **more)


def ids(*runs: int) -> Tensor:
    """One prompt (1, S): each number is a run of so many image tokens, with a text token before and after it."""
    tokens = [1]
    for run in runs:
        tokens += [IMAGE] * run + [1]
    return torch.tensor([tokens])


def pixels(count: int, height: int, width: int) -> Tensor:
    return torch.zeros(count, 3, height, width)
