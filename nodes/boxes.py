"""Boxes: typed, found around masks, and in the forms that ComfyUI and other packs hand on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api_graph.pixels._check import checked_image
from api_graph.regions import BoxFormat, boxes_around, read_boxes
from api_graph.sockets import Image
from api_graph.spec import Widget, node

from . import estimates
from .socket_types import FoundBoxes, Objects

FOVEAL = "attention prompting/foveal"


@node("APBoxes", estimate=estimates.boxes_in, category=FOVEAL, title="Boxes", aliases=("bounding boxes", "region"))
def boxes(
    image: Annotated[Image, Field(description="The image that the boxes lie in.")],
    boxes: Annotated[
        str, Field(description="One box per line, four numbers; # begins a comment."), Widget(multiline=True)
    ],
    format: Annotated[
        BoxFormat,
        Field(description="xyxy and xywh in pixels; normalized: left, top, right, bottom as shares of the sides."),
    ] = "xyxy",
) -> FoundBoxes:
    """Boxes in an image, from a text; what reaches beyond the image is cut off."""
    image = checked_image(image)
    return read_boxes(boxes, (image.shape[2], image.shape[1]), format)


@node("APBoxesFromMask", category=FOVEAL, title="Boxes around masks")
def boxes_from_mask(
    mask: Objects,
    threshold: Annotated[
        float, Field(ge=0, le=1, description="What counts as inside."), Widget(step=0.05, slider=True)
    ] = 0.5,
) -> FoundBoxes:
    """The smallest box around each mask."""
    return boxes_around(mask, threshold)
