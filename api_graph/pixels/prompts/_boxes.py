"""Boxes as every prompt takes them: checked, clipped to the image, never thinner than a pixel."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import in_range

BoxesLike: TypeAlias = "Tensor | Sequence[Sequence[float]]"
"""(N, 4): left, top, right, bottom in pixels of the image, edges and not centres of pixels."""


def checked_boxes(boxes: BoxesLike, size: tuple[int, int]) -> Tensor:
    """`boxes` clipped to an image of `size` = (width, height), float64 (N, 4) on the CPU.

    A side shorter than a pixel becomes one pixel long, about its middle. No box at all, another shape, NaN, swapped
    corners and a box outside the image are a BadInput.
    """
    given = torch.as_tensor(boxes, dtype=torch.float64, device="cpu")
    if given.ndim != 2 or given.shape[1] != 4 or not len(given):
        raise BadInput(
            "boxes need the shape (N, 4) with N of at least 1",
            input="boxes",
            value=tuple(given.shape),
            cure="Give left, top, right and bottom of each; a single box is box[None].",
        )
    for i, box in enumerate(given.tolist()):
        _check(i, box, size)
    whole = torch.tensor([*size, *size], dtype=torch.float64)
    return _at_least_a_pixel(given.clamp(min=0).minimum(whole), size)


def enlarged(boxes: Tensor, factor: float) -> Tensor:
    """Boxes (N, 4) with both sides `factor` times as long, about their centres; they may leave the image."""
    in_range(factor, 0.01, sys.float_info.max, "enlarge")
    centre, half = (boxes[:, 2:] + boxes[:, :2]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return torch.cat([centre - factor * half, centre + factor * half], dim=1)


def grown(boxes: Tensor, margin: float) -> Tensor:
    """Boxes (N, 4) with every edge `margin` pixels further out."""
    return boxes + torch.tensor([-margin, -margin, margin, margin], dtype=boxes.dtype)


def _check(i: int, box: list[float], size: tuple[int, int]) -> None:
    left, top, right, bottom = box
    if not all(map(_finite, box)):
        raise BadInput(f"box {i} holds NaN or infinite values", input="boxes", value=box, cure="Give pixels.")
    if right < left or bottom < top:
        cure = "Give left, top, right, bottom: not left, top, width, height."
        raise BadInput(f"box {i} ends before it begins", input="boxes", value=box, cure=cure)
    width, height = size
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        cure = "Give pixels of the image that it was drawn on, or leave the box out."
        raise BadInput(
            f"box {i} lies outside the image of {width}×{height} pixels", input="boxes", value=box, cure=cure
        )


def _finite(number: float) -> bool:
    return abs(number) <= sys.float_info.max


def _at_least_a_pixel(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    extent = torch.tensor(size, dtype=torch.float64)
    sides = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    middle = (boxes[:, 2:] + boxes[:, :2]) / 2
    first = (middle - 0.5).clamp(min=0).minimum(extent - 1)
    thin = sides < 1
    return torch.cat([torch.where(thin, first, boxes[:, :2]), torch.where(thin, first + 1, boxes[:, 2:])], dim=1)
