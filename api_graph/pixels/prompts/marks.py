"""Marks on the boxes of an image: a circle or a line around each, a dot in its middle, a colour over it."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.pixels._check import checked_image, in_range
from api_graph.pixels.blend import Colour
from api_graph.pixels.pairing import EVERY, Pairing, Pairs, chosen
from api_graph.pixels.prompts._regions import BoxesLike, checked_boxes, enlarged
from api_graph.pixels.prompts.outside import weaken_outside
from api_graph.pixels.prompts.shapes import Align, Drawing, Shape, Unit, filled, in_pixels, outlined, painted

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
    pairing: Pairing = EVERY,
) -> Tensor:
    """The red circle (Shtedritski et al., 2023), inscribed in each box, over the image: (P, H, W, 3), one per pair.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; `pairing` says which box goes on which image. With
    `together` all boxes of an image are drawn on one. `thickness` is in pixels or a share of a side of the image, at
    least one pixel; `enlarge` 1.414 lets the ellipse pass through the box's corners. `blur_outside`, if not 0, first
    blurs everything outside the ellipse by so many pixels. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    width = in_pixels(thickness, unit, size, "thickness")
    corners = checked_boxes(boxes, size)
    pairs = Pairs.of(len(image), len(corners), pairing, together=together)
    if in_range(blur_outside, 0.0, 1e6, "blur_outside") == 0:
        image = pairs.of_images(image)
    else:
        image = weaken_outside(
            image,
            boxes,
            shape="ellipse",
            enlarge=enlarge,
            blur_radius=blur_outside,
            drawing=drawing,
            together=together,
            pairing=chosen(pairing),
        )
    line = outlined(enlarged(corners, enlarge), image, "ellipse", width, drawing, align)
    return painted(image, pairs.of_regions(line), colour, opacity)


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
    pairing: Pairing = EVERY,
) -> Tensor:
    """The outline of each box as a line over the image: (P, H, W, 3), one per pair.

    Images, boxes and parameters are those of `draw_circle`. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    width = in_pixels(thickness, unit, size, "thickness")
    corners = checked_boxes(boxes, size)
    pairs = Pairs.of(len(image), len(corners), pairing, together=together)
    line = outlined(enlarged(corners, enlarge), image, "box", width, drawing, align)
    return painted(pairs.of_images(image), pairs.of_regions(line), colour, opacity)


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
    pairing: Pairing = EVERY,
) -> Tensor:
    """A dot at the centre of each box, over the image: (P, H, W, 3), one per pair.

    `radius` is in pixels or a share of a side of the image, at least half a pixel. Images, boxes and the other
    parameters are those of `draw_circle`. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    reach = max(0.5, in_pixels(radius, unit, size, "radius"))
    whole = checked_boxes(boxes, size)
    pairs = Pairs.of(len(image), len(whole), pairing, together=together)
    centre = (whole[:, :2] + whole[:, 2:]) / 2  # (N, 2)
    dots = filled(torch.cat([centre - reach, centre + reach], dim=1), image, "ellipse", drawing)
    return painted(pairs.of_images(image), pairs.of_regions(dots), colour, opacity)


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
    pairing: Pairing = EVERY,
) -> Tensor:
    """A colour over each box, to be named in the text (CPT, Yao et al., 2021): (P, H, W, 3), one per pair.

    It is (1 − opacity)·image + opacity·colour. Images, boxes and the other parameters are those of `draw_circle`.
    Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    corners = checked_boxes(boxes, size)
    pairs = Pairs.of(len(image), len(corners), pairing, together=together)
    inside = filled(enlarged(corners, enlarge), image, shape, drawing)
    return painted(pairs.of_images(image), pairs.of_regions(inside), colour, opacity)
