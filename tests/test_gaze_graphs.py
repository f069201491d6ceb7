"""The graphs that steer an LVLM: they answer as the functions do, row by row too, and endpoints refuse them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import api_graph
from api_graph.errors import ApiGraphError
from api_graph.executor import Executor, RunResult
from api_graph.graph import Graph, Link, read_graph, set_inputs
from api_graph.lvlm.steer import Steering, as_foveas
from api_graph.pixels.heatmap import mean_filter, normalize
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders, shipped_graphs
from api_graph.tasks.features import seeing
from tests.lvlm.remote.server import running

PICTURE = shipped_graphs() / "api_graph_example.png"
ORANGE_STAR, GREEN_STAR, RED_TRIANGLE = (55, 110, 155, 218), (209, 52, 283, 129), (232, 240, 320, 318)
STAR, RING = "What colour is the star?", "What colour is the ring?"


@pytest.fixture(scope="module")
def demo() -> api_graph.LvlmModel:
    return api_graph.load_lvlm("demo", "cpu")


def ran(graph: Graph, out: Path) -> RunResult:
    return Executor().run(graph, headless_folders(out)).raise_failures()


def answer(name: str, out: Path, title: str = "Answer", **values: Any) -> str:
    graph = set_inputs(open_graph(name), all_nodes(), values)
    result = ran(graph, out)
    (texts,) = (o.ui["text"] for id, o in result.outputs.items() if graph.nodes[id].title == title)
    return "\n".join(map(str, texts))


def line(*box: float) -> str:
    return " ".join(map(str, box))


def test_a_box_says_which_star_is_meant(tmp_path: Path, demo: api_graph.LvlmModel) -> None:
    for box, colour in ((GREEN_STAR, "green"), (ORANGE_STAR, "orange")):
        assert answer("gaze_boxes", tmp_path, boxes=line(*box)) == colour
        assert api_graph.ask(PICTURE, STAR, demo, fovea=[box]).text == colour
    assert api_graph.ask(PICTURE, STAR, demo).text == "orange"


def test_a_weak_fovea_counts_more_by_contrast(tmp_path: Path, demo: api_graph.LvlmModel) -> None:
    for box, colour in ((GREEN_STAR, "green"), (ORANGE_STAR, "orange")):
        assert answer("gaze_contrast", tmp_path, boxes=line(*box)) == colour
        assert answer("gaze_contrast", tmp_path, "Without contrast", boxes=line(*box)) == "orange"
        weak: dict[str, Any] = {"fovea": [box], "strength": 2.4}
        assert api_graph.ask(PICTURE, STAR, demo, **weak, contrast="no_fovea").text == colour
        assert api_graph.ask(PICTURE, STAR, demo, **weak).text == "orange"


def test_rows_of_a_table_are_contrasted_each_with_its_own_fovea(tmp_path: Path) -> None:
    boxes = [GREEN_STAR, ORANGE_STAR, RED_TRIANGLE]
    rows = [{"image": str(PICTURE), "query": STAR, "boxes": [list(box)]} for box in boxes]
    found = {row.number: row for row in api_graph.map_graph("gaze_contrast", rows, output=tmp_path / "rows")}
    for title in ("Answer", "Without contrast"):
        said = [found[i].results[title]["text"] for i in range(3)]
        assert said == [answer("gaze_contrast", tmp_path / "alone", title, boxes=line(*box)) for box in boxes]


def test_a_tour_names_the_boxes_in_their_order(tmp_path: Path, demo: api_graph.LvlmModel) -> None:
    assert answer("gaze_tour", tmp_path) == "red triangle, green star, orange star"
    turned = [GREEN_STAR, RED_TRIANGLE, ORANGE_STAR]
    said = answer("gaze_tour", tmp_path, boxes="\n".join(line(*box) for box in turned))
    assert said == "green star, red triangle, orange star"
    tour = Steering.tour(as_foveas(turned), 3, strength=4.0)
    assert api_graph.ask(PICTURE, "Describe the picture.", demo, fovea=tour, max_tokens=8).text == said


@pytest.mark.parametrize("query", [RING, "What shape is the red thing?", STAR])
def test_the_map_of_clip_is_the_fovea(query: str, tmp_path: Path, demo: api_graph.LvlmModel) -> None:
    clip = seeing(api_graph.load_clip("demo", device="cpu"), "squash")
    seen = api_graph.clip_attribution(PICTURE, query, clip)
    cls = seen.attribution.with_values(mean_filter(normalize(seen.cls), 3))
    assert (
        answer("gaze_api", tmp_path, query=query) == api_graph.ask(PICTURE, query, demo, fovea=cls, strength=3.0).text
    )


@pytest.mark.parametrize("query", [RING, "Describe the picture."])
def test_the_models_own_map_is_its_fovea(query: str, tmp_path: Path, demo: api_graph.LvlmModel) -> None:
    seen = api_graph.lvlm_attribution(PICTURE, query, demo).attribution
    smooth = seen.with_values(mean_filter(normalize(seen.values), 3))
    assert (
        answer("gaze_self", tmp_path, query=query)
        == api_graph.ask(PICTURE, query, demo, fovea=smooth, strength=2.0).text
    )


def test_foveas_are_the_same_in_the_graph(tmp_path: Path) -> None:
    """What the preview says of the tokens: six cells of the demo model's 10 × 10 for the ring's box."""
    graph = set_inputs(open_graph("gaze_boxes"), all_nodes(), {"boxes": line(354, 165, 432, 243)})
    result = ran(graph, tmp_path)
    texts = [text for o in result.outputs.values() for text in o.ui.get("text", [])]
    assert "10 × 10 tokens: 6 of weight 1, 94 of weight 0, 0 between, mean 0.060" in texts


def test_rows_of_a_table_are_steered_each_to_its_own_box(tmp_path: Path) -> None:
    """In one batch with one another: each has the answer that it has alone."""
    boxes = [GREEN_STAR, ORANGE_STAR, RED_TRIANGLE, GREEN_STAR]
    rows = [{"image": str(PICTURE), "query": STAR, "boxes": [list(box)]} for box in boxes]
    found = {row.number: row for row in api_graph.map_graph("gaze_boxes", rows, output=tmp_path / "rows", cache=False)}
    said = [found[i].results["Answer"]["text"] for i in range(4)]
    alone = [answer("gaze_boxes", tmp_path / "alone", boxes=line(*box)) for box in boxes[:3]]
    assert said == [*alone, alone[0]]


@pytest.mark.parametrize(
    ("steered", "message"),
    [
        (True, "steering: rec is an endpoint, and a fovea changes the attention inside"),
        (False, "contrast: rec is an endpoint, and a contrast needs the scores of all tokens"),
    ],
)
def test_an_endpoint_refuses_and_is_not_asked(
    steered: bool, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running() as server:
        profiles = tmp_path / "endpoints.toml"
        profiles.write_text(f'[rec]\nbase_url = "{server.url}"\nmodels = ["m"]\nretries = 0\n')
        monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(profiles))
        api = open_graph("gaze_boxes" if steered else "gaze_contrast").to_api()
        api["who"] = {"class_type": "APAnsweringModel", "inputs": {"answerer": "endpoint:rec"}}
        graph = read_graph(api)
        nodes = dict(graph.nodes)
        asks = next(id for id, node in nodes.items() if node.class_type == "APQueryLVLM")
        inputs = {**nodes[asks].inputs, "model": Link("who", 0)}
        nodes[asks] = replace(nodes[asks], inputs=inputs if steered else {**inputs, "steering": None})
        with pytest.raises(ApiGraphError, match=message):
            ran(replace(graph, nodes=nodes), tmp_path)
        assert server.seen == []
