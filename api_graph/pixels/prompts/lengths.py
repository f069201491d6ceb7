"""Lengths (line widths, radii, letters) in pixels, or relative to the image that they are drawn on."""

from __future__ import annotations

import sys
from typing import Literal

from api_graph.pixels._check import in_range
from api_graph.pixels.prompts._choices import check_choice

Unit = Literal["pixels", "long side", "short side"]


def in_pixels(length: float, unit: Unit, size: tuple[int, int], input: str) -> float:
    """`length` in pixels of an image of `size` = (width, height); with a relative unit it is a share of that side.

    More than width and height together makes no difference, and is cut to that.
    """
    in_range(length, 0.0, sys.float_info.max, input)
    check_choice(unit, Unit, "unit")
    side = {"pixels": 1, "long side": max(size), "short side": min(size)}[unit]
    return min(length * side, float(sum(size)))
