"""Stand-ins for ComfyUI's own nodes that mask, crop, scale and composite, under ComfyUI's class names.

Headless only: in ComfyUI the real ones run.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field

from api_graph.pixels import compositing
from api_graph.pixels.compositing import CropTo, Operation, Upscale
from api_graph.sockets import Image, Mask
from api_graph.spec import node

from . import estimates

MAX_RESOLUTION = 16384

Position = Annotated[int, Field(ge=0, le=MAX_RESOLUTION, description="In pixels.")]
Length = Annotated[int, Field(ge=1, le=MAX_RESOLUTION, description="In pixels.")]


@node("ThresholdMask", category="image/mask", title="Threshold Mask")
def threshold_mask(mask: Mask, value: Annotated[float, Field(ge=0, le=1, description="The cut.")] = 0.5) -> Mask:
    """1 where the mask is above the value, 0 elsewhere."""
    return (mask > value).float()


@node("GrowMask", category="image/mask", title="Grow Mask")
def grow_mask(
    mask: Mask,
    expand: Annotated[int, Field(ge=-MAX_RESOLUTION, le=MAX_RESOLUTION, description="Pixels; below 0 it shrinks.")] = 0,
    tapered_corners: Annotated[bool, Field(description="Corners are cut off.")] = True,
) -> Mask:
    """Move a mask's edge outwards, or inwards."""
    return compositing.grow_mask(mask, expand, tapered_corners=tapered_corners)


@node("CropMask", category="image/mask", title="Crop Mask")
def crop_mask(mask: Mask, x: Position = 0, y: Position = 0, width: Length = 512, height: Length = 512) -> Mask:
    """A part of a mask."""
    return compositing.crop_mask(mask, x, y, width, height)


@node("SolidMask", estimate=estimates.solid, category="image/mask", title="Create Solid Mask")
def solid_mask(
    value: Annotated[float, Field(ge=0, le=1, description="Of every pixel.")] = 1.0,
    width: Length = 512,
    height: Length = 512,
) -> Mask:
    """A mask of one value."""
    return torch.full((1, height, width), value)


@node("MaskComposite", category="image/mask", title="Combine Masks")
def mask_composite(
    destination: Mask, source: Mask, x: Position = 0, y: Position = 0, operation: Operation = "multiply"
) -> Mask:
    """Join two masks."""
    return compositing.composite_masks(destination, source, x, y, operation)


@node("ImageCrop", category="image/transform", title="Crop Image (DEPRECATED)")
def crop_image(image: Image, width: Length = 512, height: Length = 512, x: Position = 0, y: Position = 0) -> Image:
    """A part of an image."""
    return compositing.crop_image(image, x, y, width, height)


@node("ImageScale", estimate=estimates.scaled, category="image/upscaling", title="Upscale Image")
def scale_image(
    image: Image,
    upscale_method: Annotated[Upscale, Field(description="bislerp, which is for latents, is not there.")],
    width: Annotated[int, Field(ge=0, le=MAX_RESOLUTION, description="0: follows from the height.")] = 512,
    height: Annotated[int, Field(ge=0, le=MAX_RESOLUTION, description="0: follows from the width.")] = 512,
    crop: CropTo = "disabled",
) -> Image:
    """An image at another size."""
    return compositing.scale_image(image, upscale_method, width, height, crop)


@node("ImageCompositeMasked", category="image/compositing", title="Image Composite Masked")
def composite_masked(
    destination: Image,
    source: Image,
    x: Position = 0,
    y: Position = 0,
    resize_source: Annotated[bool, Field(description="The source is resized to the destination.")] = False,
    mask: Mask | None = None,
) -> Image:
    """Lay an image over another, as much of it as the mask says."""
    return compositing.composite_masked(destination, source, x, y, resize_source=resize_source, mask=mask)


@node("JoinImageWithAlpha", category="image/compositing", title="Join Image with Alpha")
def join_alpha(image: Image, alpha: Mask) -> Image:
    """An image with a mask as its transparency."""
    return compositing.join_alpha(image, alpha)


class SplitImage(NamedTuple):
    image: Image
    mask: Mask


@node("SplitImageWithAlpha", category="image/compositing", title="Split Image with Alpha")
def split_alpha(image: Image) -> SplitImage:
    """An image's colours, and its transparency as a mask."""
    return SplitImage(*compositing.split_alpha(image))


NODES = (
    threshold_mask,
    grow_mask,
    crop_mask,
    solid_mask,
    mask_composite,
    crop_image,
    scale_image,
    composite_masked,
    join_alpha,
    split_alpha,
)
