"""The annotated image: a heatmap as the alpha channel of an image over a background (API section 3.3)."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch
from PIL import ImageColor
from torch import Tensor
from torch.nn import functional as F

from api_graph.errors import BadInput
from api_graph.pixels._check import check_sizes, checked_image, checked_picture, fitted_heatmap, in_range, wide
from api_graph.pixels.row_blocks import put, row_blocks
from api_graph.sockets import as_floats

Background = Literal["black", "grey", "colour", "blur", "image"]

Colour: TypeAlias = str | Sequence[float]
"""A name, `#rrggbb`, or red, green and blue in [0, 1]."""

# Blurred by this many pixels, an image holds so little detail that a smaller copy carries all of it.
_LARGEST_SIGMA = 16.0


def alpha_blend(
    image: Tensor,
    heatmap: Tensor,
    *,
    background: Background = "black",
    grey: float = 0.5,
    colour: Colour = "black",
    blur_radius: float = 16.0,
    background_image: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """I^a = Φ·I + (1 − Φ)·background, with Φ pulled towards 1 as 1 − strength·(1 − Φ); (B, H, W, 3).

    `image` is (B, H, W, 3), float32 or uint8, as the result will be, and `heatmap` (B, H, W), clamped to [0, 1]; either
    may hold one for the other's many. The background is black, a grey level in [0, 1], a colour, the image blurred
    (standard deviation in pixels), or `background_image`, of the image's size. Strength 0 returns the image, 1 the full
    effect.
    A heatmap of another size is stretched, with a warning; numbers that do not fit are a BadInput.
    """
    image = checked_picture(image)
    heatmap = fitted_heatmap(heatmap, image)
    in_range(strength, 0.0, 1.0, "strength")
    behind = _behind(image, background, grey, colour, blur_radius, background_image)
    if background == "image":
        for other in (image, heatmap):
            check_sizes(other, behind[..., 0], "background_image")
    count, height, width = max(map(len, (image, heatmap, behind))), image.shape[1], image.shape[2]
    result = image.new_empty(count, height, width, 3)
    behind = behind.to(image.device, torch.float32)
    if image.dtype == torch.uint8:
        behind = behind.clamp(0, 1) * 255
    for rows in row_blocks(count, height, width, image.device):
        hidden = strength * (1 - heatmap[:, rows].clamp(0, 1))[..., None]  # (B, rows, W, 1)
        blended = (1 - hidden) * image[:, rows]
        if background != "black":
            blended = blended + hidden * (behind if behind.shape[1] == 1 else behind[:, rows])
        put(result[:, rows], blended)
    return result


def _behind(
    image: Tensor,
    background: Background,
    grey: float,
    colour: Colour,
    blur_radius: float,
    background_image: Tensor | None,
) -> Tensor:
    """The background in [0, 1]: a picture (B, H, W, 3), or (1, 1, 1, 3) where it is one colour."""
    if background == "black":
        return torch.zeros(1, 1, 1, 3)
    if background == "grey":
        return torch.full((1, 1, 1, 3), in_range(grey, 0.0, 1.0, "grey"))
    if background == "colour":
        return parse_colour(colour).view(1, 1, 1, 3)
    if background == "blur":
        return gaussian_blur(as_floats(image), blur_radius)
    if background == "image" and background_image is not None:
        return as_floats(checked_picture(background_image, "background_image"))
    if background == "image":
        raise BadInput("the background is an image, but none is given", input="background_image", hint="Link one.")
    hint = f"Use one of {', '.join(get_args(Background))}."
    raise BadInput("unknown background", input="background", value=background, hint=hint)


def reference_blend(image: Tensor, heatmap: Tensor, grey: float = 0.0) -> Tensor:
    """The official blend in 8 bits, trunc(I·α + (1 − α)·grey), as float32 (B, H, W, 3) of 255ths, or as uint8.

    `image` (B, H, W, 3) and `heatmap` (B, H, W) are in [0, 1] and taken to the nearest 255th, or the image is uint8, as
    the result will be; `grey` counts in 0..255.
    """
    image = checked_picture(image)
    heatmap = fitted_heatmap(heatmap, image)
    in_range(grey, 0.0, 255.0, "grey")
    levels = image.float() if image.dtype == torch.uint8 else (image.clamp(0, 1) * 255).round()
    alpha = ((heatmap.clamp(0, 1) * 255).round() / 255)[..., None]  # (B, H, W, 1)
    # Many sums are whole numbers that rounding may leave just below: these are the official float widths.
    blended = (wide(levels * alpha) + wide(1 - alpha) * grey).trunc()
    return blended.to(torch.uint8) if image.dtype == torch.uint8 else blended.float() / 255


def parse_colour(colour: Colour, input: str = "colour") -> Tensor:
    """Red, green and blue of a colour as people write it: float32 (3,) in [0, 1]. BadInput for anything else."""
    if isinstance(colour, str):
        try:
            return torch.tensor(ImageColor.getrgb(colour.strip())[:3]).float() / 255
        except ValueError as error:
            hint = "Write a name such as red, or #rrggbb."
            raise BadInput("this is not a colour", input=input, value=colour, hint=hint) from error
    if len(colour) != 3:
        raise BadInput("not three numbers", input=input, value=colour, hint="Give red, green and blue in [0, 1].")
    return torch.tensor([in_range(float(level), 0.0, 1.0, input) for level in colour])


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
    index = torch.arange(-reach, width + reach, device=x.device) % (2 * width)
    mirrored = x[..., torch.minimum(index, 2 * width - 1 - index)]  # (B, C, H, W + 2 · reach)
    return F.conv2d(mirrored, kernel, groups=channels)
