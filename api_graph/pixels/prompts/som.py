"""Set-of-Mark (Yang et al., 2023): every mask gets a number on the image, for questions and answers to refer to."""

from __future__ import annotations

import colorsys
import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels._check import checked_image, in_range
from api_graph.pixels.prompts._choices import check_choice
from api_graph.pixels.prompts._distance import depth_inside
from api_graph.pixels.prompts._labels import Label, Rectangle, draw_label, place
from api_graph.pixels.prompts._masks import extent, inside_of
from api_graph.pixels.prompts._paint import painted
from api_graph.pixels.prompts.contour import outline
from api_graph.pixels.prompts.lengths import Unit, in_pixels

Labels = Literal["numbers", "letters"]
Order = Literal["area", "given"]

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
    text_colour: str | Sequence[float] = "white",
    label_colour: str | Sequence[float] = "black",
    label_opacity: float = 0.8,
    min_area: int = 10,
    threshold: float = 0.5,
) -> SetOfMark:
    """Number the masks on one image, the largest first or in the order `given`.

    `image` is (1, H, W, 3) and `masks` (N, H, W), inside where they reach the `threshold`; those of fewer than
    `min_area` pixels are left out. Each is tinted with a colour of its own (`opacity`) and outlined (`thickness` in
    pixels). Its mark stands where the mask, less the smaller masks in it, is deepest (the maximum of the distance
    transform), on the image and clear of the other marks; where there is no room, beside. `font_size` is in pixels or
    a share of a side of the image, at least 6 pixels.

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
    for label, box in zip(drawn, _places(inside, drawn), strict=True):
        if box is not None:
            left, top, right, bottom = box
            part = painted(
                marked[:, top:bottom, left:right], torch.ones_like(label.letters)[None], label_colour, label_opacity
            )
            marked[:, top:bottom, left:right] = painted(part, label.letters[None], text_colour)
    return SetOfMark(marked, inside.float(), tuple(label.text for label in drawn))


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


def _places(inside: Tensor, labels: Sequence[Label]) -> list[Rectangle | None]:
    """A place for each label. Small masks choose first: they have the least room."""
    inside = inside.cpu()
    boxes: list[Rectangle | None] = [None] * len(inside)
    claimed = torch.zeros_like(inside[0])
    for i in inside.flatten(1).sum(1).argsort(stable=True).tolist():
        own = inside[i] & ~claimed
        depth = _depth(own if bool(own.any()) else inside[i])
        boxes[i] = place(labels[i].size, depth, [box for box in boxes if box is not None])
        claimed |= inside[i]
    left_out = [label.text for label, box in zip(labels, boxes, strict=True) if box is None]
    if left_out:
        warnings.warn(
            f"the image has no room for the marks {', '.join(left_out)}. Use fewer masks or a smaller font",
            ApiGraphWarning,
            stacklevel=3,
        )
    return boxes


def _depth(mask: Tensor) -> Tensor:
    """Distance of each pixel in `mask` (H, W) to the nearest one outside, looked for in the mask's extent."""
    part = extent(mask)
    depth = torch.zeros(mask.shape)
    depth[part] = depth_inside(mask[part][None])[0]
    return depth
