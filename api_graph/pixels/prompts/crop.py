"""The object alone: the part of the image inside its box."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from api_graph.pixels._check import check_choice, checked_image
from api_graph.pixels.pairing import EVERY, Pairing, Pairs
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
    pairing: Pairing = EVERY,
) -> list[Tensor]:
    """The inside of each box, one (1, h, w, 3) per pair, in whole pixels and at least one of them.

    `image` is (B, H, W, 3) and `boxes` (N, 4), xyxy in pixels; `pairing` says which box is cut out of which image.
    `enlarge` scales each box about its centre, as far as the image goes. `rounding` of the edges: to the `nearest`
    pixel as Pillow's crop does it, `down` as FGVP's code does, or `outward` so that nothing of the box is lost. With
    `together` one crop holds all boxes of an image. Boxes that do not lie on the image are a BadInput.
    """
    image = checked_image(image)
    check_choice(rounding, Rounding, "rounding")
    height, width = image.shape[1:3]
    wanted = enlarged(checked_boxes(boxes, (width, height)), enlarge)
    pairs = Pairs.of(len(image), len(wanted), pairing, together=together)
    if pairs.regions is None:
        wanted = torch.cat([wanted[:, :2].amin(0), wanted[:, 2:].amax(0)])[None]
    spans = [
        (_span(top, bottom, height, rounding), _span(left, right, width, rounding))
        for left, top, right, bottom in wanted.tolist()
    ]
    crops = []
    for i, j in zip(pairs.images, pairs.regions or [0] * len(image), strict=True):
        rows, columns = spans[j]
        crops.append(image[i, None, rows, columns].clone())
    return crops


def _span(start: float, stop: float, pixels: int, rounding: Rounding) -> slice:
    """Whole pixels of an axis of `pixels`, at least one of them."""
    whole_start, whole_stop = _ROUNDED[rounding]
    first = min(max(0, whole_start(start)), pixels - 1)
    return slice(first, min(max(first + 1, whole_stop(stop)), pixels))
