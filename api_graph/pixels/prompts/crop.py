"""The object alone: the part of the image inside its box."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from api_graph.pixels._check import check_choice, check_sizes, checked_image
from api_graph.pixels.prompts._regions import BoxesLike, checked_boxes, enlarged

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
    spans = [
        (_span(top, bottom, height, rounding), _span(left, right, width, rounding))
        for left, top, right, bottom in wanted.tolist()
    ]
    crops = []
    for i in range(max(len(image), len(spans))):
        rows, columns = spans[i % len(spans)]
        crops.append(image[i % len(image), None, rows, columns].clone())
    return crops


def _span(start: float, stop: float, pixels: int, rounding: Rounding) -> slice:
    """Whole pixels of an axis of `pixels`, at least one of them."""
    whole_start, whole_stop = _ROUNDED[rounding]
    first = min(max(0, whole_start(start)), pixels - 1)
    return slice(first, min(max(first + 1, whole_stop(stop)), pixels))
