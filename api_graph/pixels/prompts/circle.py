"""The red circle: an ellipse drawn around the object on the image that CLIP sees (Shtedritski et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from api_graph.pixels._check import checked_image, in_range
from api_graph.pixels.prompts._boxes import BoxesLike, checked_boxes, enlarged
from api_graph.pixels.prompts._paint import painted
from api_graph.pixels.prompts.lengths import Unit, in_pixels
from api_graph.pixels.prompts.outside import weaken_outside
from api_graph.pixels.prompts.shapes import Align, Drawing, joined, outlined


def draw_circle(
    image: Tensor,
    boxes: BoxesLike,
    *,
    colour: str | Sequence[float] = "red",
    thickness: float = 0.005,
    unit: Unit = "long side",
    enlarge: float = 1.0,
    align: Align = "inside",
    opacity: float = 1.0,
    blur_outside: float = 0.0,
    drawing: Drawing = "smooth",
    together: bool = False,
) -> Tensor:
    """The ellipse inscribed in each box as a line over the image: (N, H, W, 3), one per box.

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
