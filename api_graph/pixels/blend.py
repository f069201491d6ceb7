"""The annotated image: a heatmap as the alpha channel of an image over a background (API section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import check_sizes, checked_image, checked_maps, in_range, value_range, wide
from api_graph.pixels.blur import gaussian_blur
from api_graph.pixels.colour import parse_colour

Background = Literal["black", "grey", "colour", "blur", "image"]


def alpha_blend(
    image: Tensor,
    heatmap: Tensor,
    *,
    background: Background = "black",
    grey: float = 0.5,
    colour: str | Sequence[float] = "black",
    blur_radius: float = 16.0,
    background_image: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """I^a = Φ·I + (1 − Φ)·background, with Φ pulled towards 1 as 1 − strength·(1 − Φ); (B, H, W, 3).

    `image` is (B, H, W, 3) and `heatmap` (B, H, W), clamped to [0, 1]; either may hold one for the other's
    many. The background is black, a grey level in [0, 1], a colour, the image blurred (standard deviation in
    pixels), or `background_image`, of the image's size. Strength 0 returns the image, 1 the full effect.
    Sizes that do not fit are a BadInput.
    """
    image = checked_image(image)
    heatmap = checked_maps(heatmap, "heatmap").to(image.device)
    check_sizes(image, heatmap, "heatmap")
    value_range(heatmap, "heatmap")
    in_range(strength, 0.0, 1.0, "strength")
    behind = _background(image, background, grey, colour, blur_radius, background_image)
    if behind.ndim == 4:
        check_sizes(heatmap, behind[..., 0], "background_image")
    hidden = strength * (1 - heatmap.clamp(0, 1))[..., None]  # (B, H, W, 1)
    return (1 - hidden) * image + hidden * behind


def reference_blend(image: Tensor, heatmap: Tensor, grey: float = 0.0) -> Tensor:
    """The official blend in 8 bits, trunc(I·α + (1 − α)·grey), as float32 (B, H, W, 3) of 255ths.

    `image` (B, H, W, 3) and `heatmap` (B, H, W) are in [0, 1] and taken to the nearest 255th; `grey` counts
    in 0..255.
    """
    image = checked_image(image)
    heatmap = checked_maps(heatmap, "heatmap").to(image.device)
    check_sizes(image, heatmap, "heatmap")
    value_range(heatmap, "heatmap")
    in_range(grey, 0.0, 255.0, "grey")
    levels = (image.clamp(0, 1) * 255).round()
    alpha = ((heatmap.clamp(0, 1) * 255).round() / 255)[..., None]  # (B, H, W, 1)
    # Many sums are whole numbers that rounding may leave just below: these are the official float widths.
    return (wide(levels * alpha) + wide(1 - alpha) * grey).trunc().float() / 255


def _background(
    image: Tensor,
    kind: Background,
    grey: float,
    colour: str | Sequence[float],
    blur_radius: float,
    background_image: Tensor | None,
) -> Tensor:
    """What shows where the heatmap is 0, in a shape that broadcasts with `image`."""
    if kind == "black":
        return image.new_zeros(3)
    if kind == "grey":
        return image.new_full((3,), in_range(grey, 0.0, 1.0, "grey"))
    if kind == "colour":
        return parse_colour(colour).to(image)
    if kind == "blur":
        return gaussian_blur(image, blur_radius)
    if kind != "image":
        hint = f"Use one of {', '.join(get_args(Background))}."
        raise BadInput("unknown background", input="background", value=kind, hint=hint)
    if background_image is None:
        raise BadInput("the background is an image, but none is given", input="background_image", hint="Link one.")
    check_sizes(image, checked_image(background_image, "background_image")[..., 0], "background_image")
    return background_image.to(image)
