"""Bring raw maps into [0, 1]: the paper states no normalisation, the official code has two."""

from __future__ import annotations

import sys
import warnings
from typing import Literal

import torch
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels._check import checked_maps, in_range, value_range, wide

Normalization = Literal["none", "minmax", "sigmoid"]

UNIFORM = 0.5
"""What a constant map becomes: no place matters more than another. It is the sigmoid of a z-score of 0."""

_ROUNDING = 4 * torch.finfo(torch.float32).eps


def normalize(maps: Tensor, mode: Normalization = "minmax", contrast: float = 5.0, *, input: str = "maps") -> Tensor:
    """Normalise each of (B, h, w) maps: `none` (only checked), `minmax`, or `sigmoid` of the z-score.

    `contrast` is used by `sigmoid` alone. `input` names the maps in errors. A constant map becomes uniform
    (`UNIFORM`) with a warning; NaN or infinite values are a BadInput.
    """
    if mode == "minmax":
        return minmax(maps, input=input)
    if mode == "sigmoid":
        return sigmoid(maps, contrast, input=input)
    if mode != "none":
        raise BadInput("unknown normalisation", input="mode", value=mode, hint="Use none, minmax or sigmoid.")
    maps = checked_maps(maps, input)
    value_range(maps, input)
    return maps


def minmax(maps: Tensor, *, input: str = "maps") -> Tensor:
    """(x − min) / (max − min) of each of (B, h, w) maps; a constant map becomes `UNIFORM`, with a warning."""
    maps = checked_maps(maps, input)
    low, high, constant = _range_and_constant(maps, input)
    low, high = wide(low), wide(high)
    scaled = (wide(maps) - low) / (high - low).masked_fill(constant, 1.0)
    return scaled.masked_fill(constant, UNIFORM).float()


def sigmoid(maps: Tensor, contrast: float = 5.0, *, input: str = "maps") -> Tensor:
    """sigmoid(contrast · (x − mean) / std) of each of (B, h, w) maps, with the unbiased std.

    A min-max before it would change nothing: the z-score cancels it. A constant map becomes `UNIFORM`, with a
    warning.
    """
    in_range(contrast, 0.0, sys.float_info.max, "contrast")
    maps = checked_maps(maps, input)
    constant = _range_and_constant(maps, input)[2]
    x = wide(maps)
    # A lone cell has no unbiased deviation; it is constant, so what stands there is never used.
    spread = x.std(dim=(1, 2), keepdim=True, correction=1 if x[0].numel() > 1 else 0).masked_fill(constant, 1.0)
    z_score = (x - x.mean(dim=(1, 2), keepdim=True)) / spread
    return torch.sigmoid(contrast * z_score).masked_fill(constant, UNIFORM).float()


def _range_and_constant(maps: Tensor, input: str) -> tuple[Tensor, Tensor, Tensor]:
    """Each map's min and max, and whether it is constant but for float rounding, all (B, 1, 1)."""
    low, high = value_range(maps, input)
    constant = high - low <= _ROUNDING * torch.maximum(low.abs(), high.abs())
    if bool(constant.any()):
        which = constant.flatten().nonzero().flatten().tolist()
        warnings.warn(
            f"{input}: map {', '.join(map(str, which))} of {len(maps)} is constant and says nothing about "
            f"places; it becomes a uniform {UNIFORM:g}",
            ApiGraphWarning,
            stacklevel=4,
        )
    return low, high, constant
