"""Regions of an image that a model is pointed at: boxes, in the image's own pixels, right and bottom exclusive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from api_graph.errors import BadInput, warn_of_kind
from api_graph.json_values import Json

BoxFormat = Literal["xyxy", "xywh", "normalized"]

_HINTS = {
    "xyxy": "Write left, top, right and bottom, in pixels.",
    "xywh": "Write left, top, width and height, in pixels.",
    "normalized": "Write left, top, right and bottom, as shares of the image's width and height.",
}

_BRACKETED = re.compile(r"[\[(]([^\[\]()]*)[\])]")
_LIST_OF_LISTS = re.compile(r"\s*\[\s*\[")


@dataclass(frozen=True, eq=False)
class Boxes:
    """N boxes in one image: `values` (N, 4) float64, left, top, right and bottom in pixels; right and bottom are
    exclusive edges. `size` is the image's (width, height). `labels` and `scores` are what a detector says of each box,
    with None where it says nothing; empty where nothing is known of any.

    Raises BadInput for another shape, for numbers that are not finite, for a right edge left of the left one, and for
    labels or scores of another number of boxes.
    """

    socket: ClassVar[str] = "AP_BOXES"

    values: Tensor
    size: tuple[int, int]
    labels: tuple[str | None, ...] = ()
    scores: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != 4 or self.values.dtype != torch.float64:
            raise BadInput(
                f"boxes are float64 numbers of shape (N, 4), not {self.values.dtype} of {tuple(self.values.shape)}",
                input="boxes",
            )
        for row, box in enumerate(self.values.tolist(), start=1):
            check_box(box, f"box {row}")
        for what, told in (("labels", self.labels), ("scores", self.scores)):
            if told and len(told) != len(self.values):
                raise BadInput(f"there are {len(self.values)} boxes and {len(told)} {what}", input="boxes")

    def __len__(self) -> int:
        return len(self.values)

    def pick(self, rows: Sequence[int]) -> Boxes:
        """The boxes with these indices, in this order, with what is known of them."""
        labels = tuple(self.labels[row] for row in rows) if self.labels else ()
        scores = tuple(self.scores[row] for row in rows) if self.scores else ()
        return Boxes(self.values[list(rows)], self.size, labels, scores)

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds equal boxes."""
        told: list[Json] = [list(self.labels), list(self.scores)]
        return {"values": self.values}, [*self.size, *(told if self.labels or self.scores else ())]

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Sequence[Any]) -> Boxes:
        width, height, *told = meta  # boxes of version 0.1 end here
        labels, scores = told or ((), ())
        return cls(tensors["values"], (width, height), tuple(labels), tuple(scores))


def read_boxes(
    boxes: str | Sequence[Sequence[float]] | NDArray[Any] | Tensor,
    size: tuple[int, int],
    format: BoxFormat = "xyxy",
    *,
    clip: bool = True,
) -> Boxes:
    """Boxes in an image of `size` (width, height), from a text with one box per line, or from rows of four numbers.

    `xyxy`: left, top, right, bottom in pixels; `xywh`: left, top, width, height in pixels; `normalized`: left, top,
    right, bottom as shares of the sides. In a text the numbers are parted by commas or spaces; several boxes on a line,
    or a JSON list of them, have brackets around each, which mean nothing otherwise; what stands behind a # is the label
    of the line's boxes, and lines without any box are passed over. `clip` cuts what reaches beyond the image. Warns
    where pixels look like shares.

    Raises BadInput, naming the line, for anything but four finite numbers, a negative width or height, and, with
    `clip`, a box that lies outside the image; BadInput too where there is no box at all.
    """
    if format not in get_args(BoxFormat):
        raise BadInput("unknown format of boxes", input="format", value=format, hint="Use xyxy, xywh or normalized.")
    if min(size) < 1:
        raise BadInput("the image is empty", input="size", value=size, hint="Give its width and height in pixels.")
    found = list(_rows(boxes, format))
    rows = [_to_xyxy(numbers, where, format, size) for where, numbers, _ in found]
    if format != "normalized" and not isinstance(boxes, Tensor):
        warn_of_fractions([numbers for _, numbers, _ in found])
    if not rows:
        given = boxes if isinstance(boxes, str) else []
        raise BadInput("there is no box", input="boxes", value=given, hint=_HINTS[format])
    values = [clipped_box(box, where, size) if clip else box for where, box in rows]
    labels = tuple(label for *_, label in found)
    return Boxes(torch.tensor(values, dtype=torch.float64), size, labels if any(labels) else ())


def boxes_around(masks: Tensor, threshold: float = 0.5) -> Boxes:
    """The smallest box around what is at least `threshold` in each of masks (N, H, W) or (H, W), in their pixels.

    Raises BadInput for another shape and for a mask with nothing in it.
    """
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or masks[:1].numel() == 0:
        raise BadInput("masks have the shape (N, H, W)", input="mask", value=tuple(masks.shape))
    wrong = masks[~masks.isfinite()]
    if len(wrong):
        raise BadInput("a mask holds NaN or infinite values", input="mask", value=float(wrong[0]))
    rows = []
    for index, one in enumerate(masks.cpu(), start=1):
        inside = one >= threshold
        down, across = inside.any(1).nonzero(), inside.any(0).nonzero()
        if not len(down):
            hint = "Lower the threshold, or leave it out. (Load Image gives an empty mask without transparency.)"
            problem = f"mask {index} has nothing at or above {threshold:g}"
            raise BadInput(problem, input="mask", value=float(one.max()), hint=hint)
        rows.append([int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1])
    return Boxes(torch.tensor(rows, dtype=torch.float64), (masks.shape[2], masks.shape[1]))


def check_box(box: Sequence[float], where: str, hint: str = "") -> None:
    """Raise BadInput if a box (left, top, right, bottom) is not finite or has a negative width or height."""
    if not all(abs(number) < float("inf") for number in box):  # a NaN fails this too
        raise BadInput(f"{where} has a number that is not finite", input="boxes", value=list(box), hint=hint)
    if box[2] < box[0] or box[3] < box[1]:
        raise BadInput(f"{where} has a negative width or height", input="boxes", value=list(box), hint=hint)


def touches(low: float, high: float, length: float) -> bool:
    """Whether the stretch from `low` to `high` meets [0, length); one of no length does so where it lies inside."""
    return low < length and (high > 0 or low == high == 0)


def clipped_box(box: Sequence[float], where: str, size: tuple[int, int]) -> list[float]:
    """What of a box (left, top, right, bottom) lies in an image of `size` (width, height).

    Raises BadInput, which calls the box `where`, if nothing does.
    """
    width, height = size
    left, top, right, bottom = box
    if not (touches(left, right, width) and touches(top, bottom, height)):
        raise BadInput(
            f"{where} lies outside the image of {width}×{height} pixels",
            input="boxes",
            value=list(box),
            hint="Look at the format, and at which image the boxes belong to.",
        )
    return [max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))]


def warn_of_fractions(boxes: Sequence[Sequence[float]], hint: str = "boxes of the format normalized are those") -> None:
    """Warn of boxes in pixels that all lie within the first pixel, and have fractions; `hint` says what to do."""
    numbers = [number for box in boxes for number in box]
    if numbers and all(0 <= number <= 1 for number in numbers) and any(number % 1 for number in numbers):
        first = next(box for box in boxes if any(number % 1 for number in box))
        text = " ".join(f"{number:g}" for number in first)
        warn_of_kind("fractions", f"{text} look like fractions of the picture: {hint}")


def _rows(
    boxes: str | Sequence[Sequence[float]] | NDArray[Any] | Tensor, format: str
) -> Iterator[tuple[str, list[float], str | None]]:
    """What to call each box in a complaint, its numbers, and its label."""
    listed = boxes.tolist() if isinstance(boxes, Tensor | np.ndarray) else boxes
    given = _json_list(listed) if isinstance(listed, str) else listed
    if given is not None:
        for count, row in enumerate(given, start=1):
            yield f"box {count}", _numbers(row, row, f"box {count}", format), None
        return
    for count, written in enumerate(str(boxes).splitlines(), start=1):
        line, _, label = written.partition("#")
        words, label = _words(line), label.strip() or None
        if not words:
            continue
        parts = [part for part in _BRACKETED.findall(line) if _words(part)]
        if len(parts) > 1 and all(len(_words(part)) == 4 for part in parts) and len(words) == 4 * len(parts):
            for number, part in enumerate(parts, start=1):
                where = f"line {count}, box {number}"
                yield where, _numbers(_words(part), part, where, format), label
        else:
            yield f"line {count}", _numbers(words, line, f"line {count}", format), label


def _words(text: str) -> list[str]:
    return re.sub(r"[\[\](),;]", " ", text).split()


def _json_list(text: str) -> Sequence[Sequence[float]] | None:
    """The rows of a JSON list of lists, over however many lines it is written; None for any other text."""
    try:
        found = json.loads(text) if _LIST_OF_LISTS.match(text) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _numbers(words: Sequence[str] | Sequence[float], given: object, where: str, format: str) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except (TypeError, ValueError) as error:
        raise BadInput(f"{where} is not four numbers", input="boxes", value=given, hint=_HINTS[format]) from error
    if len(numbers) != 4:
        raise BadInput(f"{where} has {len(numbers)} numbers, not 4", input="boxes", value=given, hint=_HINTS[format])
    return numbers


def _to_xyxy(numbers: list[float], where: str, format: str, size: tuple[int, int]) -> tuple[str, list[float]]:
    left, top, right, bottom = numbers
    if format == "xywh":
        right, bottom = left + right, top + bottom
    elif format == "normalized":
        left, right = left * size[0], right * size[0]
        top, bottom = top * size[1], bottom * size[1]
    box = [left, top, right, bottom]
    check_box(box, where, _HINTS[format])
    return where, box
