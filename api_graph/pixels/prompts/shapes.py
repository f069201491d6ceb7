"""How prompts are drawn: shapes as coverage (how much of each pixel they cover, in [0, 1]), and a colour over that."""

from __future__ import annotations

import sys
import warnings
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from api_graph.errors import ApiGraphWarning, inputs_named
from api_graph.pixels._check import check_choice, in_range
from api_graph.pixels.blend import Colour, alpha_blend

Shape = Literal["box", "ellipse"]
"""The box itself, or the ellipse inscribed in it."""

Edges = Literal["smooth", "hard"]
"""smooth: antialiased. hard: whole pixels."""

Drawing = Literal["smooth", "hard", "pillow"]
"""The same, or pillow: whole pixels as the official code draws them. The pixels at the right and bottom edge belong to
the box, and lines lie inside, their width cut to whole pixels."""

Align = Literal["inside", "centre", "outside"]
"""Where a line lies on the outline that it follows."""

Unit = Literal["pixels", "long side", "short side"]
"""What lengths are given in: pixels, or a share of that side of the image."""

_BEYOND = {"inside": 0.0, "centre": 0.5, "outside": 1.0}
_SCANLINES = 8  # for each row of pixels


def in_pixels(length: float, unit: Unit, size: tuple[int, int], input: str) -> float:
    """`length` in pixels of an image of `size` = (width, height); with a relative unit it is a share of that side.

    More than width and height together makes no difference, and is cut to that.
    """
    in_range(length, 0.0, sys.float_info.max, input)
    check_choice(unit, Unit, "unit")
    side = {"pixels": 1, "long side": max(size), "short side": min(size)}[unit]
    return min(length * side, float(sum(size)))


def filled(boxes: Tensor, image: Tensor, shape: Shape, drawing: Drawing) -> Tensor:
    """Coverage (N, H, W) of the shape in each of `boxes` (N, 4), on the image's device."""
    check_choice(shape, Shape, "shape")
    check_choice(drawing, Drawing, "drawing")
    if drawing == "pillow":
        return torch.stack([_by_pillow(box, image, shape) for box in boxes])
    cover = _box if shape == "box" else _ellipse
    covers = torch.stack([cover(box.tolist(), image) for box in boxes])
    return covers if drawing == "smooth" else (covers >= 0.5).float()


def outlined(
    boxes: Tensor, image: Tensor, shape: Shape, thickness: float, drawing: Drawing, align: Align = "inside"
) -> Tensor:
    """Coverage (N, H, W) of the outline of the shape in each of `boxes` (N, 4), `thickness` pixels wide.

    A line thinner than a pixel is drawn one pixel wide; as Pillow draws it, it vanishes, with a warning.
    """
    check_choice(shape, Shape, "shape")
    check_choice(align, Align, "align")
    if drawing == "pillow":
        return torch.stack([_by_pillow(box, image, shape, _whole(thickness)) for box in boxes])
    thickness = max(1.0, thickness)
    outward = torch.tensor([-1, -1, 1, 1], dtype=boxes.dtype)  # each edge of a box
    outer = boxes + thickness * _BEYOND[align] * outward
    inner = outer - thickness * outward
    hollow = (inner[:, 2:] > inner[:, :2]).all(1)  # (N,); a line that meets itself fills the shape
    ring = filled(outer, image, shape, drawing)
    if hollow.any():
        ring[hollow.to(ring.device)] -= filled(inner[hollow], image, shape, drawing)
    return ring


def painted(image: Tensor, coverage: Tensor, colour: Colour, opacity: float = 1.0, *, input: str = "boxes") -> Tensor:
    """(1 − opacity·c)·image + opacity·c·colour for coverage c (N, H, W) in [0, 1]: (N, H, W, 3).

    `image` is (B, H, W, 3); either may hold one for the other's many. `input` names what is covered in complaints.
    """
    in_range(opacity, 0.0, 1.0, "opacity")
    with inputs_named(heatmap=input):
        return alpha_blend(image, 1 - coverage, background="colour", colour=colour, strength=opacity)


def _whole(thickness: float) -> int:
    if thickness < 1:
        warnings.warn(
            "nothing is drawn: the official code cuts the line's width to 0 pixels on an image this small. "
            "Enlarge the image, or draw smooth or hard",
            ApiGraphWarning,
            stacklevel=5,
        )
    return int(thickness)


def _box(box: list[float], image: Tensor) -> Tensor:
    height, width = image.shape[1:3]
    left, top, right, bottom = box
    return _overlap(top, bottom, height, image)[:, None] * _overlap(left, right, width, image)[None]


def _overlap(start: float, stop: float, pixels: int, image: Tensor) -> Tensor:
    """How much of each of `pixels` pixels in a row lies between `start` and `stop`."""
    edge = torch.arange(pixels + 1, dtype=torch.float32, device=image.device).clamp(start, stop)
    return edge.diff()


def _ellipse(box: list[float], image: Tensor) -> Tensor:
    """Exact along each scanline, whose chord has a known length; the mean of several scanlines down each pixel."""
    height, width = image.shape[1:3]
    left, top, right, bottom = box
    a, b = (right - left) / 2, (bottom - top) / 2
    edges = torch.arange(width + 1, dtype=torch.float32, device=image.device) - (left + a)  # (W + 1,)
    cover = torch.zeros(height, width, device=image.device)
    for scanline in range(_SCANLINES):
        y = torch.arange(height, dtype=torch.float32, device=image.device) + (scanline + 0.5) / _SCANLINES
        half_chord = a * (1 - ((y - (top + b)) / b) ** 2).clamp(min=0).sqrt()[:, None]  # (H, 1)
        cover += edges.clamp(-half_chord, half_chord).diff(dim=1)
    return cover / _SCANLINES


def _by_pillow(box: Tensor, image: Tensor, shape: Shape, thickness: int | None = None) -> Tensor:
    """Coverage (H, W) of 0 and 1; filled without a `thickness`."""
    height, width = image.shape[1:3]
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    corners = box.tolist()
    paint = draw.rectangle if shape == "box" else draw.ellipse
    # Pillow draws a rectangle's line outside of it as well, once the line is wider than the rectangle has room for.
    no_room = shape == "box" and 2 * (thickness or 0) > min(corners[2] - corners[0], corners[3] - corners[1])
    if thickness is None or no_room:
        paint(corners, fill=1)
    elif thickness:
        paint(corners, outline=1, width=thickness)
    return torch.from_numpy(np.array(canvas)).to(image.device).float()
