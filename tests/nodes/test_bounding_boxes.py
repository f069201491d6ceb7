"""Every node that takes boxes takes ComfyUI's BOUNDING_BOX, in every shape, and gives what it gives for our own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from api_graph.bounding_boxes import bounding_boxes
from api_graph.draw import to_workflow
from api_graph.errors import BadInput
from api_graph.executor import Executor
from api_graph.graph import read_graph
from api_graph.graph.validate import find_faults, fits
from api_graph.regions import Boxes
from api_graph.registry import all_nodes
from api_graph.segs import SEG
from api_graph.settings import headless_folders
from tests.nodes.case import CASES, difference
from tests.nodes.world import World

for file in sorted(Path(__file__).with_name("cases").glob("*.py")):
    import_module(f"tests.nodes.cases.{file.stem}")

NODES = all_nodes()
EITHER = "AP_BOXES,BOUNDING_BOX"
TAKING = [(id, one.name) for id, spec in NODES.items() for one in spec.inputs if one.socket == EITHER]
PAIRED = [id for id, _ in TAKING if NODES[id].input("pairing") is not None and id not in ("APChooseBox", "APFovea")]

pytestmark = pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")

SHAPES: dict[str, Callable[[Boxes], Any]] = {
    "a list for each image": bounding_boxes,
    "a flat list": lambda boxes: bounding_boxes(boxes)[0],
    "tuples": lambda boxes: (tuple(bounding_boxes(boxes)[0]),),
    "fractions": lambda boxes: [{name: float(value) for name, value in box.items()} for box in flat(boxes)],
    "numbers of torch": lambda boxes: [
        {name: torch.tensor(value) for name, value in box.items()} for box in flat(boxes)
    ],
    "a detector's": lambda boxes: [[{**box, "label": "cup", "score": 0.5, "metadata": {}} for box in flat(boxes)]],
}


def flat(boxes: Boxes) -> list[dict[str, Any]]:
    return [dict(box) for box in bounding_boxes(boxes)[0]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def call_with(id: str, name: str, world: World) -> dict[str, Any]:
    """A good call of the node in which boxes are given."""
    case = CASES[id](world)
    if case.given.get(name) is not None:
        return dict(case.given)
    other = case.others_of(name)[0]
    return {**case.given, **other.companions, name: other.value}


def without_what_is_told(result: Any) -> Any:
    """The result without labels and scores of boxes."""
    if isinstance(result, SEG):
        return tuple(torch.as_tensor(part) for part in (result.cropped_image, result.cropped_mask, result.bbox))
    if isinstance(result, list):
        return [without_what_is_told(one) for one in result]
    if isinstance(result, Boxes):
        return Boxes(result.values, result.size)
    if isinstance(result, tuple):
        return tuple(without_what_is_told(one) for one in result)
    return result


def test_all_inputs_for_boxes_take_either() -> None:
    assert len(TAKING) > 9
    ours = [f"{id}.{one.name}" for id, spec in NODES.items() for one in spec.inputs if one.socket == "AP_BOXES"]
    assert set(ours) <= {"APBoxesToBoundingBox.boxes"}  # which hands on what the other socket takes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("id", "name"), TAKING)
def test_every_shape_gives_what_our_own_boxes_give(id: str, name: str, shape: str, world: World) -> None:
    spec, good = NODES[id], call_with(id, name, world)
    expected = world.seen(spec, spec.function, good)
    assert not isinstance(expected.result, BadInput)
    found = world.seen(spec, spec.function, {**good, name: SHAPES[shape](good[name])})
    wrong = difference(without_what_is_told(expected.result), without_what_is_told(found.result), 1e-5)
    assert wrong is None, f"{id}, {shape}: {wrong}"


@pytest.mark.parametrize(("id", "name"), TAKING)
def test_one_box_is_a_dict(id: str, name: str, world: World) -> None:
    spec, good = NODES[id], call_with(id, name, world)
    one = good[name].pick([0])
    expected = world.seen(spec, spec.function, {**good, name: one}).result
    found = world.seen(spec, spec.function, {**good, name: flat(one)[0]}).result
    if isinstance(expected, BadInput):  # of Choose box, which has as many scores as before
        assert isinstance(found, BadInput) and str(found) == str(expected)
    else:
        assert difference(without_what_is_told(expected), without_what_is_told(found), 1e-5) is None


@pytest.mark.parametrize(("id", "name"), TAKING)
@pytest.mark.parametrize("wrong", [[], [[]], [[], 3], {"x": 1}, [{"x": 900, "y": 0, "width": 3, "height": 4}]], ids=str)
def test_what_is_none_is_refused_by_name(id: str, name: str, wrong: Any, world: World) -> None:
    spec, good = NODES[id], call_with(id, name, world)
    found = world.seen(spec, spec.function, {**good, name: wrong}).result
    assert isinstance(found, BadInput) and found.input == name, f"{id} takes {wrong}: {found}"


@pytest.mark.parametrize("id", PAIRED)
def test_boxes_of_each_image(id: str, world: World) -> None:
    spec, good = NODES[id], call_with(id, "boxes", world)
    image = good["image"][:1]
    two = good["boxes"].pick([0, len(good["boxes"]) - 1])
    call = {**good, "image": torch.cat([image, 1 - image]), "pairing": "box i on image i", "boxes": two}
    expected = world.seen(spec, spec.function, call).result
    assert not isinstance(expected, BadInput)
    frames = bounding_boxes(two, one_each=True)
    assert difference(expected, world.seen(spec, spec.function, {**call, "boxes": frames}).result, 1e-5) is None
    del call["pairing"]
    refused = world.seen(spec, spec.function, {**call, "boxes": frames}).result
    assert isinstance(refused, BadInput) and refused.input == "boxes" and "box i on image i" in str(refused)


def test_the_chosen_box_keeps_its_label(world: World) -> None:
    spec, good = NODES["APChooseBox"], call_with("APChooseBox", "boxes", world)
    labelled = [{**box, "label": f"box {i}", "score": i / 10} for i, box in enumerate(flat(good["boxes"]))]
    found: Any = spec.function(**{**good, "boxes": labelled})
    assert found.box.labels == (f"box {found.choice}",) and found.box.scores == (found.choice / 10,)


# ------------------------------------------------------------------------------------------ in graphs

BOX = {"x": 30, "y": 40, "width": 100, "height": 60}


def graph_with(boxes: Any) -> dict[str, Any]:
    return {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "example.png"}},
        "2": {"class_type": "APDrawBox", "inputs": {"image": ["1", 0], "boxes": boxes}},
        "3": {"class_type": "APPreviewImage", "inputs": {"images": ["2", 0]}},
    }


@pytest.mark.parametrize("boxes", [BOX, {"__value__": [BOX]}, {"__value__": [[BOX]]}], ids=str)
def test_boxes_stand_in_a_graph_in_the_place_of_a_link(boxes: Any, tmp_path: Path) -> None:
    graph = read_graph(graph_with(boxes))
    assert find_faults(graph, NODES) == []
    assert read_graph(graph.to_api()).nodes == graph.nodes
    again = read_graph(to_workflow(graph, NODES), NODES)
    assert again.nodes["2"].inputs["boxes"] == graph.nodes["2"].inputs["boxes"]
    linked = {
        **graph_with(["4", 0]),
        "4": {"class_type": "APBoxes", "inputs": {"image": ["1", 0], "boxes": "30 40 130 100"}},
    }
    pictures = []
    for one in (graph, read_graph(linked)):
        result = Executor().run(one, headless_folders(tmp_path), targets=["2"]).raise_failures()
        pictures.append(result.outputs["2"].values["image"])
    assert difference(pictures[0], pictures[1]) is None


def test_what_does_not_fit_is_said_before_the_run() -> None:
    said = [str(fault) for fault in find_faults(read_graph(graph_with("30 40 130 100")), NODES)]
    assert len(said) == 1 and "a link from a AP_BOXES or BOUNDING_BOX output" in said[0]
    assert fits("BOUNDING_BOX", EITHER) and fits("AP_BOXES", EITHER) and not fits("IMAGE", EITHER)
