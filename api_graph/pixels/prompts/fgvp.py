"""FGVP, Fine-Grained Visual Prompting (Yang et al., 2023): the prompt follows the object's mask, not its box."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from api_graph.errors import inputs_named
from api_graph.pixels._check import check_choice, checked_image, required_masks
from api_graph.pixels.blend import Colour, alpha_blend
from api_graph.pixels.pairing import EVERY, Pairing, Pairs
from api_graph.pixels.prompts.outside import Blur, blurred, greyscale
from api_graph.pixels.prompts.shapes import painted

FgvpStyle = Literal["reverse blur", "mask", "reverse mask", "greyscale"]


def fgvp(
    image: Tensor,
    masks: Tensor,
    *,
    style: FgvpStyle = "reverse blur",
    colour: Colour = "#00ff00",
    opacity: float = 0.5,
    blur_radius: float = 100.0,
    blur: Blur = "gaussian",
    together: bool = False,
    pairing: Pairing = EVERY,
) -> Tensor:
    """Each mask as a prompt on the image: (P, H, W, 3), one per pair.

    `reverse blur` (the paper's best) blurs what lies outside the mask by a Gaussian of `blur_radius` pixels; `mask`
    lays `colour` over what lies inside, (1 − opacity)·image + opacity·colour, and `reverse mask` over what lies
    outside; `greyscale` takes the colours away outside. `image` is (B, H, W, 3) and `masks` (N, H, W) in [0, 1];
    `pairing` says which mask goes on which image. With `together` the union of an image's masks is the prompt. Masks of
    another size are stretched to the image.
    """
    check_choice(style, FgvpStyle, "style")
    image = checked_image(image)
    inside = required_masks(masks, image, "masks")
    pairs = Pairs.of(len(image), len(inside), pairing, input="masks", together=together)
    inside = pairs.of_regions(inside)
    if style in ("mask", "reverse mask"):
        return painted(
            pairs.of_images(image), inside if style == "mask" else 1 - inside, colour, opacity, input="masks"
        )
    check_choice(blur, Blur, "blur")
    weakened = blurred(image, blur_radius, blur) if style == "reverse blur" else greyscale(image)
    image, weakened = pairs.of_images(image), pairs.of_images(weakened)
    with inputs_named(heatmap="masks"):
        return alpha_blend(image, inside, background="image", background_image=weakened)
