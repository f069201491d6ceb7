"""Set-of-Mark (Yang et al., 2023): every mask gets a number on the image, for questions and answers to refer to."""

from __future__ import annotations

import colorsys
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels._check import check_choice, checked_image, in_range
from api_graph.pixels.blend import Colour
from api_graph.pixels.prompts._distance import depth_inside
from api_graph.pixels.prompts._regions import extent, inside_of
from api_graph.pixels.prompts.contour import outline
from api_graph.pixels.prompts.shapes import Unit, in_pixels, painted

Labels = Literal["numbers", "letters"]
Order = Literal["area", "given"]

Rectangle: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in whole pixels; the last two are just outside."""

_GOLDEN_ANGLE = 0.381966  # of a turn: successive hues stay far apart, however many there are
_SMALLEST_FONT = 6.0


class SetOfMark(NamedTuple):
    """The marked image (1, H, W, 3), the masks (N, H, W) in the order of their marks, and the marks."""

    image: Tensor
    masks: Tensor
    labels: tuple[str, ...]


def set_of_mark(
    image: Tensor,
    masks: Tensor,
    *,
    labels: Labels = "numbers",
    order: Order = "area",
    opacity: float = 0.1,
    thickness: float = 1.0,
    font_size: float = 0.028,
    unit: Unit = "short side",
    text_colour: Colour = "white",
    label_colour: Colour = "black",
    label_opacity: float = 0.8,
    min_area: int = 10,
    threshold: float = 0.5,
) -> SetOfMark:
    """Number the masks on one image, the largest first or in the order `given`.

    `image` is (1, H, W, 3) and `masks` (N, H, W), inside where they reach the `threshold`; those of fewer than
    `min_area` pixels are left out. Each is tinted with a colour of its own (`opacity`) and outlined (`thickness` in
    pixels). Its mark stands where the mask, less the smaller masks in it, is deepest (the maximum of the distance
    transform), on the image and clear of the other marks; where the mask has no room for it, as near as there is some.
    `font_size` is in pixels or a share of a side of the image, at least 6 pixels.

    No mask, an empty mask and sizes that do not fit are a BadInput; an image too full for a mark is a warning.
    """
    image = checked_image(image)
    if len(image) != 1:
        raise BadInput("marks go on one image at a time", input="image", value=tuple(image.shape), hint="Take it out.")
    check_choice(labels, Labels, "labels")
    in_range(thickness, 0.0, 1e6, "thickness")
    inside = _ordered(inside_of(masks, image, threshold), order, min_area)
    letters = max(_SMALLEST_FONT, in_pixels(font_size, unit, (image.shape[2], image.shape[1]), "font_size"))
    drawn = [draw_label(name, letters, padding=letters / 4) for name in _names(len(inside), labels)]
    marked = _tinted(image, inside, opacity, thickness)
    for label, box in zip(drawn, label_boxes(inside, drawn), strict=True):
        if box is not None:
            left, top, right, bottom = box
            behind = torch.ones_like(label.letters)[None]
            plate = painted(marked[:, top:bottom, left:right], behind, label_colour, label_opacity)
            marked[:, top:bottom, left:right] = painted(plate, label.letters[None], text_colour)
    return SetOfMark(marked, inside.float(), tuple(label.text for label in drawn))


def named_mark(answer: str, marks: Sequence[str]) -> int | None:
    """The index of the one mark that an answer names; None where it names none of them, or several.

    Where marks stand in [brackets], as Set-of-Mark asks models to write them, these count alone. Else whole words
    count; a letter does only where it is all of the answer: "a" is a word as well.
    """
    bracketed = [word for inside in re.findall(r"\[([^\[\]]*)\]", answer) for word in re.findall(r"[^\s,]+", inside)]
    words = re.findall(r"(?<![\w.])(?:(?<!\w)[-\u2212])?\w+(?!\.?\w)", answer)
    spoken = [word for word in words if word.isdecimal() or len(words) == 1]
    known = {mark.lower(): index for index, mark in enumerate(marks)}
    named = {known[word.lower()] for word in bracketed or spoken if word.lower() in known}
    return named.pop() if len(named) == 1 else None


def _ordered(inside: Tensor, order: Order, min_area: int) -> Tensor:
    """The masks (N, H, W) that are large enough, in the order of their marks."""
    check_choice(order, Order, "order")
    areas = inside.flatten(1).sum(1)  # (N,)
    kept = areas >= min_area
    if not bool(kept.any()):
        raise BadInput("every mask is smaller than min_area", input="min_area", value=min_area, hint="Lower it.")
    inside, areas = inside[kept], areas[kept]
    return inside[areas.argsort(descending=True, stable=True)] if order == "area" else inside


def _names(count: int, labels: Labels) -> list[str]:
    """1, 2, 3, ... or a, b, ..., z, aa, ab, ..."""
    if labels == "numbers":
        return [str(i + 1) for i in range(count)]
    names = []
    for i in range(1, count + 1):
        name = ""
        while i:
            i, letter = divmod(i - 1, 26)
            name = chr(ord("a") + letter) + name
        names.append(name)
    return names


def _tinted(image: Tensor, inside: Tensor, opacity: float, thickness: float) -> Tensor:
    """A copy of the image with each mask (N, H, W) in its colour, and its outline."""
    marked = image.clone()
    for i, mask in enumerate(inside):
        colour = colorsys.hsv_to_rgb(i * _GOLDEN_ANGLE % 1.0, 1.0, 1.0)
        rows, columns = extent(mask)
        own = mask[None, rows, columns]
        tinted = painted(marked[:, rows, columns], own.float(), colour, opacity)
        if thickness:
            tinted = painted(tinted, outline(own, thickness, "inside"), colour)
        marked[:, rows, columns] = tinted
    return marked


@dataclass(frozen=True)
class Label:
    """How a label looks: coverage (h, w) of its letters, inside a box of the same size."""

    text: str
    letters: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the box in pixels."""
        return self.letters.shape[1], self.letters.shape[0]


def draw_label(text: str, font_size: float, padding: float) -> Label:
    """A label in letters `font_size` pixels high with `padding` pixels around them, at least as wide as high."""
    font = ImageFont.load_default(font_size)
    left, top, right, bottom = font.getbbox(text)
    # One height for all labels, so that they look like one set.
    height = math.ceil(font_size + 2 * padding)
    width = max(height, math.ceil(right - left + 2 * padding))
    canvas = Image.new("L", (width, height))
    corner = ((width - (right - left)) / 2 - left, (height - (bottom - top)) / 2 - top)
    ImageDraw.Draw(canvas).text(corner, text, fill=255, font=font)
    return Label(text, torch.from_numpy(np.array(canvas)).float() / 255)


def label_boxes(inside: Tensor, labels: Sequence[Label]) -> list[Rectangle | None]:
    """Where each label goes on its mask, of (N, H, W); None, with a warning, where the image has no room for it.

    Small masks choose first: they have the least room.
    """
    inside = inside.cpu()
    boxes: list[Rectangle | None] = [None] * len(inside)
    claimed = torch.zeros_like(inside[0])
    for i in inside.flatten(1).sum(1).argsort(stable=True).tolist():
        own = inside[i] & ~claimed
        depth = _depth(own if bool(own.any()) else inside[i])
        boxes[i] = label_box(labels[i].size, depth, [box for box in boxes if box is not None])
        claimed |= inside[i]
    left_out = [label.text for label, box in zip(labels, boxes, strict=True) if box is None]
    if left_out:
        warnings.warn(
            f"the image has no room for the marks {', '.join(left_out)}. Use fewer masks or a smaller font",
            ApiGraphWarning,
            stacklevel=3,
        )
    return boxes


def label_box(size: tuple[int, int], depth: Tensor, taken: Sequence[Rectangle]) -> Rectangle | None:
    """Where a label of `size` (width, height) goes: centred where `depth` (H, W) is largest, on the image and clear of
    the boxes `taken`. Where nothing inside the mask (depth above 0) is free, as near as possible to its deepest pixel.

    None if nothing on the image is free.
    """
    width, height = size
    # For each top left corner of a label, (H − h + 1, W − w + 1): is it on the image and clear of the others?
    free = torch.ones(max(0, depth.shape[0] - height + 1), max(0, depth.shape[1] - width + 1), dtype=torch.bool)
    for left, top, right, bottom in taken:
        free[max(0, top - height + 1) : bottom, max(0, left - width + 1) : right] = False
    if not bool(free.any()):
        return None
    at_middle = depth[height // 2 :, width // 2 :][: free.shape[0], : free.shape[1]]
    score = torch.where(free, at_middle, -1)
    if float(score.max()) <= 0:
        y, x = divmod(int(depth.argmax()), depth.shape[1])
        rows = torch.arange(free.shape[0])[:, None] + height // 2 - y
        columns = torch.arange(free.shape[1]) + width // 2 - x
        score = torch.where(free, -(rows**2 + columns**2).float(), -math.inf)
    top, left = divmod(int(score.argmax()), free.shape[1])
    return left, top, left + width, top + height


def _depth(mask: Tensor) -> Tensor:
    """Distance of each pixel in `mask` (H, W) to the nearest one outside, looked for in the mask's extent."""
    area = extent(mask)
    depth = torch.zeros(mask.shape)
    depth[area] = depth_inside(mask[area][None])[0]
    return depth
