"""Boxes and masks as every prompt takes them: checked against the image, and never empty."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import in_range, required_masks
from api_graph.regions import read_boxes

BoxesLike: TypeAlias = "Tensor | Sequence[Sequence[float]]"
"""(N, 4): left, top, right, bottom in pixels of the image, edges and not centres of pixels."""


def checked_boxes(boxes: BoxesLike, size: tuple[int, int]) -> Tensor:
    """`boxes` clipped to an image of `size` = (width, height), float64 (N, 4) on the CPU.

    A side shorter than a pixel becomes one pixel long, about its middle. No box at all, another shape, NaN, swapped
    corners and a box outside the image are a BadInput.
    """
    clipped = read_boxes(boxes, size).values
    extent = torch.tensor(size, dtype=torch.float64)
    sides, middle = clipped[:, 2:] - clipped[:, :2], (clipped[:, 2:] + clipped[:, :2]) / 2  # (N, 2)
    first = (middle - 0.5).clamp(min=0).minimum(extent - 1)
    thin = sides < 1
    return torch.cat([torch.where(thin, first, clipped[:, :2]), torch.where(thin, first + 1, clipped[:, 2:])], dim=1)


def enlarged(boxes: Tensor, factor: float) -> Tensor:
    """Boxes (N, 4) with both sides `factor` times as long, about their centres; they may leave the image."""
    in_range(factor, 0.01, sys.float_info.max, "enlarge")
    further = (boxes[:, 2:] - boxes[:, :2]) / 2 * (factor - 1)  # nothing at 1, to the last bit
    return torch.cat([boxes[:, :2] - further, boxes[:, 2:] + further], dim=1)


def inside_of(masks: Tensor, image: Tensor, threshold: float) -> Tensor:
    """Which pixels (N, H, W) lie inside: where `masks` reach the `threshold`. An empty mask is a BadInput."""
    in_range(threshold, 1e-6, 1.0, "threshold")
    inside = required_masks(masks, image, "masks") >= threshold
    empty = ~inside.flatten(1).any(1)  # (N,)
    if bool(empty.any()):
        raise BadInput(
            f"mask {int(empty.nonzero()[0])} is empty",
            input="masks",
            hint="Leave it out, or lower the threshold. (The mask of a picture without transparency is empty.)",
        )
    return inside


def extent(mask: Tensor, margin: int = 0) -> tuple[slice, slice]:
    """The rows and the columns of an image between which all of `mask` (H, W) lies, and `margin` pixels more."""
    edges = []
    for line, length in ((mask.any(1), mask.shape[0]), (mask.any(0), mask.shape[1])):
        inside = line.nonzero()
        edges.append(slice(max(0, int(inside[0]) - margin), min(length, int(inside[-1]) + 1 + margin)))
    return edges[0], edges[1]
