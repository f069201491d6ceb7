"""The official code's post-processing on the token grid, as it is: see `recipe="reference"`.

It departs from the paper: the CLS map is sharpened by a sigmoid, both maps are smoothed on the token grid
before the soft OR, and the result is stretched to [0, 1] once more. For a constant map the official code
makes NaN; here it is uniform, with a warning.
"""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import checked_maps, value_range
from api_graph.pixels.heatmap import mean_filter, minmax, sigmoid, soft_or

_ROUNDING = 1e-6


def merge_mask(cls_map: Tensor, comp_map: Tensor, kernel_size: int = 3, contrast: float = 5.0) -> Tensor:
    """The mask of the CLIP method, (B, gh, gw) in [0, 1], from the raw maps of the same shape.

    `cls_map` is high where a patch speaks for the query, `comp_map` (1 − similarity) where its final token does not.
    `kernel_size` counts tokens.
    """
    keeps = revise_mask(cls_map, kernel_size, contrast, input="cls_map")
    # The official (max − x) / (max − min) of the similarity x is the min-max of −x. A complement in float64 is exact,
    # and so is what is left of it here: nothing is lost when small similarities become float32 again.
    complement = mean_filter(minmax(comp_map - 1, input="comp_map"), kernel_size)
    return minmax(soft_or(keeps, complement), input="mask")


def revise_mask(raw_map: Tensor, kernel_size: int = 3, contrast: float = 5.0, *, input: str = "raw_map") -> Tensor:
    """The mask of the LVLM method, (B, gh, gw) in (0, 1): sharpened by a sigmoid, then smoothed."""
    return mean_filter(sigmoid(raw_map, contrast, input=input), kernel_size)


def mask_to_u8(mask: Tensor) -> Tensor:
    """trunc(255 · m) of (B, gh, gw) in [0, 1], as uint8. Values outside [0, 1] are a BadInput."""
    mask = checked_maps(mask, "mask")
    low, high = value_range(mask, "mask")
    if bool((low < -_ROUNDING).any() | (high > 1 + _ROUNDING).any()):
        raise BadInput(
            "the reference recipe stores its mask in 8 bits, which needs values in [0, 1]",
            input="mask",
            value=(float(low.min()), float(high.max())),
            hint="Normalise the map first (minmax or sigmoid).",
        )
    return (mask.clamp(0, 1) * 255).to(torch.uint8)
