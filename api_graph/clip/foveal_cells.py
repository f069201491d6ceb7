"""Which cells of a patch grid a region covers, FALIP's region of attention: of a box, and of a pixel mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.regions import check_box, touches

CellRule = Literal["overlap", "reference"]

_TOLERANCE = 1e-6
"""In cells: how far an edge may reach over a cell's edge by rounding alone."""


@dataclass(frozen=True)
class Cells:
    """A rectangle of cells: `row` and `column` of the first, and how many there are."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    def enclosing(self, other: Cells) -> Cells:
        """The smallest rectangle of cells around both."""
        row, column = min(self.row, other.row), min(self.column, other.column)
        bottom = max(self.row + self.height, other.row + other.height)
        right = max(self.column + self.width, other.column + other.width)
        return Cells(row, column, bottom - row, right - column)


def cells_of(
    box: Sequence[float], geometry: Geometry, grid: tuple[int, int], rule: CellRule = "overlap"
) -> Cells | None:
    """The cells of `grid` = (gh, gw) that a box (left, top, right, bottom), in source pixels, covers; None if none.

    `overlap`: every cell with which the box shares more than an edge; a box of no width or height has the cell that
    it lies in. `reference`: cell(v) = max(⌈v⌉, 1) − 1 of both edges, inclusive, as the official code has it: a left or
    top edge that lies exactly on a cell's edge takes one more cell.

    Raises BadInput for numbers that are not finite, a negative width or height, and an unknown rule.
    """
    check_box(box, "the box", "Write left, top, right and bottom, in pixels.")
    if rule not in get_args(CellRule):
        raise BadInput("unknown rule", input="cells", value=rule, hint="Use overlap or reference.")
    left, top, right, bottom = box
    g = geometry
    if not (touches(left, right, g.width) and touches(top, bottom, g.height)):
        return None  # it may still lie on the padding
    left, right = max(left, 0.0), min(right, g.width)
    top, bottom = max(top, 0.0), min(bottom, g.height)
    columns = _covered(left - g.left, right - g.left, grid[1], g.right - g.left, rule)
    rows = _covered(top - g.top, bottom - g.top, grid[0], g.bottom - g.top, rule)
    if columns is None or rows is None:
        return None
    return Cells(rows[0], columns[0], rows[1] - rows[0] + 1, columns[1] - columns[0] + 1)


def unseen_share(box: Sequence[float], geometry: Geometry) -> float:
    """Share of a box's area inside the image that lies outside what the model saw, in [0, 1]."""
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(box[2], geometry.width), min(box[3], geometry.height)
    area = (right - left) * (bottom - top)
    if right <= left or bottom <= top:
        return 0.0
    width = max(0.0, min(right, geometry.right) - max(left, geometry.left))
    height = max(0.0, min(bottom, geometry.bottom) - max(top, geometry.top))
    return 1.0 - width * height / area


def cell_coverage(masks: Tensor, geometry: Geometry, grid: tuple[int, int]) -> Tensor:
    """Which share of each cell's area, as far as it lies inside the image, a mask covers.

    `masks` (B, H, W) are of the source image, `grid` is (gh, gw): (B, gh, gw), float64 on the CPU.
    """
    xs, ys = geometry.cell_edges(grid)
    across, down = _lengths(xs, masks.shape[2]), _lengths(ys, masks.shape[1])  # (gw, W), (gh, H)
    covered = down @ masks.detach().double().cpu() @ across.T  # (B, gh, gw)
    area = down.sum(1, keepdim=True) * across.sum(1)  # (gh, gw)
    return torch.where(area > 0, covered / area.clamp(min=1e-12), 0.0)


def unseen_mask_shares(masks: Tensor, geometry: Geometry) -> list[float]:
    """Share of each mask (B, H, W) of the source image that lies outside what the model saw, in [0, 1]."""
    g = geometry
    rows, columns = _lengths([g.top, g.bottom], g.height), _lengths([g.left, g.right], g.width)  # (1, H), (1, W)
    masks = masks.detach().double().cpu()
    whole, seen = masks.sum((1, 2)), (rows @ masks @ columns.T)[:, 0, 0]
    return ((whole - seen) / whole.clamp(min=1e-12)).tolist()


def _covered(low: float, high: float, count: int, length: float, rule: CellRule) -> tuple[int, int] | None:
    """First and last of `count` cells over [0, length) that the stretch from `low` to `high` covers."""
    if not touches(low, high, length):
        return None
    # Multiplied first: a whole number of cells then comes out as one.
    low, high = (min(max(edge, 0.0), length) * count / length for edge in (low, high))
    if rule == "reference":
        return max(math.ceil(low), 1) - 1, max(math.ceil(high), 1) - 1
    first = min(math.floor(low + _TOLERANCE), count - 1)
    return first, max(math.ceil(high - _TOLERANCE) - 1, first)


def _lengths(edges: list[float], pixels: int) -> Tensor:
    """How much of each pixel lies between two edges and the next: (cells, pixels), float64."""
    lows = torch.tensor(edges[:-1], dtype=torch.float64)[:, None]
    highs = torch.tensor(edges[1:], dtype=torch.float64)[:, None]
    pixel = torch.arange(pixels, dtype=torch.float64)
    return (torch.minimum(highs, pixel + 1) - torch.maximum(lows, pixel)).clamp(min=0)
