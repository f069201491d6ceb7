"""A translucent colour over the box (CPT, Yao et al., 2021), to be named in the text: "... is in red color."."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from api_graph.pixels._check import checked_image
from api_graph.pixels.prompts._boxes import BoxesLike, checked_boxes, enlarged
from api_graph.pixels.prompts._paint import painted
from api_graph.pixels.prompts.shapes import Drawing, Shape, filled, joined

SHADE_TEMPLATE = "{} is in red color."
"""The caption that goes with the reference's shade."""


def shade_boxes(
    image: Tensor,
    boxes: BoxesLike,
    *,
    colour: str | Sequence[float] = (240 / 255, 0.0, 30 / 255),
    opacity: float = 127 / 255,
    shape: Shape = "box",
    enlarge: float = 1.0,
    drawing: Drawing = "smooth",
    together: bool = False,
) -> Tensor:
    """A colour over each box, (1 − opacity)·image + opacity·colour: (N, H, W, 3), one per box.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; either may hold one for the other's many. With
    `together` all are shaded in one image. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    inside = filled(enlarged(checked_boxes(boxes, size), enlarge), image, shape, drawing)
    return painted(image, joined(inside, together), colour, opacity)
