"""Boxes in the forms of ComfyUI and of other packs: nodes/boxes.py. Those that are typed are in foveal.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from api_graph.regions import Boxes
from api_graph.segs import SEG
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


def told(boxes: Boxes) -> Boxes:
    return Boxes(boxes.values, boxes.size, ("cup",) * len(boxes), (0.5,) * len(boxes))


def plain(value: Any) -> Any:
    """Arrays as tensors, which can be compared."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


@case("APBoxesToBoundingBox")
def boxes_to_bounding_box(world: World) -> Case:
    def expected(boxes: Boxes, lists: str) -> list[list[dict[str, Any]]]:
        found: list[dict[str, Any]] = []
        for index, (left, top, right, bottom) in enumerate(boxes.values.int().tolist()):
            more = {"label": boxes.labels[index], "score": boxes.scores[index]} if boxes.labels else {}
            found.append({"x": left, "y": top, "width": right - left, "height": bottom - top, **more})
        return [[one] for one in found] if lists == "box i on image i" else [found]

    two = world.boxes()
    others = {"boxes": [at(world.boxes((1, 2, 3, 4))), at(told(two))], "lists": at("box i on image i")}
    return Case(expected, given={"boxes": two}, others=others)


@case("APSegsToBoxes")
def segs_to_boxes(world: World) -> Case:
    def segs(*regions: tuple[list[int], str, float]) -> Any:
        made = []
        for box, label, sure in regions:
            crop = [box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2]
            mask = np.zeros((crop[3] - crop[1], crop[2] - crop[0]), np.float32)
            mask[2:-2, 2:-2] = 1
            made.append(SEG(None, mask, np.array([sure]), crop, np.array(box), label))
        return (30, 40), made

    def expected(segs: Any) -> Any:
        boxes = [[float(edge) for edge in one.bbox] for one in segs[1]]
        found = Boxes(
            torch.tensor(boxes, dtype=torch.float64),
            (40, 30),
            tuple(one.label for one in segs[1]),
            tuple(float(one.confidence[0]) for one in segs[1]),
        )
        return found, world.masks(*[tuple(map(int, box)) for box in boxes], size=(40, 30))

    given = segs(([5, 6, 20, 22], "cup", 0.5), ([10, 4, 30, 20], "star", 0.25))
    other = segs(([3, 6, 20, 22], "cup", 0.5), ([10, 4, 30, 20], "ring", 0.25))
    return Case(expected, given={"segs": given}, others={"segs": at(other)}, refusals=[refused("segs", segs=None)])


@case("APBoxesToSegs")
def boxes_to_segs(world: World) -> Case:
    def expected(image: Tensor, boxes: Boxes, masks: Tensor | None, crop_factor: float, label: str) -> Any:
        made = []
        for index, (left, top, right, bottom) in enumerate(boxes.values.int().tolist()):
            across, down = (int((end - start) * (crop_factor - 1) / 2) for start, end in ((left, right), (top, bottom)))
            crop = [left - across, top - down, right + across, bottom + down]
            mask = world.masks((left, top, right, bottom))[0] if masks is None else masks[index]
            rows, columns = slice(crop[1], crop[3]), slice(crop[0], crop[2])
            own, sure = (boxes.labels[index], boxes.scores[index]) if boxes.labels else (label, 1.0)
            cut = image[:, rows, columns], mask[rows, columns]
            made.append(SEG(cut[0], cut[1].numpy(), sure, crop, [left, top, right, bottom], own))
        return (160, 160), made

    two = world.boxes((60, 60, 80, 80), (70, 50, 90, 90))
    return Case(
        expected,
        given={"image": world.picture(1), "boxes": two},
        others={
            "image": at(world.picture(2)),
            "boxes": [at(world.boxes((60, 60, 80, 90))), at(told(two))],
            "masks": at(world.masks((61, 62, 71, 72), (71, 52, 80, 80))),
            "crop_factor": at(1.5),
            "label": at("cup"),
        },
        refusals=[
            refused("image", image=world.noise(2, 160, 160, 3)),
            refused("masks", masks=world.masks((1, 2, 3, 4))),
        ],
        view=plain,
    )
