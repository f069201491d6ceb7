"""Masks of the objects in an image: nodes/segment.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from api_graph.context import Context
from api_graph.regions import Boxes
from api_graph.segment import AUTOMATIC, Segmenter, load_segmenter, segment
from tests.nodes.case import At, Case, Unseen, at, case, refused
from tests.nodes.cases.models import NOT_HERE, ONE_DEVICE, facts_of
from tests.nodes.world import World


@case("APSegment")
def segmented(world: World) -> Case:
    def expected(
        segmenter: Segmenter,
        image: Tensor,
        context: Context,
        boxes: Boxes | None,
        preset: str,
        pairing: str,
        **values: Any,
    ) -> Tensor:
        where = None if boxes is None else boxes.values
        values |= {} if preset == "custom" else AUTOMATIC[preset]
        return segment(segmenter, image, boxes=where, progress=context.progress, **values)

    image = world.noise(1, 50, 80, 3, seed=1)
    loose = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "nms_thresh": 0.95}

    def felt(name: str, *candidates: float, **companions: float) -> At:
        """The first of the candidates that changes the masks: which one does depends on the random weights."""
        before = segment(world.other_segmenter, image, **{**loose, **companions})
        for value in candidates:
            after = segment(world.other_segmenter, image, **{**loose, **companions, name: value})
            if not torch.equal(before, after):
                return at(value, **companions)
        raise AssertionError(f"none of {candidates} as {name} changes the masks")

    return Case(
        expected,
        given={"segmenter": world.other_segmenter, "image": image, **loose},
        others={
            "segmenter": at(world.segmenter),
            "image": at(world.noise(1, 40, 70, 3, seed=2)),
            "boxes": at(world.boxes((5, 5, 40, 40), (30, 10, 78, 45), size=(80, 50))),
            "preset": [at("sam"), at("fgvp")],
            "points_per_side": at(2),
            "points_per_batch": at(4),
            "pred_iou_thresh": felt("pred_iou_thresh", 0.9, 0.5, 0.2),
            "stability_score_thresh": felt("stability_score_thresh", 0.5, 0.1, 0.9),
            "stability_score_offset": felt("stability_score_offset", 0.2, 3.0, stability_score_thresh=0.5),
            "nms_thresh": felt("nms_thresh", 0.3, 0.1, 1.0),
            "min_area": felt("min_area", 900, 200, 2500),
            "pairing": Unseen("one image has one pairing; tests/nodes/test_pairing.py tries several"),
            "mask_threshold": felt("mask_threshold", 0.5, -0.5),
        },
        refusals=[refused("boxes", boxes=world.boxes(size=(300, 200)))],
    )


@case("APLoadSegmenter")
def loaded_segmenter(world: World) -> Case:
    def expected(context: Any, model: str, device: str, precision: str) -> Any:
        where = str(context.folders.models[0] / model)
        return load_segmenter(where, dtype="float32" if precision == "auto" else precision)

    names = [Path(one.name).name for one in (world.segmenter, world.other_segmenter)]
    return Case(
        expected,
        given={"model": names[0]},
        others={"model": at(names[1]), "device": ONE_DEVICE, "precision": at("bfloat16")},
        refusals=[
            refused("model", model="../sam"),
            refused("model", model="my-clip"),
            refused("device", device=NOT_HERE),
        ],
        view=lambda found: found if isinstance(found, Exception) else facts_of(found.model),
    )
