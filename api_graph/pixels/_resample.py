"""Resampling along one axis as a small matrix, with Pillow's kernels: a resize is two matrix products."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

_REACH = {"box": 0.5, "bilinear": 1.0, "hamming": 1.0, "bicubic": 2.0, "lanczos": 3.0}


def axis_matrix(pixels: int, cells: int, low: float, high: float, interpolation: Interpolation) -> Tensor:
    """Weights (pixels, cells), float64, that spread `cells` evenly over [low, high) on an axis of `pixels`.

    Pixel and cell centres lie at half integers. Rows add up to 1: at the edge of the cells the kernel is cut
    and scaled up again, as in Pillow. Where there is more than one cell to a pixel the kernel widens to take
    all of them in. A pixel outside [low, high) sees no cell and has a row of zeros.
    """
    place = (torch.arange(pixels, dtype=torch.float64) + 0.5 - low) * cells / (high - low)  # (pixels,), in cells
    seen = (place >= 0) & (place < cells)
    if interpolation == "nearest":
        nearest = place.floor().clamp(0, cells - 1).long()
        weights = torch.nn.functional.one_hot(nearest, cells).double()
    else:
        centre = torch.arange(cells, dtype=torch.float64) + 0.5
        distance = (centre - place[:, None]) / max(1.0, cells / (high - low))  # (pixels, cells)
        weights = _kernel(distance, interpolation)
        weights = weights / weights.sum(1, keepdim=True).masked_fill(~seen[:, None], 1.0)
    return weights * seen[:, None]


def _kernel(x: Tensor, interpolation: str) -> Tensor:
    """Pillow's filter of that name at distance `x` from its centre."""
    reach = _REACH[interpolation]
    if interpolation == "box":
        return ((x > -reach) & (x <= reach)).double()
    t = x.abs()
    if interpolation == "bilinear":
        value = 1 - t
    elif interpolation == "hamming":
        value = torch.sinc(x) * (0.54 + 0.46 * torch.cos(math.pi * x))
    elif interpolation == "lanczos":
        value = torch.sinc(x) * torch.sinc(x / reach)
    else:  # cubic convolution with a = -1/2
        value = torch.where(t < 1, (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2)
    return value * (t < reach)
