"""BOUNDING_BOX, ComfyUI's own boxes: read in every shape in which nodes hand them on, and written in the safest one.

A box is a dict with x, y, width and height in pixels, as whole numbers or not. One dict, or a list of them, holds for
every image; a list of lists holds the boxes of each image, and one of length 1 holds for every image too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, TypeVar

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.regions import Boxes, check_box, clipped_box, warn_of_fractions

T = TypeVar("T")

BoundingBoxes: TypeAlias = Mapping[str, object] | Sequence[object]
"""What travels through the socket: a dict, a list of dicts, or a list of such lists, one for each image."""

_SIDES = ("x", "y", "width", "height")
_FORM = 'A box is {"x": 10, "y": 20, "width": 30, "height": 40}, in pixels; label and score may stand beside.'
_SHAPES = f"Give one box, a list of boxes for all images, or a list for each image. {_FORM}"


class _Needed(TypedDict):
    x: float
    y: float
    width: float
    height: float


class BoundingBox(_Needed, total=False):
    """One box, in pixels."""

    label: str
    score: float


def boxes_of_each(
    given: BoundingBoxes, size: tuple[int, int], images: int = 1, *, clip: bool = True, input: str = "boxes"
) -> list[Boxes]:
    """The boxes of each of so many images of `size` (width, height), with their labels and scores.

    Keys other than those of a `BoundingBox` are passed over. `clip` cuts what reaches beyond the image. An image may
    have no box. Raises BadInput, naming the item, for another shape, for lists of another number of images, and, with
    `clip`, for a box outside the image.
    """
    frames = _frames(given, input)
    if frames is None:
        return [_boxes(_items(given), "", size, clip, input)] * images
    if len(frames) == 1:
        return [_boxes(frames[0], "", size, clip, input)] * images
    if len(frames) != images:
        has = "there is 1 image" if images == 1 else f"there are {images} images"
        raise BadInput(
            f"these are the boxes of {len(frames)} images, and {has}",
            input=input,
            value=len(frames),
            hint="Link the images that they were found in, or one list of boxes for all images.",
        )
    return [_boxes(own, f"image {i}, ", size, clip, input) for i, own in enumerate(frames, start=1)]


def boxes_of_all(
    given: BoundingBoxes,
    size: tuple[int, int],
    images: int = 1,
    *,
    one_each: bool = False,
    clip: bool = True,
    input: str = "boxes",
) -> Boxes:
    """The boxes of so many images as one `Boxes`: `boxes_of_each` for who has one list for all images.

    With `one_each` box i is that of image i. Lists for several images, where each must keep to its own, are a BadInput
    that says what to do; with `one_each` they are not, if each holds one box.
    """
    each = boxes_of_each(given, size, images, clip=clip, input=input)
    frames = _frames(given, input)
    if frames is None or len(frames) == 1:
        return each[0] if each else Boxes(torch.zeros(0, 4, dtype=torch.float64), size)
    counts = [len(boxes) for boxes in each]
    if not one_each:
        raise BadInput(
            f"each of the {images} images has boxes of its own, and here every box goes on every image",
            input=input,
            value=counts,
            hint='Choose "box i on image i" as the pairing where each has one box. Else give one image at a time.',
        )
    for image, count in enumerate(counts, start=1):
        if count != 1:
            raise BadInput(
                f"image {image} has {count} boxes, and box i goes on image i",
                input=input,
                value=counts,
                hint="Give each image one box, or give one image at a time.",
            )
    labels = tuple(label for boxes in each for label in boxes.labels or (None,))
    scores = tuple(score for boxes in each for score in boxes.scores or (None,))
    return Boxes(torch.cat([boxes.values for boxes in each]), size, _told(labels), _told(scores))


def bounding_boxes(boxes: Boxes, *, one_each: bool = False) -> list[list[BoundingBox]]:
    """The boxes of an image as BOUNDING_BOX: a list, for this image, of dicts; whole numbers are ints.

    With `one_each` a list for each box: box i is that of image i. Labels and scores stand in the dicts where they are
    known.
    """
    labels, scores = boxes.labels or (None,) * len(boxes), boxes.scores or (None,) * len(boxes)
    found: list[BoundingBox] = []
    for (left, top, right, bottom), label, score in zip(boxes.values.tolist(), labels, scores, strict=True):
        box = BoundingBox(x=_whole(left), y=_whole(top), width=_whole(right - left), height=_whole(bottom - top))
        if label is not None:
            box["label"] = label
        if score is not None:
            box["score"] = score
        found.append(box)
    return [[box] for box in found] if one_each else [found]


def _frames(given: BoundingBoxes, input: str) -> list[Sequence[object]] | None:
    """The lists of each image; None for boxes that hold for all images. Raises BadInput for a mixture."""
    lists = [isinstance(item, list | tuple) for item in _items(given)]
    if not any(lists):
        return None
    if not all(lists):
        item = lists.index(False) + 1
        problem = f"item {item} is no list, and others are lists, each of one image"
        raise BadInput(problem, input=input, value=_shown(_items(given)[item - 1]), hint=_SHAPES)
    return [item for item in _items(given) if isinstance(item, list | tuple)]


def _items(given: BoundingBoxes) -> Sequence[object]:
    return (given,) if isinstance(given, Mapping) or not isinstance(given, list | tuple) else given


def _boxes(items: Sequence[object], within: str, size: tuple[int, int], clip: bool, input: str) -> Boxes:
    rows, labels, scores = [], [], []
    for number, item in enumerate(items, start=1):
        where = f"{within}box {number}"
        if not isinstance(item, Mapping):
            raise BadInput(f"{where} is no box", input=input, value=_shown(item), hint=_SHAPES)
        missing = [side for side in _SIDES if side not in item]
        if missing:
            raise BadInput(f"{where} has no {' and no '.join(missing)}", input=input, value=_shown(item), hint=_FORM)
        rows.append([_number(item[side], f"{side} of {where}", input) for side in _SIDES])
        label, score = item.get("label"), item.get("score")
        labels.append(_label(label, where, input))
        scores.append(None if score is None else _number(score, f"the score of {where}", input))
    warn_of_fractions(rows)
    edges = []
    for number, (x, y, width, height) in enumerate(rows, start=1):
        box, where = [x, y, x + width, y + height], f"{within}box {number}"
        check_box(box, where, _FORM)
        edges.append(clipped_box(box, where, size) if clip else box)
    values = torch.tensor(edges, dtype=torch.float64).reshape(-1, 4)
    return Boxes(values, size, _told(tuple(labels)), _told(tuple(scores)))


def _number(value: Any, what: str, input: str) -> float:
    """A finite number; detectors leave those of torch and NumPy in their dicts."""
    if not isinstance(value, bool | str | bytes):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise BadInput(f"{what} is no finite number", input=input, value=_shown(value), hint=_FORM)


def _label(value: object, where: str, input: str) -> str | None:
    """A text; the number of a class is one too."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise BadInput(f"the label of {where} is no text", input=input, value=_shown(value), hint=_FORM)


def _told(values: tuple[T | None, ...]) -> tuple[T | None, ...]:
    """Nothing where nothing is known of any box."""
    return values if any(value is not None for value in values) else ()


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def _shown(value: object) -> object:
    """What a complaint shows of an item, which may hold a whole picture."""
    return tuple(value.shape) if isinstance(value, Tensor) and value.ndim else value
