"""The object alone: the part of the image inside its box."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from api_graph.pixels._check import check_sizes, checked_image
from api_graph.pixels.prompts._boxes import BoxesLike, checked_boxes, enlarged
from api_graph.pixels.prompts._choices import check_choice

Rounding = Literal["nearest", "down", "outward"]

_ROUNDED = {"nearest": (round, round), "down": (math.floor, math.floor), "outward": (math.floor, math.ceil)}


def crop_boxes(
    image: Tensor,
    boxes: BoxesLike,
    *,
    enlarge: float = 1.0,
    rounding: Rounding = "nearest",
    together: bool = False,
) -> list[Tensor]:
    """The inside of each box, one (1, h, w, 3) per box, in whole pixels and at least one of them.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; either may hold one for the other's many. `enlarge`
    scales each box about its centre, as far as the image goes. `rounding` of the edges: to the `nearest` pixel as
    Pillow's crop does it, `down` as FGVP's code does, or `outward` so that nothing of the box is lost. With `together`
    one crop holds all boxes. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    check_choice(rounding, Rounding, "rounding")
    height, width = image.shape[1:3]
    wanted = enlarged(checked_boxes(boxes, (width, height)), enlarge)
    if together:
        wanted = torch.cat([wanted[:, :2].amin(0), wanted[:, 2:].amax(0)])[None]
    check_sizes(image, torch.empty(len(wanted), height, width, device="meta"), "boxes")
    count = max(len(image), len(wanted))
    edges = [_whole_pixels(box, width, height, rounding) for box in wanted.tolist()]
    return [_part(image[i % len(image)], edges[i % len(edges)]) for i in range(count)]


def _part(image: Tensor, edges: tuple[int, int, int, int]) -> Tensor:
    left, top, right, bottom = edges
    return image[None, top:bottom, left:right].clone()


def _whole_pixels(box: list[float], width: int, height: int, rounding: Rounding) -> tuple[int, int, int, int]:
    left, right = _span(box[0], box[2], width, rounding)
    top, bottom = _span(box[1], box[3], height, rounding)
    return left, top, right, bottom


def _span(start: float, stop: float, pixels: int, rounding: Rounding) -> tuple[int, int]:
    whole_start, whole_stop = _ROUNDED[rounding]
    first = min(max(0, whole_start(start)), pixels - 1)
    return first, min(max(first + 1, whole_stop(stop)), pixels)
