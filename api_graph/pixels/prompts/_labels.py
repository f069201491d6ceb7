"""Short labels in a box of their own, and where on an image there is room for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor


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


Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom in whole pixels; the last two are just outside."""


def place(label: tuple[int, int], depth: Tensor, taken: Sequence[Rectangle]) -> Rectangle | None:
    """Where a label of that (width, height) goes: centred where `depth` (H, W) is largest, on the image and clear of
    `taken`. Where nothing inside the mask (depth above 0) is free, the free place nearest to its deepest pixel.

    None if the image has no free place at all.
    """
    free = _free_corners(label, depth.shape, taken)  # (H − h + 1, W − w + 1)
    if not bool(free.any()):
        return None
    width, height = label
    deep = depth[height // 2 :, width // 2 :][: free.shape[0], : free.shape[1]]  # at the label's middle
    score = torch.where(free, deep, -1)
    if float(score.max()) <= 0:
        y, x = divmod(int(depth.argmax()), depth.shape[1])
        rows = torch.arange(free.shape[0])[:, None] + height // 2 - y
        columns = torch.arange(free.shape[1]) + width // 2 - x
        score = torch.where(free, -(rows**2 + columns**2).float(), -math.inf)
    top, left = divmod(int(score.argmax()), free.shape[1])
    return left, top, left + width, top + height


def _free_corners(label: tuple[int, int], shape: Sequence[int], taken: Sequence[Rectangle]) -> Tensor:
    """For each top left corner of a label of (width, height): is it on the image of `shape` and clear of `taken`?"""
    width, height = label
    free = torch.ones(max(0, shape[0] - height + 1), max(0, shape[1] - width + 1), dtype=torch.bool)
    for left, top, right, bottom in taken:
        free[max(0, top - height + 1) : bottom, max(0, left - width + 1) : right] = False
    return free
