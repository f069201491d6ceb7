"""A Gaussian blur whose cost stays bounded however large the radius."""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor
from torch.nn import functional as F

from api_graph.pixels._check import checked_image, in_range

# Blurred by this many pixels, an image holds so little detail that a smaller copy carries all of it.
_LARGEST_SIGMA = 16.0


def gaussian_blur(image: Tensor, radius: float) -> Tensor:
    """(B, H, W, 3) blurred by a Gaussian of standard deviation `radius` pixels, edges mirrored.

    Above 16 pixels it works on a smaller copy.
    """
    in_range(radius, 0.0, sys.float_info.max, "blur_radius")
    x = checked_image(image).movedim(-1, 1).contiguous()  # (B, 3, H, W)
    if radius == 0:
        return image.float()
    height, width = x.shape[2:]
    shrink = max(1.0, radius / _LARGEST_SIGMA)
    small = (max(1, round(height / shrink)), max(1, round(width / shrink)))
    x = x if shrink == 1.0 else F.interpolate(x, size=small, mode="area")
    x = _blur_last_axis(x, radius / shrink)
    x = _blur_last_axis(x.mT, radius / shrink).mT
    x = x if shrink == 1.0 else F.interpolate(x, size=(height, width), mode="bilinear")
    return x.movedim(1, -1).contiguous()


def _blur_last_axis(x: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) convolved along W with a sampled Gaussian."""
    reach, (channels, width) = math.ceil(4 * sigma), (x.shape[1], x.shape[3])
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    kernel = (weights / weights.sum()).to(x).expand(channels, 1, 1, -1)  # (C, 1, 1, 2 · reach + 1)
    # Mirrored at its edges a row repeats every 2 · W pixels, whatever the reach.
    place = torch.arange(-reach, width + reach, device=x.device) % (2 * width)
    mirrored = x[..., torch.minimum(place, 2 * width - 1 - place)]  # (B, C, H, W + 2 · reach)
    return F.conv2d(mirrored, kernel, groups=channels)
