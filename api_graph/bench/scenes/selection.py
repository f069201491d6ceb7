"""From a map to a box, a point and a mask: how well they fit the object asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from api_graph.bench.localization import KERNEL, THRESHOLD
from api_graph.bench.scenes.setting import Setting
from api_graph.bench.scenes.table import Item, Part, Row, scored
from api_graph.bench.scores import Figure, mean_figure
from api_graph.demo.maps import cls_map
from api_graph.demo.scenes import Scene, SceneObject, scene, tight_box
from api_graph.pixels.heatmap import mean_filter, normalize
from api_graph.pixels.peaks import box_of_peak, find_peaks
from api_graph.pixels.resize import to_pixels
from api_graph.pixels.threshold import Keep, heatmap_to_mask
from api_graph.regions import boxes_around
from api_graph.tasks.metrics import iou

_BATCH = 50


def selection_part(setting: Setting) -> Part:
    """Box, point and mask of "the COLOUR SHAPE" by Ψcls, as `api_clip_map` makes it."""
    named = named_objects(setting.range, setting.sizes.boxes)
    wanted = [one for _, one in named]
    items = [Item(f"scene {i}", f"the {one.name}", one.name) for i, one in enumerate(wanted)]
    maps = _heatmaps(setting, named)
    rows = [_row(name, items, scores) for name, scores in _found(maps, wanted).items()]
    for keep in ("peak", "all"):
        cuts = (THRESHOLD, *np.arange(0.4, 0.86, 0.05).tolist())
        at = {cut: _mask_ious(maps, wanted, cut, keep) for cut in cuts}
        best = max(at, key=lambda cut: float(np.mean(at[cut])))
        row = _row(f"Heatmap to mask, keep {keep}: mean IoU", items, at[THRESHOLD])
        more = [Figure("best", float(np.mean(at[best])), len(items)), Figure("best threshold", best, len(items))]
        rows.append(Row(row.name, [*row.figures, *more], row.scores))
    return Part(
        "selection",
        "From a map to a box, a point and a mask",
        f"{len(items)} scenes of 3 to 5 objects, Ψcls for “the COLOUR SHAPE” as api_clip_map makes "
        f"it: mean filter {KERNEL}, threshold {THRESHOLD} of the map's range, chosen on validation scenes. Best: at "
        "the best of ten thresholds.",
        "what is made of the map",
        {"value": "interval", "best": "share", "best threshold": "share"},
        rows,
        items,
    )


def named_objects(seeds: range, count: int) -> list[tuple[Scene, SceneObject]]:
    """The first scenes of 3 to 5 objects in which a colour and a shape name one object, and that object."""
    found: list[tuple[Scene, SceneObject]] = []
    for seed in seeds:
        if len(found) == count:
            break
        drawn = scene(seed, (3, 5))
        unique = drawn.unique_objects()
        if unique:
            found.append((drawn, unique[seed % len(unique)]))
    return found


def _row(name: str, items: Sequence[Item], scores: Sequence[float]) -> Row:
    return Row(name, [mean_figure("value", scores)], scored(items, scores))


def _heatmaps(setting: Setting, named: Sequence[tuple[Scene, SceneObject]]) -> list[Tensor]:
    """The heatmap (1, H, W) of each scene."""
    found: list[Tensor] = []
    for first in range(0, len(named), _BATCH):
        part = named[first : first + _BATCH]
        maps = cls_map(setting.clip, [drawn.image for drawn, _ in part], [f"the {wanted.name}" for _, wanted in part])
        found += mean_filter(to_pixels(maps.with_values(normalize(maps.values))), KERNEL).split(1)
    return found


def _found(maps: Sequence[Tensor], wanted: Sequence[SceneObject]) -> dict[str, list[float]]:
    """By the row's name whether box and point are right, for each scene."""
    rows: dict[str, list[float]] = {}
    for one, true in zip(maps, wanted, strict=True):
        (x, y), box = find_peaks(one, threshold=THRESHOLD).points[0], torch.tensor([true.box], dtype=torch.float64)
        strips = boxes_around(one, min(0.5, float(one.max()))).values
        filled = np.asarray(ndimage.binary_fill_holes(true.mask), dtype=bool)
        for name, right in {
            "Box of the peak: IoU at least ½": bool(iou(box_of_peak(one, THRESHOLD)[0].values, box) >= 0.5),
            "Boxes around masks, above ½: the same": bool(iou(strips[:1], box) >= 0.5),
            "Peaks, n = 1: in the object's box": bool(_boxed(true.mask)[y, x]),
            "Peaks: on the object, its holes filled": bool(filled[y, x]),
            "Peaks: on the object": bool(true.mask[y, x]),
        }.items():
            rows.setdefault(name, []).append(float(right))
    return rows


def _boxed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All of the box around a mask."""
    left, top, right, bottom = tight_box(mask)
    inside = np.zeros_like(mask)
    inside[top:bottom, left:right] = True
    return inside


def _mask_ious(maps: Sequence[Tensor], wanted: Sequence[SceneObject], threshold: float, keep: Keep) -> list[float]:
    ratios = []
    for one, true in zip(maps, wanted, strict=True):
        mask, truth = heatmap_to_mask(one, threshold=threshold, keep=keep)[0] > 0, torch.from_numpy(true.mask)
        ratios.append(float((mask & truth).sum() / (mask | truth).sum()))
    return ratios
