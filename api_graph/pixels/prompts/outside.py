"""Everything but the object made less: blurred, without colours, or covered (reverse blur, grey, RedCircle's masks)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from PIL import ImageFilter
from torch import Tensor

from api_graph.errors import inputs_named
from api_graph.pixels._check import checked_image, in_range
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.prompts._boxes import BoxesLike, checked_boxes, enlarged
from api_graph.pixels.prompts._choices import check_choice
from api_graph.pixels.prompts.shapes import Drawing, Shape, filled, joined
from api_graph.pixels.read import to_pil, to_tensor

Fill = Literal["blur", "greyscale", "colour"]
Blur = Literal["gaussian", "pillow"]
Channels = Literal["rgb", "bgr"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, for red, green and blue


def weaken_outside(
    image: Tensor,
    boxes: BoxesLike,
    *,
    fill: Fill = "blur",
    shape: Shape = "box",
    enlarge: float = 1.0,
    blur_radius: float = 100.0,
    colour: str | Sequence[float] = "grey",
    strength: float = 1.0,
    drawing: Drawing = "smooth",
    channels: Channels = "rgb",
    together: bool = False,
) -> Tensor:
    """The image with everything outside each box, or the ellipse in it, made less: (N, H, W, 3), one per box.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; either may hold one for the other's many. With
    `together` all boxes stay in one image. The other parameters are those of `weaken_where_not`; `enlarge` scales each
    box about its centre; drawn by Pillow, it is also blurred by Pillow. Boxes that do not lie on the image are a
    BadInput.
    """
    image = checked_image(image)
    height, width = image.shape[1:3]
    kept = filled(enlarged(checked_boxes(boxes, (width, height)), enlarge), image, shape, drawing)
    with inputs_named(masks="boxes"):
        return weaken_where_not(
            image,
            joined(kept, together),
            fill=fill,
            blur_radius=blur_radius,
            colour=colour,
            strength=strength,
            blur="pillow" if drawing == "pillow" else "gaussian",
            channels=channels,
        )


def weaken_where_not(
    image: Tensor,
    masks: Tensor,
    *,
    fill: Fill = "blur",
    blur_radius: float = 100.0,
    colour: str | Sequence[float] = "grey",
    strength: float = 1.0,
    blur: Blur = "gaussian",
    channels: Channels = "rgb",
) -> Tensor:
    """The image where `masks` (N, H, W) are 1, and made less where they are 0: (N, H, W, 3).

    `blur` by a Gaussian of `blur_radius` pixels, the room's own or Pillow's approximation in 8 bits, which the official
    code uses; without colours (`channels="bgr"` swaps the weights of red and blue, as FGVP's code does); or a `colour`.
    `strength` 0 leaves the image as it is.
    """
    image = checked_image(image)
    check_choice(fill, Fill, "fill")
    check_choice(blur, Blur, "blur")
    with inputs_named(heatmap="masks"):
        if fill == "colour":
            return alpha_blend(image, masks, background="colour", colour=colour, strength=strength)
        if fill == "blur" and blur == "gaussian":
            return alpha_blend(image, masks, background="blur", blur_radius=blur_radius, strength=strength)
        behind = greyscale(image, channels) if fill == "greyscale" else pillow_blur(image, blur_radius)
        return alpha_blend(image, masks, background="image", background_image=behind, strength=strength)


def greyscale(image: Tensor, channels: Channels = "rgb") -> Tensor:
    """(B, H, W, 3) without colours: 0.299 red + 0.587 green + 0.114 blue, or with red and blue swapped."""
    check_choice(channels, Channels, "channels")
    weights = torch.tensor(_LUMA if channels == "rgb" else _LUMA[::-1]).to(image)
    return (image * weights).sum(-1, keepdim=True).expand_as(image)


def pillow_blur(image: Tensor, radius: float) -> Tensor:
    """(B, H, W, 3) blurred in 8 bits by Pillow's GaussianBlur, whose radius is a standard deviation in pixels."""
    in_range(radius, 0.0, 1e6, "blur_radius")
    blurred = [to_tensor(one.filter(ImageFilter.GaussianBlur(radius)))[0] for one in to_pil(image)]
    return torch.cat(blurred).to(image)
