"""Heatmaps that say nothing of the question: what an effect of attention has to be told from."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from api_graph.pixels._check import check_choice, checked_image, checked_maps, in_range, value_range

ControlKind = Literal["none", "uniform", "centre"]
"""What stands in a heatmap's place: the heatmap itself, its mean everywhere, or a Gaussian in the middle."""

_NARROWEST, _WIDEST = 1e-3, 1e3  # standard deviations, of the image's sides
_HALVINGS = 60  # of that range: to the last bits


def control_heatmap(
    heatmap: Tensor, kind: ControlKind = "none", *, width: float = 0.0, image: Tensor | None = None
) -> Tensor:
    """What stands in the place of heatmaps (B, h, w), float32 in [0, 1]; stretched to the size of `image`, if given.

    A heatmap is clamped first, as the blend does. `uniform` is its mean everywhere, so that as much light is taken from
    the image, and from no place more than from another. `centre` is a Gaussian in the image's middle, of a standard
    deviation of `width` of each side; 0 takes the one whose mean is the heatmap's. Raises BadInput for NaN, for a width
    below 0, and for an unknown kind.
    """
    check_choice(kind, ControlKind, "kind")
    in_range(width, 0.0, 10.0, "width")
    maps = checked_maps(heatmap, "heatmap")
    value_range(maps, "heatmap")
    if image is not None and (size := checked_image(image).shape[1:3]) != maps.shape[1:]:
        maps = F.interpolate(maps[:, None], size=tuple(size), mode="bilinear", align_corners=False)[:, 0]
    maps = maps.clamp(0, 1)
    if kind == "none":
        return maps
    mean = maps.double().mean((1, 2)) if maps.device.type != "mps" else maps.mean((1, 2))  # (B,)
    if kind == "uniform":
        return mean.float()[:, None, None].expand_as(maps).contiguous()
    widths = torch.full_like(mean, width) if width > 0 else _width_of_mean(mean, maps.shape[1], maps.shape[2])
    rows, columns = (_gaussian(widths, count) for count in maps.shape[1:])
    return (rows[:, :, None] * columns[:, None, :]).float()


def _gaussian(widths: Tensor, count: int) -> Tensor:
    """(B, count): exp(−x² / 2σ²) at the middles of so many pixels, x from −½ to ½."""
    x = (torch.arange(count, dtype=widths.dtype, device=widths.device) + 0.5) / count - 0.5
    return torch.exp(-0.5 * (x / widths[:, None]) ** 2)


def _width_of_mean(mean: Tensor, height: int, width: int) -> Tensor:
    """The standard deviations of the Gaussians that have these means (B,): they grow together."""
    low, high = torch.full_like(mean, math.log(_NARROWEST)), torch.full_like(mean, math.log(_WIDEST))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = _gaussian(middle.exp(), height).mean(1) * _gaussian(middle.exp(), width).mean(1)
        low, high = torch.where(found < mean, middle, low), torch.where(found < mean, high, middle)
    return ((low + high) / 2).exp()
