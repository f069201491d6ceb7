"""From a map to masks, points, boxes and crops: nodes/selection.py."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Any

from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels import placement as room
from api_graph.pixels.peaks import box_of_peak, find_peaks
from api_graph.pixels.placement import Placement
from api_graph.pixels.threshold import heatmap_to_mask
from api_graph.regions import Boxes, boxes_around
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APHeatmapToMask")
def mask_of_heatmap(world: World) -> Case:
    return Case(
        lambda heatmap, method, threshold, low, **values: heatmap_to_mask(heatmap, method, threshold, low, **values),
        given={"heatmap": world.noise(1, 20, 30, seed=1)},
        others={
            "heatmap": at(world.noise(2, 20, 30, seed=2)),
            "method": [at("fixed"), at("otsu"), at("quantile"), at("hysteresis")],
            "threshold": [
                at(0.8),
                at(0.8, method="fixed"),
                at(0.8, method="quantile"),
                at(0.95, method="hysteresis", low=0.6),
            ],
            "low": at(0.59, method="hysteresis"),
            "keep": at("peak"),
            "grow": [at(1), at(-1, threshold=0.2)],
            "feather": at(1.5),
        },
        refusals=[refused("low", method="hysteresis", low=0.7)],
    )


@case("APPeaks")
def peaks(world: World) -> Case:
    def expected(heatmap: Tensor, count: int, threshold: float, min_distance: float) -> tuple[str, Boxes, int]:
        found = find_peaks(heatmap, count, threshold=threshold, min_distance=min_distance)
        return json.dumps([{"x": x, "y": y} for x, y in found.points]), found.boxes, len(found.points)

    return Case(
        expected,
        given={"heatmap": world.noise(1, 20, 30, seed=1)},
        others={
            "heatmap": at(world.noise(1, 20, 30, seed=2)),
            "count": at(4),
            "threshold": at(0.95),
            "min_distance": at(0.5, count=50),
        },
        refusals=[refused("heatmap", heatmap=world.noise(2, 20, 30))],
    )


@case("APBoxOfPeak")
def peak_box(world: World) -> Case:
    return Case(
        lambda heatmap, threshold: box_of_peak(heatmap, threshold),
        given={"heatmap": world.noise(1, 20, 30, seed=1)},
        others={"heatmap": at(world.noise(2, 20, 30, seed=2)), "threshold": at(0.3)},
        refusals=[refused("heatmap", heatmap=world.noise(1, 20, 30) * 0)],
    )


@case("APSmartCrop")
def smart_crop(world: World) -> Case:
    def expected(image: Tensor, boxes: Boxes | None, mask: Tensor | None, **values: Any) -> Any:
        around = boxes if mask is None else boxes_around(mask)
        if around is None:
            raise BadInput("there is nothing to crop to", input="boxes", hint="Link boxes or a mask.")
        return tuple(map(list, zip(*room.smart_crop(image, around, mask, **values), strict=True)))

    boxes = world.boxes((20, 30, 40, 50), (60, 20, 90, 60), size=(160, 120))
    return Case(
        expected,
        given={"image": world.picture(1, height=120), "boxes": boxes},
        others={
            "image": at(world.picture(2, height=120)),
            "boxes": at(world.boxes((5, 6, 70, 80), size=(160, 120))),
            "mask": at(world.masks((20, 30, 41, 52), size=(160, 120)), boxes=None),
            "margin": at(0.4),
            "aspect": at("2:1"),
            "multiple": at(16),
        },
        refusals=[
            refused("image", image=world.noise(2, 120, 160, 3)),
            refused("aspect", aspect="wide"),
            refused("boxes", mask=world.masks((20, 30, 41, 52), size=(160, 120))),
            refused("mask", boxes=None, mask=world.masks((0, 0, 9, 9), (1, 1, 9, 9), size=(160, 120))),
        ],
        view=lambda crops: (
            crops
            if isinstance(crops, Exception)
            else [(*image.shape, image, astuple(where), mask) for image, mask, where in zip(*crops, strict=True)]
        ),
    )


@case("APPasteBack")
def paste_back(world: World) -> Case:
    where, there = Placement(4, 5, 20, 17, 40, 30), Placement(30, 20, 40, 30, 40, 30)
    return Case(
        lambda image, crops, placements, masks, feather: room.paste_back(
            image, crops, placements, masks, feather=feather
        ),
        given={"image": world.noise(1, 30, 40, 3), "crops": [world.noise(1, 24, 32, 3, seed=1)], "placements": [where]},
        others={
            "image": at(world.noise(1, 30, 40, 3, seed=2)),
            "crops": at([world.noise(1, 12, 16, 3, seed=3)]),
            "placements": [at([there]), at([where, there], crops=[world.noise(1, 9, 9, 3, seed=i) for i in (4, 5)])],
            "masks": at([world.noise(1, 24, 32, seed=6)]),
            "feather": at(4),
        },
        refusals=[refused("crops", crops=[])],
    )
