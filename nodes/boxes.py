"""Boxes: typed, found around masks, and in the forms that ComfyUI and other packs hand on."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from api_graph.bounding_boxes import BoundingBox, bounding_boxes
from api_graph.pixels._check import checked_image, fitted_masks
from api_graph.regions import Boxes, BoxFormat, boxes_around, read_boxes
from api_graph.segs import Segs, read_segs, write_segs
from api_graph.sockets import Image, Mask, Socket
from api_graph.spec import Widget, node

from . import estimates
from .socket_types import FoundBoxes, Objects, Where, boxes_of

FOVEAL = "attention prompting/foveal"
SELECTION = "attention prompting/selection"


@node(
    "APBoxes", estimate=estimates.boxes_in, category=FOVEAL, title="Boxes", aliases=("bounding boxes", "bbox", "region")
)
def boxes(
    image: Annotated[Image, Field(description="The image that the boxes lie in.")],
    boxes: Annotated[
        str,
        Field(description="One box per line, four numbers; behind a # its name, or a comment."),
        Widget(multiline=True),
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


# ------------------------------------------------------------------------------------------ other packs


@node(
    "APBoxesToBoundingBox",
    category=SELECTION,
    title="Boxes to BOUNDING_BOX",
    aliases=("bbox", "convert boxes", "SAM3", "crop by bounding boxes"),
)
def boxes_to_bounding_box(
    boxes: Annotated[Boxes, Field(description="Boxes in an image.")],
    lists: Annotated[
        Literal["one list for all images", "box i on image i"],
        Field(description="box i on image i: a list for each box, for as many images."),
    ] = "one list for all images",
) -> Annotated[
    list[list[BoundingBox]],
    Socket("BOUNDING_BOX"),
    Field(description="A list for each image of x, y, width and height in pixels, with label and score if known."),
]:
    """Boxes in the form that ComfyUI's own nodes take, such as SAM3 Detect, Draw BBoxes and Crop by BBoxes."""
    return bounding_boxes(boxes, one_each=lists == "box i on image i")


class FoundRegions(NamedTuple):
    boxes: FoundBoxes
    masks: Annotated[Mask, Field(description="A mask of the whole image for each box.")]


@node(
    "APSegsToBoxes",
    estimate=estimates.regions_of_segs,
    category=SELECTION,
    title="SEGS to boxes and masks",
    aliases=("Impact Pack", "convert SEGS", "detailer"),
)
def segs_to_boxes(
    segs: Annotated[object, Socket("SEGS"), Field(description="From a detector of the Impact Pack.")],
) -> FoundRegions:
    """The boxes and masks of the Impact Pack's SEGS, with their labels and confidences."""
    return FoundRegions(*read_segs(segs))


@node(
    "APBoxesToSegs",
    estimate=estimates.segs_of_boxes,
    category=SELECTION,
    title="Boxes and masks to SEGS",
    aliases=("Impact Pack", "convert boxes", "detailer"),
)
def boxes_to_segs(
    image: Annotated[Image, Field(description="The image that they lie in.")],
    boxes: Where,
    masks: Annotated[Mask | None, Field(description="A mask for each box; without, the boxes are filled.")] = None,
    crop_factor: Annotated[
        float,
        Field(ge=1, le=100, description="How much longer the sides of what a detailer sees are than the box's."),
        Widget(step=0.1),
    ] = 3.0,
    label: Annotated[str, Field(description="Of boxes that have none.")] = "",
) -> Annotated[Segs, Socket("SEGS"), Field(description="One region for each box.")]:
    """Boxes and masks as the Impact Pack's SEGS, for its detailers."""
    image = checked_image(image)
    found = boxes_of(boxes, image)
    fitted = None if masks is None else fitted_masks(masks, image, "masks")
    return write_segs(found, image, fitted, crop_factor=crop_factor, label=label)
