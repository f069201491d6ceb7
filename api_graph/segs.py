"""SEGS, the regions of the Impact Pack: read and written by the names of its fields, without that pack.

SEGS are ((H, W), [SEG, ...]). A SEG has a box, a mask of the part of the image around it, that part itself, a label and
a confidence. It is a named tuple, so that one with these fields is as good as the pack's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.regions import Boxes, check_box, clipped_box

_FORM = "SEGS are what the detectors of the Impact Pack give: ((height, width), [SEG, ...])."


class SEG(NamedTuple):
    """A region of an image. `crop_region` and `bbox` are left, top, right and bottom in pixels of the image.

    `cropped_image` is (1, h, w, 3), and `cropped_mask` a NumPy array (h, w), of the crop region.
    """

    cropped_image: Any
    cropped_mask: Any
    confidence: Any
    crop_region: Any
    bbox: Any
    label: Any
    control_net_wrapper: Any = None


class Regions(NamedTuple):
    """Boxes with their labels and scores, and a mask of the image for each, (N, H, W)."""

    boxes: Boxes
    masks: Tensor


Segs = tuple[tuple[int, int], list[SEG]]


def read_segs(segs: object) -> Regions:
    """The boxes of SEGS, and their masks in the whole image; a region without a mask fills its box.

    Raises BadInput, naming the region, for what is no SEGS.
    """
    if not isinstance(segs, tuple | list) or len(segs) != 2 or not isinstance(segs[1], list | tuple):
        raise BadInput("these are no SEGS", input="segs", value=type(segs).__name__, hint=_FORM)
    try:
        height, width = (int(side) for side in segs[0][:2])
    except (TypeError, ValueError, IndexError) as error:
        raise BadInput("they do not say how large their image is", input="segs", hint=_FORM) from error
    regions: Sequence[Any] = segs[1]
    masks = torch.zeros(len(regions), height, width)
    rows, labels, scores = [], [], []
    for number, (region, mask) in enumerate(zip(regions, masks, strict=True), start=1):
        where = f"region {number}"
        if any(not hasattr(region, name) for name in ("bbox", "crop_region", "cropped_mask", "label", "confidence")):
            raise BadInput(f"{where} is no SEG", input="segs", value=type(region).__name__, hint=_FORM)
        box = _edges(region.bbox, f"the box of {where}")
        _lay(mask, region.cropped_mask, _edges(region.crop_region, f"the crop of {where}"), box, where)
        rows.append(box)
        labels.append(None if region.label in (None, "") else str(region.label))
        scores.append(_confidence(region.confidence, where))
    values = torch.tensor(rows, dtype=torch.float64).reshape(-1, 4)
    told = tuple(labels) if any(label is not None for label in labels) else ()
    known = tuple(scores) if any(score is not None for score in scores) else ()
    return Regions(Boxes(values, (width, height), told, known), masks)


def write_segs(
    boxes: Boxes, image: Tensor, masks: Tensor | None = None, *, crop_factor: float = 3.0, label: str = ""
) -> Segs:
    """SEGS of boxes in an image (1, H, W, 3), with a mask (N, H, W) for each; without masks the box is filled.

    The crop of a region is its box, `crop_factor` times as long on both sides and moved into the image, and all of its
    mask. `label` is that of boxes which have none; a confidence that nobody knows is 1. Whole edges are ints.

    Raises BadInput for several images, no box at all, one that lies outside the image, boxes or masks of another size,
    and another number of masks than boxes.
    """
    height, width = image.shape[1:3]
    if len(image) != 1:
        problem = f"there are {len(image)} images, and SEGS are those of one"
        raise BadInput(problem, input="image", value=len(image), hint="Give one.")
    if boxes.size != (width, height):
        raise BadInput(
            f"the boxes lie in an image of {boxes.size[0]}×{boxes.size[1]} pixels, not {width}×{height}",
            input="boxes",
            value=boxes.size,
            hint="Link the image that they were given for.",
        )
    if not len(boxes):
        raise BadInput("there is no box", input="boxes", value=0, hint="Give at least one.")
    if masks is not None and tuple(masks.shape) != (len(boxes), height, width):
        raise BadInput(
            f"there are {len(masks)} masks, and {len(boxes)} boxes",
            input="masks",
            value=tuple(masks.shape),
            hint="Give a mask for each box, or none.",
        )
    found = []
    for index, whole in enumerate(boxes.values.tolist()):
        box = clipped_box(whole, f"box {index + 1}", boxes.size)
        mask = _filled(box, height, width) if masks is None else masks[index].float().cpu()
        left, top, right, bottom = region = _crop_region(box, mask, crop_factor)
        own = boxes.labels[index] if boxes.labels else None
        score = boxes.scores[index] if boxes.scores else None
        found.append(
            SEG(
                cropped_image=image[:, top:bottom, left:right].clone(),
                cropped_mask=mask[top:bottom, left:right].clone().numpy(),
                confidence=1.0 if score is None else score,
                crop_region=region,
                bbox=[int(edge) if edge == int(edge) else edge for edge in box],
                label=label if own is None else own,
            )
        )
    return (height, width), found


def _edges(values: Any, what: str) -> list[float]:
    """Four finite numbers, from whichever kind of sequence."""
    try:
        edges = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise BadInput(f"{what} is not four numbers", input="segs", value=values, hint=_FORM) from error
    if len(edges) != 4:
        raise BadInput(f"{what} has {len(edges)} numbers, not 4", input="segs", value=edges, hint=_FORM)
    try:
        check_box(edges, what)
    except BadInput as error:
        raise BadInput(error.problem, input="segs", value=edges, hint=_FORM) from error
    return edges


def _confidence(value: Any, where: str) -> float | None:
    """A number, alone or in an array of one; None where nobody knows."""
    if value is None:
        return None
    try:
        number = float(torch.as_tensor(value).reshape(()))
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"the confidence of {where} is no number", input="segs", value=value, hint=_FORM) from error
    if not math.isfinite(number):
        raise BadInput(f"the confidence of {where} is not finite", input="segs", value=number, hint=_FORM)
    return number


def _lay(onto: Tensor, cropped: Any, region: list[float], box: list[float], where: str) -> None:
    """Lay a region's mask (h, w) onto that of the image (H, W), where it lies; what reaches beyond is cut off."""
    height, width = onto.shape
    if cropped is None:
        onto.copy_(_filled(box, height, width))
        return
    mask = torch.as_tensor(cropped).float().cpu()
    mask = mask[0] if mask.ndim == 3 and len(mask) == 1 else mask
    left, top, right, bottom = (int(edge) for edge in region)
    if mask.shape != (bottom - top, right - left):
        raise BadInput(
            f"the mask of {where} has not the size of its crop, {right - left}×{bottom - top} pixels",
            input="segs",
            value=tuple(mask.shape),
            hint=_FORM,
        )
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    if rows.start < rows.stop and columns.start < columns.stop:
        onto[rows, columns] = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def _filled(box: Sequence[float], height: int, width: int) -> Tensor:
    """1 in the whole pixels that a box touches, (H, W)."""
    mask = torch.zeros(height, width)
    left, top, right, bottom = box
    mask[max(math.floor(top), 0) : max(math.ceil(bottom), 0), max(math.floor(left), 0) : max(math.ceil(right), 0)] = 1.0
    return mask


def _crop_region(box: Sequence[float], mask: Tensor, factor: float) -> list[int]:
    """Left, top, right and bottom of the part of the image that holds a box with room around it, and its mask."""
    inside, edges = mask > 0, []
    for first, last, line in ((box[0], box[2], inside.any(0)), (box[1], box[3], inside.any(1))):
        length, room = len(line), (last - first) * (factor - 1) / 2
        low, high = math.floor(first - room), math.ceil(last + room)
        if low < 0 or high > length:  # moved inside, as far as it fits
            side = min(high - low, length)
            low = min(max(low, 0), length - side)
            high = low + side
        marked = line.nonzero()
        if len(marked):
            low, high = min(low, int(marked[0])), max(high, int(marked[-1]) + 1)
        edges.append((low, max(high, low + 1)))
    (left, right), (top, bottom) = edges
    return [left, top, right, bottom]
