"""Does a map point at the right place? Pointing game, energy in the box, IoU; for token grids and heatmaps.

A map's cells are laid over the source image by a `Geometry`; without one they cover the whole image, a cell a
pixel. Boxes are (left, top, right, bottom) in source pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PIL
from torch import Tensor

from api_graph.bench.scorers.maps import average_precision
from api_graph.bench.statistics import bootstrap_interval as bootstrap_interval  # where they were in version 0.1
from api_graph.bench.statistics import wilson_interval as wilson_interval
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.pixels import threshold
from api_graph.pixels.heatmap import mean_filter
from api_graph.pixels.peaks import box_of_peak
from api_graph.pixels.resize import to_pixels
from api_graph.sockets import Attribution
from api_graph.tasks.metrics import iou

Box = tuple[float, float, float, float]
Heatmap = Tensor | NDArray[np.floating]
MapFunction = Callable[[Sequence[PIL.Image], Sequence[str]], Attribution]
"""Maps for B images and their B queries."""


def peak(heatmap: Heatmap, geometry: Geometry | None = None) -> tuple[float, float]:
    """x, y in source pixels of the centre of the map's (gh, gw) largest cell; the first one of several."""
    values, geometry = _checked(heatmap, geometry)
    row, column = divmod(int(values.argmax()), values.shape[1])
    xs, ys = geometry.cell_edges(values.shape)
    return (xs[column] + xs[column + 1]) / 2, (ys[row] + ys[row + 1]) / 2


def pointing_game(heatmap: Heatmap, box: Box, geometry: Geometry | None = None, *, tolerance: float = 0.0) -> bool:
    """Whether the map's peak lies in the box, or at most `tolerance` pixels beside it (Zhang et al. 2016)."""
    x, y = peak(heatmap, geometry)
    left, top, right, bottom = _checked_box(box)
    return left - tolerance <= x <= right + tolerance and top - tolerance <= y <= bottom + tolerance


def energy_in_box(heatmap: Heatmap, box: Box, geometry: Geometry | None = None) -> float:
    """Share in [0, 1] of the map's positive mass that lies in the box; 0 where nothing is positive."""
    values, geometry = _checked(heatmap, geometry)
    mass = np.maximum(values, 0)
    total = mass.sum()
    return float((mass * _covered(values.shape, box, geometry)).sum() / total) if total > 0 else 0.0


def otsu_threshold(heatmap: Heatmap) -> float:
    """The value that best splits the map into two classes; foreground lies *above* it (Otsu 1979)."""
    return threshold.otsu_threshold(_checked(heatmap, None)[0])


def iou_at_otsu(heatmap: Heatmap, box: Box, geometry: Geometry | None = None) -> float:
    """Intersection over union of the box and the cells above Otsu's threshold; 0 for a constant map."""
    values, geometry = _checked(heatmap, geometry)
    chosen = values > otsu_threshold(values)
    covered = _covered(values.shape, box, geometry)
    cell = _cell_area(values.shape, geometry)
    shared = (covered * chosen).sum() * cell
    return float(shared / (chosen.sum() * cell + _area(box) - shared))


def iou_best(heatmap: Heatmap, box: Box, geometry: Geometry | None = None) -> float:
    """The largest intersection over union of the box and the cells at or above any threshold."""
    values, geometry = _checked(heatmap, geometry)
    order = np.argsort(-values, axis=None, kind="stable")
    ordered = values.ravel()[order]
    cell = _cell_area(values.shape, geometry)
    shared = np.cumsum(_covered(values.shape, box, geometry).ravel()[order]) * cell
    iou = shared / (np.arange(1, order.size + 1) * cell + _area(box) - shared)
    last_of_its_value = np.append(ordered[1:] != ordered[:-1], True)
    return float(iou[last_of_its_value].max())


KERNEL, THRESHOLD = 15, 0.6
"""How a map becomes a box in the shipped graphs: mean filter, and the cut of *Box of the peak*."""


@dataclass(frozen=True)
class Case:
    """An image, a query about an object, its box; `other`: a second query and box; `tags`: subsets; its mask (H, W)."""

    image: PIL.Image
    query: str
    box: Box
    other: tuple[str, Box] | None = None
    tags: frozenset[str] = field(default_factory=frozenset)
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Scores:
    """What one map scored, a number per case. `swapped` is NaN where there is no other object.

    `peak_box`: whether the box of the peak of the smoothed heatmap and the true one have an IoU of at least ½.
    `precision`: the average precision of the heatmap's pixels for the object's mask; NaN where the case has none.
    """

    pointing: NDArray[np.float64]
    energy: NDArray[np.float64]
    iou_otsu: NDArray[np.float64]
    iou_best: NDArray[np.float64]
    swapped: NDArray[np.float64]
    peak_box: NDArray[np.float64]
    precision: NDArray[np.float64]

    def mean(self, metric: str, where: NDArray[np.bool_] | None = None) -> float:
        """Mean of a metric over the cases of `where` that have it; NaN if there is none."""
        values = getattr(self, metric)[slice(None) if where is None else where]
        values = values[~np.isnan(values)]
        return float(values.mean()) if values.size else float("nan")


def evaluate_maps(cases: Sequence[Case], maps: Mapping[str, MapFunction], *, batch_size: int = 50) -> dict[str, Scores]:
    """Score every map on every case; `swapped` asks for the other object and looks for its box."""
    return {name: _evaluate(cases, function, batch_size) for name, function in maps.items()}


def _evaluate(cases: Sequence[Case], function: MapFunction, batch_size: int) -> Scores:
    rows = []
    for start in range(0, len(cases), batch_size):
        batch = cases[start : start + batch_size]
        images = [c.image for c in batch]
        asked = function(images, [c.query for c in batch])
        swapped = function(images, [c.other[0] if c.other else c.query for c in batch])
        rows += [_score(case, i, asked, swapped) for i, case in enumerate(batch)]
    return Scores(*np.asarray(rows, dtype=float).reshape(len(cases), 7).T)


def _score(case: Case, i: int, asked: Attribution, swapped: Attribution) -> list[float]:
    heatmap, geometry = asked.values[i], asked.geometry[i]
    return [
        float(pointing_game(heatmap, case.box, geometry)),
        energy_in_box(heatmap, case.box, geometry),
        iou_at_otsu(heatmap, case.box, geometry),
        iou_best(heatmap, case.box, geometry),
        float(pointing_game(swapped.values[i], case.other[1], swapped.geometry[i])) if case.other else float("nan"),
        *_in_pixels(case, Attribution(asked.values[i : i + 1], asked.geometry[i : i + 1])),
    ]


def _in_pixels(case: Case, one: Attribution) -> tuple[float, float]:
    """Whether the box of the peak fits, and the average precision for the mask."""
    heatmap = to_pixels(one)
    smooth = mean_filter(heatmap, KERNEL)
    fits = False
    if bool(smooth.min() < smooth.max()):  # a constant map has no peak
        fits = (
            float(iou(box_of_peak(smooth, THRESHOLD)[0].values, torch.tensor([case.box], dtype=torch.float64))) >= 0.5
        )
    if case.mask is None:
        return float(fits), float("nan")
    return float(fits), average_precision(heatmap.flatten(), torch.from_numpy(case.mask).flatten())


def _checked(heatmap: Heatmap, geometry: Geometry | None) -> tuple[NDArray[np.float64], Geometry]:
    values = torch.as_tensor(heatmap).detach().cpu().double().numpy()
    if values.ndim != 2 or values.size == 0:
        raise BadInput("a heatmap must have two sides, (gh, gw)", input="heatmap", value=tuple(values.shape))
    if not np.isfinite(values).all():
        raise BadInput("the heatmap holds values that are not finite", input="heatmap")
    return values, geometry or Geometry.whole(values.shape[1], values.shape[0])


def _checked_box(box: Box) -> Box:
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        raise BadInput("a box is (left, top, right, bottom) with left < right and top < bottom", input="box", value=box)
    return box


def _covered(grid: tuple[int, ...], box: Box, geometry: Geometry) -> NDArray[np.float64]:
    """Which share of each cell the box covers, (gh, gw)."""
    left, top, right, bottom = _checked_box(box)
    xs, ys = (np.asarray(edges) for edges in geometry.cell_edges((grid[0], grid[1])))
    across = np.clip(np.minimum(xs[1:], right) - np.maximum(xs[:-1], left), 0, None) / np.diff(xs)
    down = np.clip(np.minimum(ys[1:], bottom) - np.maximum(ys[:-1], top), 0, None) / np.diff(ys)
    return down[:, None] * across


def _cell_area(grid: tuple[int, ...], geometry: Geometry) -> float:
    return (geometry.right - geometry.left) * (geometry.bottom - geometry.top) / (grid[0] * grid[1])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
