"""What is done to maps cell by cell, on token grids and in pixels alike: normalise, combine, smooth (API section 3).

The figures of a map say where its peak lies, and how concentrated it is.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels._check import checked_maps, in_range, value_range, wide
from api_graph.pixels.row_blocks import values_at_once
from api_graph.sockets import Attribution

Normalization = Literal["none", "minmax", "sigmoid"]
"""The paper states no normalisation; the official code has the last two."""

Combination = Literal["soft_or", "product", "mean", "max"]

UNIFORM = 0.5
"""What a constant map becomes: no patch matters more than another. It is the sigmoid of a z-score of 0."""

_TOP_SHARE = 0.1
_CACHE_LINE = 16
_ROUNDING = 4 * torch.finfo(torch.float32).eps


def normalize(maps: Tensor, mode: Normalization = "minmax", contrast: float = 5.0, *, input: str = "maps") -> Tensor:
    """Bring each of (B, h, w) maps into [0, 1] by `minmax` or `sigmoid`; `none` only checks them. Float32.

    `contrast` is used by `sigmoid` alone. `input` names the maps in errors. A constant map becomes uniform
    (`UNIFORM`), with a warning; NaN or infinite values are a BadInput.
    """
    if mode not in get_args(Normalization):
        raise BadInput("unknown normalisation", input="mode", value=mode, hint="Use none, minmax or sigmoid.")
    if mode == "sigmoid":
        in_range(contrast, 0.0, sys.float_info.max, "contrast")
    maps = checked_maps(maps, input)
    low, high = value_range(maps, input)
    if mode == "none":
        return maps
    constant = high - low <= _ROUNDING * torch.maximum(low.abs(), high.abs())  # (B, 1, 1), but for float rounding
    if bool(constant.any()):
        which = constant.flatten().nonzero().flatten().tolist()
        warnings.warn(
            f"{input}: map {', '.join(map(str, which))} of {len(maps)} is constant and says nothing about "
            f"places; it becomes a uniform {UNIFORM:g}",
            ApiGraphWarning,
            stacklevel=3,
        )
    x = wide(maps)
    if mode == "minmax":
        low, high = wide(low), wide(high)
        normalized = (x - low) / (high - low).masked_fill(constant, 1.0)
    else:
        # A lone cell has no unbiased deviation; it is constant, so what stands there is never used.
        deviation = x.std(dim=(1, 2), keepdim=True, correction=1 if x[0].numel() > 1 else 0)
        z_score = (x - x.mean(dim=(1, 2), keepdim=True)) / deviation.masked_fill(constant, 1.0)
        normalized = torch.sigmoid(contrast * z_score)
    return normalized.masked_fill(constant, UNIFORM).float()


def minmax(maps: Tensor, *, input: str = "maps") -> Tensor:
    """(x − min) / (max − min) of each of (B, h, w) maps; a constant map becomes `UNIFORM`, with a warning."""
    return normalize(maps, "minmax", input=input)


def sigmoid(maps: Tensor, contrast: float = 5.0, *, input: str = "maps") -> Tensor:
    """sigmoid(contrast · (x − mean) / std) of each of (B, h, w) maps, with the unbiased std.

    A min-max before it would change nothing: the z-score cancels it. A constant map becomes `UNIFORM`, with a
    warning.
    """
    return normalize(maps, "sigmoid", contrast, input=input)


def combine(a: Tensor, b: Tensor, mode: Combination = "soft_or") -> Tensor:
    """Combine maps of equal shape (B, h, w) cell by cell: `soft_or` (API eq. 7), `product`, `mean` or `max`.

    Maps of different shapes are a BadInput.
    """
    if a.shape != b.shape:
        raise BadInput(
            "two maps can be combined only where they have the same shape",
            input="a, b",
            value=(tuple(a.shape), tuple(b.shape)),
            hint="Make both from the same model and the same images.",
        )
    if mode == "soft_or":
        return a + b - a * b
    if mode == "product":
        return a * b
    if mode == "mean":
        return (a + b) / 2
    if mode == "max":
        return torch.maximum(a, b)
    hint = f"Use one of {', '.join(get_args(Combination))}."
    raise BadInput("unknown combination", input="mode", value=mode, hint=hint)


def soft_or(a: Tensor, b: Tensor) -> Tensor:
    """Keep what either map keeps: Ψ = Ψ₁ + Ψ₂ − Ψ₁·Ψ₂ (API eq. 7). In [0, 1] where both maps are."""
    return combine(a, b, "soft_or")


def mean_filter(heatmap: Tensor, kernel_size: int) -> Tensor:
    """Mean over the `kernel_size` × `kernel_size` window around each cell of (B, H, W), edges replicated.

    The cost grows with the size's number of digits alone, and the sums are float32. Means stay within each map's own
    range, which must be finite. An even or non-positive size is a BadInput; one larger than the map is fine;
    1 changes nothing.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise BadInput(
            "a mean filter needs an odd, positive size, so that its window has a centre",
            input="kernel_size",
            value=kernel_size,
            hint=f"Use {kernel_size - 1} or {kernel_size + 1}." if kernel_size > 1 else "Use 1, 3, 5, ...",
        )
    heatmap = checked_maps(heatmap, "heatmap")
    if kernel_size == 1:
        return heatmap
    low, high = value_range(heatmap, "heatmap")
    # The square window's sum is the sum along one axis of the sums along the other.
    rows = heatmap.contiguous().view(1, -1, heatmap.shape[2])  # (1, B·H, W)
    across = torch.empty_like(rows)
    for block in _blocks(rows, 2):
        across[block] = _replicated_sums(rows[block], 2, kernel_size)
    across, result = across.view(heatmap.shape), torch.empty_like(heatmap)
    for block in _blocks(heatmap, 1):
        means = _replicated_sums(across[block], 1, kernel_size).div_(kernel_size**2)
        # No mean lies outside its map, and a constant map stays what it is, whatever rounding says.
        maps = block[0]
        torch.minimum(torch.maximum(means, low[maps], out=means), high[maps], out=result[block])
    return result


def _replicated_sums(cells: Tensor, axis: int, kernel_size: int) -> Tensor:
    """Sums over the window around each of (B, H, W) along one axis, 1 or 2, edges replicated."""
    reach, length = kernel_size // 2, cells.shape[axis]
    near = min(reach, length)
    first, last = cells.narrow(axis, 0, 1), cells.narrow(axis, length - 1, 1)
    edges = [near if i == axis else -1 for i in range(3)]
    sums = _window_sums(torch.cat([first.expand(edges), cells, last.expand(edges)], axis), axis, 2 * near + 1)
    if reach > near:  # further out, every window has the same cells: no need to lay them out
        sums += (reach - near) * (first + last)
    return sums


def _window_sums(cells: Tensor, axis: int, size: int) -> Tensor:
    """Sums of each `size` cells in a row along the axis: those of 2, 4, 8, ... cells are sums of two others."""
    count = cells.shape[axis] - size + 1
    sums, width, start = cells, 1, 0
    total: Tensor | None = None
    while True:
        if size & width:  # the windows are put together of those of the powers of two in their size
            part = sums.narrow(axis, start, count)
            total = part.clone() if total is None else total.add_(part)
            start += width
        if start == size:
            assert total is not None
            return total
        pairs = sums.shape[axis] - width
        sums, width = sums.narrow(axis, 0, pairs) + sums.narrow(axis, width, pairs), 2 * width


def _blocks(maps: Tensor, axis: int) -> Iterator[tuple[slice, ...]]:
    """Parts of (B, H, W) with the whole of the axis, 1 or 2, each of few values."""
    count, height, width = maps.shape
    most = 2 * values_at_once(maps.device)
    whole = slice(None)
    if axis == 2:
        step = max(1, most // width)
        yield from ((whole, slice(top, top + step)) for top in range(0, height, step))
    elif height * width <= most:
        step = most // (height * width)
        yield from ((slice(first, first + step),) for first in range(0, count, step))
    else:
        step = max(_CACHE_LINE, most // height)
        lefts = range(0, width, step)
        yield from ((slice(i, i + 1), whole, slice(left, left + step)) for i in range(count) for left in lefts)


# ------------------------------------------------------------------------------------------ figures of a map


@dataclass(frozen=True)
class MapFigures:
    """Figures of one map.

    `peak_x`, `peak_y`: centre of the highest cell, in pixels of the source image. `peak`, `mean`, `lowest`: raw values.
    `top_tenth`: share of the map's mass above its minimum that its highest tenth of cells holds, 0.1 for a flat map.
    `entropy`: of that mass over the cells, divided by that of a flat map: 1 is flat, 0 is a single cell.
    `unseen`: share of the source image that the model did not see.
    """

    peak_x: float
    peak_y: float
    peak: float
    mean: float
    lowest: float
    top_tenth: float
    entropy: float
    unseen: float

    def __str__(self) -> str:
        return (
            f"peak at ({self.peak_x:.0f}, {self.peak_y:.0f}), value {self.peak:.4g} (mean {self.mean:.4g}, "
            f"lowest {self.lowest:.4g}); highest tenth holds {self.top_tenth:.0%}, entropy {self.entropy:.2f}"
        )

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def figures(attribution: Attribution) -> list[MapFigures]:
    """Figures of each of the maps, whose values are (B, gh, gw)."""
    _, gh, gw = attribution.values.shape
    # numpy: of so few numbers, each of torch's operations costs more than it computes
    flat = attribution.values.double().cpu().flatten(1).numpy()  # (B, cells)
    cells = flat.shape[1]
    best, lowest = flat.argmax(1), flat.min(1)
    mass = flat - lowest[:, None]
    total = mass.sum(1, keepdims=True)
    share = np.divide(mass, total, out=np.full_like(flat, 1 / cells), where=total > 0)
    top = np.sort(share, 1)[:, -max(1, round(_TOP_SHARE * cells)) :].sum(1)
    nats = -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum(1)
    entropy = nats / math.log(cells) if cells > 1 else np.ones_like(nats)
    mean = flat.mean(1)
    found = []
    for i, geometry in enumerate(attribution.geometry):
        xs, ys = geometry.cell_edges((gh, gw))
        row, column = divmod(int(best[i]), gw)
        found.append(
            MapFigures(
                peak_x=(xs[column] + xs[column + 1]) / 2,
                peak_y=(ys[row] + ys[row + 1]) / 2,
                peak=float(flat[i, best[i]]),
                mean=float(mean[i]),
                lowest=float(lowest[i]),
                top_tenth=float(top[i]),
                entropy=float(entropy[i]),
                unseen=geometry.unseen,
            )
        )
    return found
