"""One rule for what is no picture, box, mask or map, in every node that takes pictures and regions of them.

NaN and infinity, nothing at all, boxes outside the picture or turned round: a BadInput that names the node's own input
and what was given. A picture of one pixel is a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from api_graph.nodes import core_compositing
from torch import Tensor

from api_graph.clip import ImageFeatures
from api_graph.errors import BadInput
from api_graph.regions import Boxes
from api_graph.registry import all_nodes
from api_graph.sockets import Attribution
from api_graph.spec import spec_of
from api_graph.tasks.socket_types import BoxScores
from tests.nodes.case import CASES
from tests.nodes.world import World

for file in sorted(Path(__file__).with_name("cases").glob("*.py")):
    import_module(f"tests.nodes.cases.{file.stem}")

NODES = all_nodes()
COMFYUIS_OWN = {spec_of(function).id for function in core_compositing.NODES}
"""They take what ComfyUI's nodes take."""
REGIONS = {"AP_BOXES", "MASK", "AP_ATTRIBUTION"}
BOTH = [
    id
    for id, spec in NODES.items()
    if {one.socket.split(",")[0] for one in spec.inputs} & REGIONS
    and "IMAGE" in {one.socket for one in spec.inputs}
    and id not in COMFYUIS_OWN
] + ["APBoxes"]
GIVEN = [
    (id, one.name)
    for id in BOTH
    for one in NODES[id].inputs
    if one.socket.split(",")[0] in REGIONS | {"IMAGE"} and not one.is_list
]

pytestmark = pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def call_with(id: str, name: str, world: World) -> dict[str, Any]:
    """A good call of the node in which the input is given."""
    case = CASES[id](world)
    if case.given.get(name) is not None:
        return dict(case.given)
    other = case.others_of(name)[0]
    return {**case.given, **other.companions, name: other.value}


def spoiled(value: Any) -> Iterator[tuple[str, Any]]:
    """What is no picture, mask, map or boxes, made of what is."""
    if isinstance(value, Tensor):
        for number in (math.nan, math.inf, -math.inf):
            wrong = value.clone()
            wrong.view(-1)[len(wrong.view(-1)) // 2] = number
            yield str(number), wrong
        yield "an empty batch", value[:0]
        yield "no rows", value[:, :0]
        yield "no columns", value[:, :, :0]
        yield "whole numbers", (value * 255).long() if value.ndim == 4 else value[:0]
    elif isinstance(value, Attribution):
        for number in (math.nan, math.inf):
            wrong = value.values.clone()
            wrong[0, 0, 0] = number
            yield str(number), value.with_values(wrong)
        yield "no map", Attribution(value.values[:0], ())
    elif isinstance(value, Boxes):
        (width, height), one = value.size, value.values[:1]
        yield "no box", Boxes(value.values[:0], value.size)
        for away in (width, -width - 1):
            moved = one.clone()
            moved[:, 0::2] += away
            yield f"a box {away} to the right", Boxes(torch.cat([one, moved]), value.size)
        below = one.clone()
        below[:, 1::2] += height
        yield "a box below", replace(value, values=below)
        yield "another picture's", replace(value, size=(width + 1, height))


@pytest.mark.parametrize(("id", "name"), GIVEN)
def test_what_is_none_is_refused_by_name(id: str, name: str, world: World) -> None:
    spec, good = NODES[id], call_with(id, name, world)
    assert not isinstance(world.seen(spec, spec.function, good).result, BadInput)
    tried = 0
    for what, wrong in spoiled(good[name]):
        found = world.seen(spec, spec.function, {**good, name: wrong}).result
        assert isinstance(found, BadInput), f"{id} takes {what} as {name}"
        assert found.input == name, f"{what} as {name} is a complaint about {found.input}: {found}"
        assert found.value is not None, f"{what} as {name}: the complaint does not say what was given: {found}"
        tried += 1
    assert tried


@pytest.mark.parametrize(
    "box", [[math.nan, 1, 2, 3], [0, 0, math.inf, 3], [5, 1, 2, 3], [1, 5, 2, 3], [-math.inf, 0, 1, 1]]
)
def test_boxes_are_turned_round_or_endless_nowhere(box: list[float]) -> None:
    with pytest.raises(BadInput, match=r"boxes: box 1 has a n") as raised:
        Boxes(torch.tensor([box], dtype=torch.float64), (10, 10))
    assert str(raised.value.value) == str([float(number) for number in box])


@pytest.mark.parametrize(
    "text", ["nan 1 2 3", "0 0 inf 3", "5 1 2 3", "1 5 2 3", "200 200 210 210", "", "# none", "1 2 3"]
)
def test_nor_are_they_read(text: str, world: World) -> None:
    with pytest.raises(BadInput) as raised:
        NODES["APBoxes"].function(image=world.noise(1, 20, 30, 3), boxes=text)
    assert raised.value.input == "boxes" and raised.value.value is not None


@pytest.mark.parametrize("id", [id for id in BOTH if id != "APPasteBack"])  # its placement has a picture of its own
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_a_picture_of_one_pixel_is_a_picture(id: str, size: tuple[int, int], world: World) -> None:
    spec = NODES[id]
    width, height = size
    boxes = world.boxes((0, 0, width, height), size=size)
    fovea: Any = NODES["APFovealMask"].function(model=world.clip, image=torch.rand(1, height, width, 3), boxes=boxes)
    ones = torch.ones(1, height, width)
    given: dict[str, Any] = {
        **CASES[id](world).given,
        "image": torch.rand(1, height, width, 3),
        "boxes": "0 0 1 1" if id == "APBoxes" else boxes,
        "clean": torch.rand(1, height, width, 3),
        "masks": ones,
        "heatmap": ones,
        "marks": "1",
        "min_area": 0,
        "fovea": fovea,
        "model": world.clip,
        "scores": BoxScores(torch.ones(1)),
    }
    result: Any = spec.function(
        **{name: value for name, value in given.items() if spec.input(name) is not None},
        **({} if spec.context is None else {spec.context[0]: world.context(spec)[0]}),
    )
    for value in result if isinstance(result, tuple | list) else [result]:
        numbers = value.features if isinstance(value, ImageFeatures) else getattr(value, "values", value)
        if isinstance(value, Tensor):
            numbers = value
        if isinstance(numbers, Tensor):
            assert len(numbers) and bool(numbers.isfinite().all())
