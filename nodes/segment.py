"""Masks of the objects in an image. Nodes that draw on masks take those of any other segmenter as well."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field

from api_graph import segment as room
from api_graph.context import Context
from api_graph.errors import inputs_named
from api_graph.folders import Folders, names_in
from api_graph.pixels.pairing import EVERY, Pairs
from api_graph.segment import Segmenter
from api_graph.sockets import Image, Mask
from api_graph.spec import Choices, Widget, node

from . import estimates
from .fingerprints import Precision, located_segmenter, segmenter_fingerprint, segmenter_precision
from .models import DeviceChoice, placed
from .prompts import PairingChoice, corners
from .socket_types import AnyBoxes

WELL_KNOWN = (
    "hf-hub:facebook/sam-vit-base",
    "hf-hub:facebook/sam-vit-large",
    "hf-hub:facebook/sam-vit-huge",
    "hf-hub:facebook/sam2.1-hiera-tiny",
    "hf-hub:facebook/sam2.1-hiera-small",
    "hf-hub:facebook/sam2.1-hiera-base-plus",
    "hf-hub:facebook/sam2.1-hiera-large",
)


def segmenter_folders(folders: Folders) -> Sequence[str]:
    """The segmenters that lie in the model folders."""
    return names_in(folders.models, room.is_segmenter)


@node(
    "APLoadSegmenter",
    category="attention prompting/models",
    title="Load segmenter",
    model=True,
    fingerprint=segmenter_fingerprint,
    aliases=("SAM", "SAM 2", "segment anything"),
)
def load_segmenter(
    context: Context,
    model: Annotated[
        str,
        Choices(lambda: WELL_KNOWN, open=True, inside=segmenter_folders),
        Field(description="hf-hub:OWNER/NAME of a SAM or SAM 2 in transformers' format, or a model folder."),
    ],
    device: DeviceChoice = "auto",
    precision: Annotated[Precision, Field(description="auto is float32.")] = "auto",
) -> Annotated[Segmenter, Field(description="The model, for Segment.")]:
    """Load a SAM or SAM 2, which finds the masks of objects."""
    with inputs_named(name="model", dtype="precision"):
        name = located_segmenter(context.folders, model)
        staging = placed(device, segmenter_precision(precision), context).staging
        return room.load_segmenter(name, device=staging, dtype=segmenter_precision(precision))


@node(
    "APSegment",
    estimate=estimates.segmented,
    category="attention prompting/visual prompts",
    title="Segment",
    store=True,
    aliases=("SAM", "automatic mask generation"),
)
def segment(
    segmenter: Annotated[Segmenter, Field(description="A SAM, from Load segmenter.")],
    image: Annotated[Image, Field(description="One image; with boxes it may be several.")],
    context: Context,
    boxes: Annotated[AnyBoxes | None, Field(description="One mask for each, in their order.")] = None,
    preset: Annotated[
        Literal["custom", "sam", "fgvp"],
        Field(description="Thresholds of published code in place of the values below; SoM uses those of sam."),
    ] = "custom",
    points_per_side: Annotated[
        int, Field(ge=1, le=256, description="Without boxes: so many points a side are asked about.")
    ] = 32,
    points_per_batch: Annotated[int, Field(ge=1, le=65536, description="Points or boxes in one go.")] = 64,
    pred_iou_thresh: Annotated[
        float, Field(ge=0, le=1, description="Without boxes: how sure the model must be."), Widget(step=0.01)
    ] = 0.88,
    stability_score_thresh: Annotated[
        float, Field(ge=0, le=1, description="Without boxes: how sharp a mask's edge must be."), Widget(step=0.01)
    ] = 0.95,
    stability_score_offset: Annotated[
        float, Field(ge=0, le=100, description="How far the cut moves to see that."), Widget(step=0.1)
    ] = 1.0,
    nms_thresh: Annotated[
        float, Field(ge=0, le=1, description="Without boxes: masks that overlap more are one."), Widget(step=0.05)
    ] = 0.7,
    min_area: Annotated[
        int, Field(ge=0, le=1_000_000_000, description="Without boxes: smaller masks are left out, in pixels.")
    ] = 0,
    mask_threshold: Annotated[
        float,
        Field(ge=-100, le=100, description="Where the model's answers are cut; higher is tighter."),
        Widget(step=0.1),
    ] = 0.0,
    pairing: PairingChoice = EVERY,
) -> Annotated[Mask, Field(description="The masks, one for each object, 0 or 1.")]:
    """Find the masks of everything in the image, the surest first, or of what lies in each box."""
    typed: room.Automatic = {
        "points_per_side": points_per_side,
        "points_per_batch": points_per_batch,
        "pred_iou_thresh": pred_iou_thresh,
        "stability_score_thresh": stability_score_thresh,
        "stability_score_offset": stability_score_offset,
        "nms_thresh": nms_thresh,
        "min_area": min_area,
    }
    values = typed if preset == "custom" else room.AUTOMATIC[preset]
    find = partial(room.segment, segmenter, mask_threshold=mask_threshold, progress=context.progress, **values)
    if boxes is None:
        return find(image)
    where = corners(boxes, image, pairing)
    pairs = Pairs.of(len(image), len(where), pairing)
    masks = []
    for index, one in enumerate(image.split(1)):
        own = [j for i, j in zip(pairs.images, pairs.regions or [], strict=True) if i == index]
        masks.append(find(one, boxes=where[own]))
    return torch.cat(masks)
