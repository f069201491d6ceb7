"""FGVP, Fine-Grained Visual Prompting (Yang et al., 2023): the prompt follows the object's mask, not its box."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from api_graph.errors import inputs_named
from api_graph.pixels._check import check_choice, checked_image
from api_graph.pixels.blend import Colour, alpha_blend
from api_graph.pixels.prompts._regions import checked_masks
from api_graph.pixels.prompts.outside import Blur, blurred, greyscale
from api_graph.pixels.prompts.shapes import joined, painted

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
) -> Tensor:
    """Each mask as a prompt on the image: (N, H, W, 3), one per mask.

    `reverse blur` (the paper's best) blurs what lies outside the mask by a Gaussian of `blur_radius` pixels; `mask`
    lays `colour` over what lies inside, (1 − opacity)·image + opacity·colour, and `reverse mask` over what lies
    outside; `greyscale` takes the colours away outside. `image` is (B, H, W, 3) and `masks` (N, H, W) in [0, 1];
    either may hold one for the other's many. With `together` the union of all masks is the prompt. Sizes that do not
    fit are a BadInput.
    """
    check_choice(style, FgvpStyle, "style")
    image = checked_image(image)
    inside = joined(checked_masks(masks, image), together)
    if style in ("mask", "reverse mask"):
        return painted(image, inside if style == "mask" else 1 - inside, colour, opacity, input="masks")
    check_choice(blur, Blur, "blur")
    weakened = blurred(image, blur_radius, blur) if style == "reverse blur" else greyscale(image)
    with inputs_named(heatmap="masks"):
        return alpha_blend(image, inside, background="image", background_image=weakened)
