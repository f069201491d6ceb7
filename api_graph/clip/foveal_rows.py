"""Masks over the patches as rows of bias, each with the image that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from api_graph.errors import BadInput


def mask_rows(
    masks: Tensor | Sequence[Tensor] | None, images: int, grid: tuple[int, int]
) -> tuple[Tensor | None, Tensor]:
    """The bias (B, gh·gw), float32 on the CPU, or None where there is none, and each mask's image (B,)."""
    if masks is None:
        return None, torch.arange(images)
    if isinstance(masks, Tensor):
        checked = _checked(masks, grid)
        if images == 1:
            owner = torch.zeros(len(checked), dtype=torch.long)
        elif len(checked) in (1, images):
            checked, owner = checked.expand(images, -1, -1), torch.arange(images)
        else:
            cure = "Give one each, or a list with one tensor of masks per image."
            raise BadInput(f"{len(checked)} masks do not go with {images} images", input="masks", cure=cure)
    else:
        if len(masks) != images:
            raise BadInput(f"there are masks for {len(masks)} images, not {images}", input="masks")
        several = [_checked(part, grid) for part in masks]
        owner = torch.arange(images).repeat_interleave(torch.tensor([len(part) for part in several]))
        checked = torch.cat(several)
    bias = checked.flatten(1)  # (B, gh·gw)
    return (bias if bool(bias.any()) else None), owner


def _checked(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    masks = masks.detach().float().cpu()
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or tuple(masks.shape[1:]) != tuple(grid) or not len(masks):
        raise BadInput(
            f"the model has {grid[0]}×{grid[1]} patches, so masks need the shape (B, {grid[0]}, {grid[1]})",
            input="masks",
            value=tuple(masks.shape),
            cure="Make them for this model's grid.",
        )
    if not bool(masks.isfinite().all()):
        raise BadInput("a mask holds NaN or infinite values", input="masks", cure="Look at the step that made it.")
    return masks
