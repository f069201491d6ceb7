"""From a map to something that other nodes work on: masks, points, boxes and crops."""

from __future__ import annotations

import json
from typing import Annotated, NamedTuple

from pydantic import Field

from api_graph.errors import BadInput
from api_graph.pixels import placement as room
from api_graph.pixels.peaks import box_of_peak, find_peaks
from api_graph.pixels.placement import Placement
from api_graph.pixels.threshold import Keep, Threshold, heatmap_to_mask
from api_graph.regions import Boxes, boxes_around
from api_graph.sockets import Image, Mask
from api_graph.spec import Widget, node

from .socket_types import FoundBoxes, Heatmap

CATEGORY = "attention prompting/selection"

ShareOfRange = Annotated[
    float,
    Field(ge=0, le=1, description="A share of the way from the map's lowest value to its highest."),
    Widget(step=0.05, slider=True),
]


@node(
    "APHeatmapToMask",
    category=CATEGORY,
    title="Heatmap to mask",
    rowwise=True,
    aliases=("threshold", "mask from text", "binarize", "segment"),
)
def mask_of_heatmap(
    heatmap: Heatmap,
    method: Annotated[
        Threshold,
        Field(
            description="share: of the map's range. fixed: a value. otsu: finds the cut itself. quantile: the share of "
            "the pixels left outside. hysteresis: what touches a part above the threshold counts from low on."
        ),
    ] = "share",
    threshold: Annotated[
        float,
        Field(ge=0, le=1, description="Where the map is cut; what it means is the method's. otsu does not read it."),
        Widget(step=0.05, slider=True),
    ] = 0.6,
    low: Annotated[
        float,
        Field(ge=0, le=1, description="hysteresis: the lower cut, a share of the map's range."),
        Widget(step=0.05, slider=True),
    ] = 0.4,
    keep: Annotated[
        Keep, Field(description="all: every part. peak: only the part around the map's highest value.")
    ] = "all",
    grow: Annotated[
        int, Field(ge=-4096, le=4096, description="Moves the edge outwards, in pixels; inwards below 0.")
    ] = 0,
    feather: Annotated[
        float, Field(ge=0, le=1000, description="Softens the edge: a Gaussian's deviation, in pixels."), Widget(step=1)
    ] = 0.0,
) -> Annotated[Mask, Field(description="1 where the map is high, 0 elsewhere.")]:
    """Cut a heatmap into a mask: what the model looked at, for inpainting, cropping or compositing."""
    return heatmap_to_mask(heatmap, method, threshold, low, keep=keep, grow=grow, feather=feather)


class FoundPeaks(NamedTuple):
    points: Annotated[
        str, Field(description='As JSON, [{"x": 10, "y": 20}], in pixels: what SAM3 Detect takes as positive_coords.')
    ]
    boxes: Annotated[Boxes, Field(description="A box around each peak, in the same order.")]
    number: Annotated[int, Field(description="How many peaks there are; fewer than asked for where the map has fewer.")]


@node(
    "APPeaks",
    category=CATEGORY,
    title="Peaks",
    aliases=("points", "SAM points", "where to look", "local maxima"),
)
def peaks(
    heatmap: Annotated[Mask, Field(description="One heatmap in the image's pixels.")],
    count: Annotated[int, Field(ge=1, le=1000, description="At most so many, the highest first.")] = 1,
    threshold: ShareOfRange = 0.6,
    min_distance: Annotated[
        float,
        Field(ge=0, le=1, description="No two are nearer than this, as a share of the image's shorter side."),
        Widget(step=0.01),
    ] = 0.1,
) -> FoundPeaks:
    """The highest places of a heatmap: points and boxes that a segmenter or a prompt can be given."""
    found = find_peaks(heatmap, count, threshold=threshold, min_distance=min_distance)
    points = json.dumps([{"x": x, "y": y} for x, y in found.points])
    return FoundPeaks(points, found.boxes, len(found.points))


class PeakRegion(NamedTuple):
    boxes: FoundBoxes
    mask: Annotated[Mask, Field(description="The part of the map in each box, 1 inside.")]


@node(
    "APBoxOfPeak",
    category=CATEGORY,
    title="Box of the peak",
    aliases=("bounding box", "box from text", "connected component"),
)
def peak_box(heatmap: Heatmap, threshold: ShareOfRange = 0.6) -> PeakRegion:
    """The box around the highest part of each heatmap, and of nothing else that is high as well."""
    return PeakRegion(*box_of_peak(heatmap, threshold))


class Crops(NamedTuple):
    crops: list[Annotated[Image, Field(description="The part around each box.")]]
    masks: list[Annotated[Mask, Field(description="The region in each crop, 1 inside.")]]
    placements: list[Annotated[Placement, Field(description="Where each lies, for Paste back.")]]


@node("APSmartCrop", category=CATEGORY, title="Smart crop", aliases=("crop to text", "crop to mask", "inpaint crop"))
def smart_crop(
    image: Annotated[Image, Field(description="One image.")],
    boxes: Annotated[Boxes | None, Field(description="What to crop to; one crop for each. Or a mask.")] = None,
    mask: Annotated[Mask | None, Field(description="What to crop to: one mask. Or boxes.")] = None,
    margin: Annotated[
        float,
        Field(ge=0, le=100, description="Room on each side, as a share of the box's longer side."),
        Widget(step=0.05),
    ] = 0.1,
    aspect: Annotated[str, Field(description="Width to height, such as 1:1 or 16:9; keep: as the box is.")] = "keep",
    multiple: Annotated[
        int, Field(ge=1, le=4096, description="Both sides are rounded up to a multiple: 8, 16 or 64 for a sampler.")
    ] = 8,
) -> Crops:
    """Cut out what matters, with room around it and sides that a sampler takes, and remember where it was."""
    if mask is not None:
        if boxes is not None:
            raise BadInput("give boxes or a mask, not both", input="boxes")
        if len(mask) != 1:
            problem = f"there are {len(mask)} masks, and a crop is made to one"
            raise BadInput(problem, input="mask", value=tuple(mask.shape), hint="Give one.")
        boxes = boxes_around(mask)
    elif boxes is None:
        raise BadInput("there is nothing to crop to", input="boxes", hint="Link boxes or a mask.")
    crops = room.smart_crop(image, boxes, mask, margin=margin, aspect=aspect, multiple=multiple)
    return Crops([crop.image for crop in crops], [crop.mask for crop in crops], [crop.placement for crop in crops])


@node("APPasteBack", category=CATEGORY, title="Paste back", aliases=("uncrop", "stitch", "inpaint stitch"))
def paste_back(
    image: Annotated[Image, Field(description="The image that the crops were cut from.")],
    crops: Annotated[list[Image], Field(description="What to put back; of any size.")],
    placements: Annotated[list[Placement], Field(description="Where each was, from Smart crop.")],
    masks: Annotated[list[Mask] | None, Field(description="How much of each is put back; all of it without.")] = None,
    feather: Annotated[
        int, Field(ge=0, le=4096, description="Pixels over which a crop fades in from its borders.")
    ] = 0,
) -> Annotated[Image, Field(description="The image with the crops in it.")]:
    """Put what was cropped, and worked on since, back where it was."""
    return room.paste_back(image, crops, placements, masks, feather=feather)
