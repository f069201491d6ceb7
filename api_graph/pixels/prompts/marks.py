"""Marks on the boxes of an image: a circle or a line around each, a dot in its middle, a colour over it."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.pixels._check import checked_image, in_range
from api_graph.pixels.blend import Colour
from api_graph.pixels.prompts._regions import BoxesLike, checked_boxes, enlarged
from api_graph.pixels.prompts.outside import weaken_outside
from api_graph.pixels.prompts.shapes import Align, Drawing, Shape, Unit, filled, in_pixels, joined, outlined, painted

SHADE_TEMPLATE = "{} is in red color."
"""The caption that goes with the reference's shade."""


def draw_circle(
    image: Tensor,
    boxes: BoxesLike,
    *,
    colour: Colour = "red",
    thickness: float = 0.005,
    unit: Unit = "long side",
    enlarge: float = 1.0,
    align: Align = "inside",
    opacity: float = 1.0,
    blur_outside: float = 0.0,
    drawing: Drawing = "smooth",
    together: bool = False,
) -> Tensor:
    """The red circle (Shtedritski et al., 2023), inscribed in each box, over the image: (N, H, W, 3), one per box.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; either may hold one for the other's many. With
    `together` all are drawn on one image. `thickness` is in pixels or a share of a side of the image, at least one
    pixel; `enlarge` 1.414 lets the ellipse pass through the box's corners. `blur_outside`, if not 0, first blurs
    everything outside the ellipse by so many pixels. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    width = in_pixels(thickness, unit, size, "thickness")
    if in_range(blur_outside, 0.0, 1e6, "blur_outside"):
        image = weaken_outside(
            image,
            boxes,
            shape="ellipse",
            enlarge=enlarge,
            blur_radius=blur_outside,
            drawing=drawing,
            together=together,
        )
    line = outlined(enlarged(checked_boxes(boxes, size), enlarge), image, "ellipse", width, drawing, align)
    return painted(image, joined(line, together), colour, opacity)


def draw_box(
    image: Tensor,
    boxes: BoxesLike,
    *,
    colour: Colour = "red",
    thickness: float = 0.005,
    unit: Unit = "long side",
    enlarge: float = 1.0,
    align: Align = "inside",
    opacity: float = 1.0,
    drawing: Drawing = "smooth",
    together: bool = False,
) -> Tensor:
    """The outline of each box as a line over the image: (N, H, W, 3), one per box.

    Images, boxes and parameters are those of `draw_circle`. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    width = in_pixels(thickness, unit, size, "thickness")
    line = outlined(enlarged(checked_boxes(boxes, size), enlarge), image, "box", width, drawing, align)
    return painted(image, joined(line, together), colour, opacity)


def draw_keypoint(
    image: Tensor,
    boxes: BoxesLike,
    *,
    colour: Colour = "red",
    radius: float = 0.01,
    unit: Unit = "long side",
    opacity: float = 1.0,
    drawing: Drawing = "smooth",
    together: bool = False,
) -> Tensor:
    """A dot at the centre of each box, over the image: (N, H, W, 3), one per box.

    `radius` is in pixels or a share of a side of the image, at least half a pixel. Images, boxes and the other
    parameters are those of `draw_circle`. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    reach = max(0.5, in_pixels(radius, unit, size, "radius"))
    whole = checked_boxes(boxes, size)
    centre = (whole[:, :2] + whole[:, 2:]) / 2  # (N, 2)
    dots = filled(torch.cat([centre - reach, centre + reach], dim=1), image, "ellipse", drawing)
    return painted(image, joined(dots, together), colour, opacity)


def shade_boxes(
    image: Tensor,
    boxes: BoxesLike,
    *,
    colour: Colour = (240 / 255, 0.0, 30 / 255),
    opacity: float = 127 / 255,
    shape: Shape = "box",
    enlarge: float = 1.0,
    drawing: Drawing = "smooth",
    together: bool = False,
) -> Tensor:
    """A colour over each box, to be named in the text (CPT, Yao et al., 2021): (N, H, W, 3), one per box.

    It is (1 − opacity)·image + opacity·colour. Images, boxes and the other parameters are those of `draw_circle`.
    Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    inside = filled(enlarged(checked_boxes(boxes, size), enlarge), image, shape, drawing)
    return painted(image, joined(inside, together), colour, opacity)
