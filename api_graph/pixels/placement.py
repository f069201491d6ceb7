"""A part of an image cut out so that another model can work on it, and put back where it was."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.pixels._check import checked_image, checked_maps, in_range
from api_graph.regions import Boxes

_ASPECT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[:/x×]\s*(\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Placement:
    """Where a crop lies in its image, in pixels: right and bottom are exclusive, and edges may lie beyond the image.

    `width` and `height` are the image's. What lies beyond the image was filled with its edge, and is not put back.
    """

    socket: ClassVar[str] = "AP_PLACEMENT"

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds an equal placement."""
        return {}, list(astuple(self))

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Sequence[int]) -> Placement:
        return cls(*meta)


class Crop(NamedTuple):
    """A crop (1, h, w, 3) of an image, the region in it as a mask (1, h, w), and where it lies."""

    image: Tensor
    mask: Tensor
    placement: Placement


def smart_crop(
    image: Tensor,
    boxes: Boxes,
    mask: Tensor | None = None,
    *,
    margin: float = 0.1,
    aspect: str = "keep",
    multiple: int = 1,
) -> list[Crop]:
    """The part of an image (1, H, W, 3) around each box, with room around it and sides that a model can work with.

    `margin` is added on all four sides, as a share of the box's longer side. `aspect` "keep" leaves the sides as they
    are; "1:1", "16:9" (width to height) lengthens one of them. Both are then rounded up to a `multiple`. The crop is
    moved back into the image as far as it fits; what reaches beyond it all the same repeats the image's edge. `mask`
    (1, H, W) is cut out likewise, zero beyond the image; without one the region is the box.

    Raises BadInput for several images, boxes of an image of another size, a box outside the image, and words that are
    no aspect.
    """
    image = checked_image(image)
    in_range(margin, 0.0, 100.0, "margin")
    in_range(multiple, 1, 4096, "multiple")
    height, width = image.shape[1:3]
    if len(image) != 1:
        problem = f"there are {len(image)} images, and crops are those of one"
        raise BadInput(problem, input="image", value=tuple(image.shape), hint="Give one.")
    if not len(boxes):
        raise BadInput("there is no box", input="boxes", value=[], hint="Give at least one.")
    if boxes.size != (width, height):
        raise BadInput(
            f"the boxes lie in an image of {boxes.size[0]}×{boxes.size[1]} pixels, not {width}×{height}",
            input="boxes",
            value=boxes.size,
            hint="Use the image that they were made from.",
        )
    ratio = _ratio(aspect)
    crops = []
    for number, box in enumerate(boxes.values.tolist(), start=1):
        if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
            raise BadInput(f"box {number} lies outside the image", input="boxes", value=box, hint="Look at its format.")
        placement = _placed(box, (width, height), margin, ratio, multiple)
        region = _box_mask(box, height, width, image) if mask is None else checked_maps(mask, "mask")
        crops.append(Crop(_cut(image, placement), _cut_mask(region, placement), placement))
    return crops


def paste_back(
    image: Tensor,
    crops: Sequence[Tensor],
    placements: Sequence[Placement],
    masks: Sequence[Tensor] | None = None,
    *,
    feather: int = 0,
) -> Tensor:
    """Put crops (1, h, w, 3) back into their image (1, H, W, 3), one after the other.

    A crop of another size than its placement, such as one that was made larger, is resized to it (bilinear, with
    antialiasing). A `mask` (1, h, w) for each crop says how much of it is put back, 1 for all. `feather` is the number
    of pixels over which a crop fades in from its borders; a border on the image's own edge does not fade.

    Raises BadInput where the numbers of crops, placements and masks differ, and for an image of another size.
    """
    result = checked_image(image).clone()
    in_range(feather, 0, 4096, "feather")
    height, width = result.shape[1:3]
    if len(crops) != len(placements) or not crops:
        raise BadInput(
            f"{len(crops)} crops do not go with {len(placements)} placements",
            input="crops",
            hint="Give each crop its own placement, from Smart crop.",
        )
    if masks is not None and len(masks) != len(crops):
        raise BadInput(
            f"{len(masks)} masks do not go with {len(crops)} crops", input="masks", hint="Give one for each."
        )
    for index, (crop, placement) in enumerate(zip(crops, placements, strict=True)):
        if (placement.width, placement.height) != (width, height):
            raise BadInput(
                f"crop {index + 1} was cut from an image of {placement.width}×{placement.height} pixels",
                input="image",
                value=f"{width}×{height}",
                hint="Give the image that it was cut from, in its own size.",
            )
        crop = checked_image(crop, "crops").to(result.device)
        if len(crop) not in (1, len(result)):
            raise BadInput(
                f"crop {index + 1} has {len(crop)} pictures, and there are {len(result)} images",
                input="crops",
                hint="Give one, or one for each image.",
            )
        size = placement.bottom - placement.top, placement.right - placement.left
        weight = _fade_in(placement, feather).to(result.device)[None]
        if masks is not None:
            weight = weight * _resized(checked_maps(masks[index], "masks").to(result.device)[..., None], size)[..., 0]
        rows = slice(max(placement.top, 0), min(placement.bottom, height))
        columns = slice(max(placement.left, 0), min(placement.right, width))
        part = (
            slice(rows.start - placement.top, rows.stop - placement.top),
            slice(columns.start - placement.left, columns.stop - placement.left),
        )
        new, weight = _resized(crop, size)[:, part[0], part[1]], weight[:, part[0], part[1], None]
        result[:, rows, columns] = weight * new + (1 - weight) * result[:, rows, columns]
    return result


def _ratio(aspect: str) -> float | None:
    """Width over height; None for "keep"."""
    if aspect.strip() == "keep":
        return None
    match = _ASPECT.fullmatch(aspect)
    sides = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if min(sides) <= 0 or not 1 / 64 <= sides[0] / sides[1] <= 64:
        raise BadInput("this is no aspect", input="aspect", value=aspect, hint="Write keep, or 1:1, 4:3, 16:9, ...")
    return sides[0] / sides[1]


def _placed(
    box: Sequence[float], size: tuple[int, int], margin: float, ratio: float | None, multiple: int
) -> Placement:
    left, top, right, bottom = box
    room = margin * max(right - left, bottom - top)
    wide, tall = right - left + 2 * room, bottom - top + 2 * room
    if ratio is not None:
        wide, tall = max(wide, tall * ratio), max(tall, wide / ratio)
    centre = (left + right) / 2, (top + bottom) / 2
    (x, w), (y, h) = (
        _whole(middle, length, pixels, multiple)
        for middle, length, pixels in zip(centre, (wide, tall), size, strict=True)
    )
    return Placement(x, y, x + w, y + h, *size)


def _whole(middle: float, length: float, pixels: int, multiple: int) -> tuple[int, int]:
    """First pixel and length of a side of an axis of `pixels`: the length rounded up, moved inside where it fits."""
    whole = max(math.ceil(round(length / multiple, 6)), 1) * multiple
    first = round(middle - whole / 2)
    if whole > pixels:  # as much beyond the one edge as beyond the other
        return -((whole - pixels) // 2), whole
    return min(max(first, 0), pixels - whole), whole


def _cut(image: Tensor, placement: Placement) -> Tensor:
    rows = torch.arange(placement.top, placement.bottom, device=image.device).clamp(0, placement.height - 1)
    columns = torch.arange(placement.left, placement.right, device=image.device).clamp(0, placement.width - 1)
    return image[:, rows][:, :, columns]


def _cut_mask(mask: Tensor, placement: Placement) -> Tensor:
    """The mask (1, H, W) in the crop; beyond the image, where it says nothing, it is 0."""
    sides = -placement.left, placement.right - placement.width, -placement.top, placement.bottom - placement.height
    return functional.pad(mask, sides)


def _box_mask(box: Sequence[float], height: int, width: int, like: Tensor) -> Tensor:
    """1 in the whole pixels that the box touches, (1, H, W)."""
    mask = torch.zeros(1, height, width, device=like.device)
    left, top, right, bottom = box
    mask[:, max(math.floor(top), 0) : math.ceil(bottom), max(math.floor(left), 0) : math.ceil(right)] = 1.0
    return mask


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h, w, C) in another (height, width)."""
    if picture.shape[1:3] == size:
        return picture
    planes = picture.movedim(-1, 1)
    return functional.interpolate(planes, size, mode="bilinear", antialias=True).movedim(1, -1).clamp(0, 1)


def _fade_in(placement: Placement, feather: int) -> Tensor:
    """How much of each of the crop's pixels is put back, (h, w): a ramp from each border that lies in the image."""
    down = _ramp(placement.top, placement.bottom, placement.height, feather)
    across = _ramp(placement.left, placement.right, placement.width, feather)
    return down[:, None] * across[None]


def _ramp(first: int, last: int, pixels: int, feather: int) -> Tensor:
    centres = torch.arange(last - first) + 0.5
    ramp = torch.ones(last - first)
    if feather and first > 0:
        ramp = ramp * (centres / feather).clamp(max=1.0)
    if feather and last < pixels:
        ramp = ramp * ((last - first - centres) / feather).clamp(max=1.0)
    return ramp
