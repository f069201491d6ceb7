"""FALIP's rows as graphs: each says what the function says, on the shipped picture and the demo model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import api_graph
from api_graph.executor import DiskCache, Executor, MemoryCache, RunResult
from api_graph.graph import Graph, set_inputs
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders, shipped_graphs

PICTURE = shipped_graphs() / "api_graph_example.png"
BOXES = [(209, 52, 283, 129), (354, 165, 432, 243), (53, 112, 152, 215), (236, 241, 306, 315), (295, 44, 399, 148)]
OBJECTS = ["green star", "yellow ring", "orange star", "red triangle", "yellow square"]

ROWS: dict[str, dict[str, Any]] = {
    "rec_none": {"method": "none"},
    "rec_foveal": {"method": "foveal"},
    "rec_foveal_rows": {"method": "foveal", "form": "rows"},
    "rec_foveal_diagonal": {"method": "foveal", "form": "diagonal"},
    "rec_foveal_unleash": {"method": "foveal", "unleash": 1.0},
    "rec_circle": {"method": "circle"},
    "rec_circle_unleash": {"method": "circle", "unleash": 1.0},
    "rec_circle_foveal": {"method": "circle+foveal"},
    "rec_circle_blur": {"method": "circle:falip"},
    "rec_blur": {"method": "blur"},
    "rec_grey": {"method": "grey"},
    "rec_shade": {"method": "shade:falip"},
}


@pytest.fixture(scope="module")
def model():
    return api_graph.load_clip("demo", device="cpu")


def run(name: str, out: Path, executor: Executor | None = None, targets: tuple[str, ...] = (), **values: Any):
    graph = set_inputs(open_graph(name), all_nodes(), values)
    wanted = [id for id, node in graph.nodes.items() if node.title in targets]
    return graph, (executor or Executor()).run(graph, headless_folders(out), targets=wanted).raise_failures()


def texts(graph: Graph, result: RunResult) -> dict[str, str]:
    return {graph.nodes[id].title: o.ui["text"][0] for id, o in result.outputs.items() if "text" in o.ui}


def values(graph: Graph, result: RunResult, title: str) -> dict[str, Any]:
    (id,) = (id for id, node in graph.nodes.items() if node.title == title)
    return result.outputs[id].values


@pytest.mark.parametrize("name", sorted(ROWS))
@pytest.mark.parametrize("query", ["the yellow ring", "the orange star"])
def test_a_row_is_the_function_choose_box(name, query, model, tmp_path) -> None:
    graph, result = run(name, tmp_path, targets=("Score boxes", "Choose box"), query=query)
    expected = api_graph.choose_box(PICTURE, BOXES, query, model, **ROWS[name])
    scores = values(graph, result, "Score boxes")["box_scores"].scores
    scale = float(model.module.logit_scale.exp())
    assert torch.allclose(scores / 100.0, expected.scores / scale, atol=1e-5)
    assert values(graph, result, "Choose box")["choice"] == expected.index


def test_there_is_a_graph_for_each_row_here() -> None:
    shipped = {path.stem for path in shipped_graphs().glob("rec_*.json")}
    assert shipped == {*ROWS, "rec_crop", "rec_ensemble", "rec_fgvp", "rec_foveal_subtract", "rec_som"}


@pytest.mark.parametrize(
    "name", ["rec_foveal", "rec_crop", "rec_ensemble", "rec_grey", "rec_foveal_subtract", "rec_fgvp"]
)
def test_these_find_every_object_of_the_picture(name, tmp_path) -> None:
    executor = Executor()
    for index, what in enumerate(OBJECTS):
        graph, result = run(name, tmp_path, executor, query=f"the {what}")
        assert texts(graph, result)["Choice"].startswith(f"box {index} of 5, ")
    assert executor.pool.loads == 2  # Load CLIP, and the same model with another resize mode


def test_subtracting_the_query_itself_leaves_nothing(tmp_path) -> None:
    graph, result = run("rec_foveal_subtract", tmp_path, query="the yellow ring", captions="the yellow ring")
    probabilities = re.findall(r"^\d: ([\d.]+)", texts(graph, result)["Choice"], re.M)
    assert probabilities == ["0.200"] * 5


@pytest.mark.parametrize(("name", "label"), [("classify_plain", None), ("classify_blur", "yellow ring")])
def test_classification_is_the_function_classify(name, label, model, tmp_path) -> None:
    graph, result = run(name, tmp_path, targets=("Classify",))
    labels = next(n for n in graph.nodes.values() if n.title == "labels").inputs["text"].splitlines()
    given = {} if label is None else {"boxes": [BOXES[1]], "method": "blur"}
    expected = api_graph.classify(PICTURE, labels, model, resize_mode="squash", **given)
    assert texts(graph, result)["Label"] == expected.names[0] == (label or expected.names[0])


def test_point_clouds_are_the_function_classify_point_cloud(model, tmp_path) -> None:
    for name, method in (("point_cloud_plain", "none"), ("point_cloud_foveal", "foveal")):
        graph, result = run(name, tmp_path)
        labels = ["ring", "square", "star", "cross", "triangle"]
        found = api_graph.classify_point_cloud(
            shipped_graphs() / "example.ply", labels, model, method=method, normalize=True
        )
        assert texts(graph, result)["Label"] == found.names[0] == "ring"


def test_a_question_s_map_as_the_fovea_turns_clip_to_what_is_asked_about(tmp_path) -> None:
    for query, label in (("the ring", "yellow ring"), ("the triangle", "red triangle")):
        graph, result = run("api_fovea", tmp_path, query=query)
        assert texts(graph, result)["With the fovea"].startswith(f"{label} ")
        assert not texts(graph, result)["Without the fovea"].startswith(f"{label} ")


def test_a_second_run_loads_no_model(tmp_path) -> None:
    for name in ("rec_foveal", "classify_foveal", "api_fovea", "head_reactions"):
        first, second = (Executor(MemoryCache(), DiskCache(tmp_path / "cache")) for _ in range(2))
        told = texts(*run(name, tmp_path, first))
        assert texts(*run(name, tmp_path, second)) == told
        assert second.pool.loads == 0, name
