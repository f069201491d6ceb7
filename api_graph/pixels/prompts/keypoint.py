"""A dot in the middle of the object."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from api_graph.pixels._check import checked_image
from api_graph.pixels.prompts._boxes import BoxesLike, checked_boxes
from api_graph.pixels.prompts._paint import painted
from api_graph.pixels.prompts.lengths import Unit, in_pixels
from api_graph.pixels.prompts.shapes import Drawing, filled, joined


def draw_keypoint(
    image: Tensor,
    boxes: BoxesLike,
    *,
    colour: str | Sequence[float] = "red",
    radius: float = 0.01,
    unit: Unit = "long side",
    opacity: float = 1.0,
    drawing: Drawing = "smooth",
    together: bool = False,
) -> Tensor:
    """A filled circle at the centre of each box: (N, H, W, 3), one per box.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; either may hold one for the other's many. With
    `together` all are drawn on one image. `radius` is in pixels or a share of a side of the image, at least half a
    pixel. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    reach = max(0.5, in_pixels(radius, unit, size, "radius"))
    whole = checked_boxes(boxes, size)
    centre = (whole[:, :2] + whole[:, 2:]) / 2  # (N, 2)
    dots = filled(torch.cat([centre - reach, centre + reach], dim=1), image, "ellipse", drawing)
    return painted(image, joined(dots, together), colour, opacity)
