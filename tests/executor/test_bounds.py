"""What one node may give is bounded, where it can be told before it is made; the error says what lifts the limit."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from api_graph import map_graph, run_graph
from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.executor import Executor, NodeError
from api_graph.executor.cache.entry import size_of
from api_graph.executor.call import check_estimate, run_calls
from api_graph.geometry import Geometry
from api_graph.regions import Boxes
from api_graph.registry import all_nodes
from api_graph.settings import LIMITS, MAX_RESULT, MAX_TEXT, limit
from api_graph.sockets import Attribution
from benchmarks.memory import status
from tests.nodes.case import CASES, NOT_COVERED
from tests.nodes.world import World

for file in sorted((Path(__file__).parents[1] / "nodes" / "cases").glob("*.py")):
    import_module(f"tests.nodes.cases.{file.stem}")

NODES = all_nodes()
MIB = 1 << 20
Nodes = dict[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def peak_of(call: Callable[[], object]) -> int:
    """Bytes by which the memory of this process grows at most; 0 where it cannot be told."""
    if sys.platform != "linux":
        call()
        return 0
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def doubling(times: int, text: str = "0123456789abcdef") -> Nodes:
    """Nodes that each put the one before it twice into their text."""
    nodes = {"0": node("APText", text=text)}
    for i in range(1, times + 1):
        nodes[f"{i}"] = node("APStrategyPrompt", question=[f"{i - 1}", 0], strategy="reflect", answer=[f"{i - 1}", 0])
    return {**nodes, "shown": node("APShowText", value=[f"{times}", 0])}


# ------------------------------------------------------------------------------------------ bombs


@pytest.mark.parametrize("text", ["0123456789abcdef", "🙂🙂🙂🙂"])
def test_texts_that_double_end_with_an_error(tmp_path: Path, text: str) -> None:
    def run() -> None:
        with pytest.raises(NodeError, match=r"node \d+ .*MiB of text here, and the limit is 64.0.*API_GRAPH_MAX_TEXT"):
            run_graph(doubling(34, text), output=tmp_path)

    assert peak_of(run) < 512 * MIB


@pytest.mark.parametrize("together", [False, True])
def test_many_boxes_on_a_picture_end_with_an_error(tmp_path: Path, together: bool) -> None:
    nodes = {
        "1": node("APLoadImage", image="example.png"),
        "2": node("APBoxes", image=["1", 0], boxes="\n".join(f"{i % 400} {i % 300} 480 320" for i in range(20_000))),
        "3": node("APDrawCircle", image=["1", 0], boxes=["2", 0], together=together),
        "4": node("APSaveImage", images=["3", 0]),
    }

    def run() -> None:
        with pytest.raises(
            NodeError, match=r"node 3 .*would make [\d.]+ GiB here.*the limit is 4\.0.*API_GRAPH_MAX_RES"
        ):
            run_graph(nodes, output=tmp_path)

    assert peak_of(run) < 512 * MIB


def test_a_list_that_grows_by_its_length_alone_ends_with_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    nodes = {"0": node("APLoadImage", image="tiny.png")}
    for i in range(1, 12):  # 4^11 times the same picture
        before = [f"{i - 1}", 0]
        nodes[f"{i}"] = node("APGatherImages", first=before, second=before, third=before, fourth=before)
    nodes["last"] = node("APContactSheet", images=["11", 0])
    nodes["saved"] = node("APSaveImage", images=["last", 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MAX_RESULT, "20M")
        with pytest.raises(NodeError, match=r"node 7 .*a list of 16,384 values here, and the limit is 5,120"):
            run_graph(nodes, output=tmp_path, input_folders=[tmp_path])


def test_results_that_a_run_holds_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_RESULT, "3M")  # one picture of 480×320 in floats and its mask take 2.3 MiB
    nodes = {f"{i}": node("APLoadImage", image="example.png") for i in range(3)}
    for i in range(3):
        nodes[f"inverted {i}"] = node("ImageInvert", image=[f"{i}", 0])
        nodes[f"again {i}"] = node("ImageInvert", image=[f"inverted {i}", 0])
    run_graph({**nodes, "saved": node("APSaveImage", images=["again 0", 0])}, output=tmp_path)
    many = {f"saved {i}": node("APSaveImage", images=["0", 0]) for i in range(40)}  # in 8 bits .4 MiB each
    with pytest.raises(NodeError, match=r"the run's results take .*the limit is 4 times.*API_GRAPH_MAX_RESULT"):
        run_graph({**nodes, **many}, output=tmp_path)


def test_of_a_table_the_row_alone_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_RESULT, "40M")
    nodes = {
        "1": node("APLoadImage", image="example.png"),
        "2": {**node("APBoxes", image=["1", 0], boxes="0 0 9 9"), "_meta": {"title": "boxes"}},
        "3": node("APDrawBox", image=["1", 0], boxes=["2", 0]),
        "4": node("APSaveImage", images=["3", 0]),
    }
    (tmp_path / "graph.json").write_text(json.dumps(nodes), "utf-8")
    rows = [{"boxes": "\n".join(["0 0 9 9"] * count)} for count in (1, 20, 2)]
    results = list(map_graph(tmp_path / "graph.json", rows, output=tmp_path / "out", cache=False))
    assert {result.number: result.ok for result in results} == {0: True, 1: False, 2: True}
    assert "API_GRAPH_MAX_RESULT" in str(next(result.error for result in results if not result.ok))


def test_the_variable_lifts_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_TEXT, "2M")
    with pytest.raises(NodeError, match=r"the limit is 2.0"):
        run_graph(doubling(16), output=tmp_path)
    monkeypatch.setenv(MAX_TEXT, "16M")
    run_graph(doubling(16), output=tmp_path)


@pytest.mark.parametrize(("text", "size"), [("4G", 4 << 30), (" 1.5 GiB", 3 << 29), ("500m", 500 << 20), ("77", 77)])
def test_limits_are_sizes(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv(MAX_RESULT, text)
    assert limit(MAX_RESULT) == size


@pytest.mark.parametrize("text", ["", "much", "-1G", "1e400", "nan", "²G"])
def test_a_limit_that_is_no_size_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(MAX_RESULT, text)
    with pytest.raises(BadInput, match=MAX_RESULT):
        limit(MAX_RESULT)


# ------------------------------------------------------------------------------------------ all nodes


def huge(*shape: int) -> Tensor:
    """A tensor of this shape that takes no memory."""
    return torch.zeros(1).expand(shape)


PICTURE = huge(1, 480, 640, 3)
BOXES = Boxes(torch.tensor([[0, 0, 640, 480]], dtype=torch.float64).expand(20_000, 4), (640, 480))
HEATMAPS = huge(20_000, 480, 640)
BOMBS: dict[str, dict[str, Any]] = {
    **{id: {"image": PICTURE, "boxes": BOXES} for id in ("APDrawCircle", "APOutside", "APDrawBox", "APShade")},
    **{id: {"image": PICTURE, "boxes": BOXES} for id in ("APKeypoint", "APCropBoxes", "APSegment")},
    **{id: {"image": PICTURE, "masks": HEATMAPS} for id in ("APContour", "APFgvp")},
    **{id: {"image": PICTURE, "heatmap": HEATMAPS} for id in ("APAlphaBlend", "APOverlay", "APPreviewHeatmap")},
    "APResize": {
        "attribution": Attribution(huge(20_000, 7, 7), (Geometry(640, 480, 0.0, 0.0, 640.0, 480.0),) * 20_000)
    },
    "APContactSheet": {"images": [PICTURE] * 64, "columns": 8, "cell": 4096},
    "APTextLines": {"text": "a\n" * 2_000_000},
    "APBoxes": {"image": PICTURE, "boxes": "0 0 9 9\n" * 20_000_000},
    "APMeanText": {"captions": "a\n" * 3_000_000, "count": 3_000_000},
    "APEncodeLabels": {"labels": "a\n" * 20_000, "templates": "a {}\n" * 1000},
}


@pytest.mark.parametrize("id", BOMBS)
def test_what_would_be_too_much_is_refused_before_it_is_made(id: str) -> None:
    def check() -> None:
        with pytest.raises(BadInput, match=r"would make .* and the limit is .*API_GRAPH_MAX_"):
            check_estimate(NODES[id], [BOMBS[id]])

    assert peak_of(check) < 256 * MIB


def test_a_list_of_calls_counts_together() -> None:
    call = {"image": PICTURE, "heatmap": huge(400, 480, 640)}  # 1.5 GB
    check_estimate(NODES["APOverlay"], [call] * 2)
    with pytest.raises(BadInput, match=r"Heatmap overlay would make 4\.1 GiB"):
        check_estimate(NODES["APOverlay"], [call] * 3)


def test_models_count_what_their_patches_hold(world: World) -> None:
    check_estimate(NODES["APFovealMask"], [{"model": world.clip, "boxes": BOXES}])  # few cells each: no harm
    many = range(30_000_000)  # boxes are only counted
    with pytest.raises(BadInput, match="Foveal mask would make"):
        check_estimate(NODES["APFovealMask"], [{"model": world.clip, "boxes": many}])
    with pytest.raises(BadInput, match="Encode image would make"):
        check_estimate(NODES["APEncodeImage"], [{"model": world.clip, "image": huge(50_000, 2, 2, 3)}])


def seen(world: World, id: str) -> tuple[dict[str, Any], int, int]:
    """The inputs of a node's case, and bytes of those but the models, and of what it gives."""
    inputs = dict(CASES[id](world).given)
    links = [value for name, value in inputs.items() if value is not None and not hasattr(value, "module")]
    context: Context | None = world.context(NODES[id])[0]
    entry = run_calls(NODES[id], [inputs], context)
    return inputs, sum(size_of(links)), sum(entry.size)


SMALL = 64 << 10
GROWS = {
    "APHeadReactions": "a square for each of the model's heads, whatever the image",
    "APHeadReport": "a square for each of the model's heads",
    "APSetOfMark": "the image and the masks, as large as they came",
    "APChooseBox": "the image with one box on it",
    "APProjectPointCloud": "declared; six pictures of a side that its input bounds",
    "APLoadImage": "a file: read_image bounds its pixels",
    "LoadImage": "a file: read_image bounds its pixels",
    "LoadImageMask": "a file: read_image bounds its pixels",
    "APLoadPointCloud": "a file",
    "APSegment": "without boxes, the masks that the model finds; with boxes an estimate",
}
"""Nodes that may give much more than they are given, and what bounds that, where no estimate does."""


@pytest.mark.parametrize("id", [id for id in NODES if id not in NOT_COVERED and not NODES[id].model])
def test_a_node_that_makes_much_of_little_says_so_beforehand(id: str, world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs, given, made = seen(world, id)
    estimate = NODES[id].estimate
    if estimate is None or id == "APSegment":
        assert made <= max(3 * given, SMALL) or id in GROWS, f"{id} makes {made} bytes of {given}: give it an estimate"
        return
    defaults = {one.name: one.default for one in NODES[id].inputs}
    estimated = estimate(**{name: inputs.get(name, defaults[name]) for name in NODES[id].estimated})
    assert made <= 2 * estimated + SMALL, f"{id} makes {made} bytes; the estimate is {estimated}"


def test_all_that_estimate_have_their_bomb() -> None:
    declared = {id for id, spec in NODES.items() if spec.estimate is not None}
    assert set(BOMBS) | {"APFovealMask", "APEncodeImage", "APProjectPointCloud"} <= declared


def test_an_estimate_that_fails_leaves_the_word_to_the_node() -> None:
    check_estimate(NODES["APOverlay"], [{"image": torch.zeros(3), "heatmap": torch.zeros(3)}])
    assert Executor().memory is None
