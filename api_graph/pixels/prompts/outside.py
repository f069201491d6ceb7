"""Everything but the object made less: blurred, without colours, or covered (reverse blur, grey, RedCircle's masks)."""

from __future__ import annotations

from typing import Literal

import torch
from PIL import ImageFilter
from torch import Tensor

from api_graph.errors import inputs_named
from api_graph.pixels._check import check_choice, checked_image, in_range
from api_graph.pixels.blend import Colour, alpha_blend, gaussian_blur, parse_colour
from api_graph.pixels.pairing import EVERY, Pairing, Pairs
from api_graph.pixels.prompts._regions import BoxesLike, checked_boxes, enlarged
from api_graph.pixels.prompts.shapes import Drawing, Shape, filled
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
    colour: Colour = "grey",
    strength: float = 1.0,
    drawing: Drawing = "smooth",
    channels: Channels = "rgb",
    together: bool = False,
    pairing: Pairing = EVERY,
) -> Tensor:
    """The image with everything outside each box, or the ellipse in it, made less: (P, H, W, 3), one per pair.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; `pairing` says which box goes on which image. With
    `together` all boxes of an image stay in one. What lies outside is blurred by `blur_radius` pixels (by Pillow where
    Pillow draws), `greyscale`, or covered with a `colour`; `strength` 0 leaves it as it is. `enlarge` scales each box
    about its centre. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    height, width = image.shape[1:3]
    corners = checked_boxes(boxes, (width, height))
    pairs = Pairs.of(len(image), len(corners), pairing, together=together)
    kept = pairs.of_regions(filled(enlarged(corners, enlarge), image, shape, drawing))
    check_choice(fill, Fill, "fill")
    if fill == "colour":
        weakened = parse_colour(colour).to(image).expand_as(image)
    elif fill == "greyscale":
        weakened = greyscale(image, channels)
    else:
        weakened = blurred(image, blur_radius, "pillow" if drawing == "pillow" else "gaussian")
    image, weakened = pairs.of_images(image), pairs.of_images(weakened)
    with inputs_named(heatmap="boxes"):
        return alpha_blend(image, kept, background="image", background_image=weakened, strength=strength)


def greyscale(image: Tensor, channels: Channels = "rgb") -> Tensor:
    """(B, H, W, 3) without colours: 0.299 red + 0.587 green + 0.114 blue.

    `bgr` swaps the weights of red and blue, as FGVP's code does.
    """
    check_choice(channels, Channels, "channels")
    weights = torch.tensor(_LUMA if channels == "rgb" else _LUMA[::-1]).to(image)
    return (image * weights).sum(-1, keepdim=True).expand_as(image)


def blurred(image: Tensor, radius: float, blur: Blur = "gaussian") -> Tensor:
    """(B, H, W, 3) blurred by a Gaussian of `radius` pixels, its standard deviation.

    `pillow` is Pillow's approximation in 8 bits, which the official code uses.
    """
    check_choice(blur, Blur, "blur")
    if blur == "gaussian":
        return gaussian_blur(image, radius)
    in_range(radius, 0.0, 1e6, "blur_radius")
    pictures = [to_tensor(one.filter(ImageFilter.GaussianBlur(radius)))[0] for one in to_pil(image)]
    return torch.cat(pictures).to(image)
