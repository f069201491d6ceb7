"""The shipped graphs: each runs headless, agrees with the plain functions, and repeats only what changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import api_graph
from api_graph.executor import DiskCache, Executor, MemoryCache, RunResult
from api_graph.graph import read_graph, set_inputs, validate
from api_graph.lvlm import HeadProfile
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders, shipped_graphs

GRAPHS = sorted(path.stem for path in shipped_graphs().glob("*.json"))
PICTURE = shipped_graphs() / "api_graph_example.png"


def run(executor: Executor, name: str, out: Path, **values: object) -> RunResult:
    graph = set_inputs(open_graph(name), all_nodes(), values)
    return executor.run(graph, headless_folders(out)).raise_failures()


def what_ran(result: RunResult) -> set[str]:
    return {step.title for step in result.steps if step.action == "ran"}


def test_there_are_graphs() -> None:
    assert {"api_clip", "api_clip_cls", "api_clip_map", "api_clip_questions", "api_clip_reference"} <= set(GRAPHS)


@pytest.mark.parametrize("name", GRAPHS)
def test_each_graph_is_sound_and_runs(name: str, tmp_path: Path) -> None:
    graph = open_graph(name)
    validate(graph, all_nodes())
    titles = {node.title for node in graph.nodes.values()}
    assert {"image", "query"} <= titles or {"image", "labels"} <= titles or {"points", "labels"} <= titles
    result = run(Executor(), name, tmp_path)
    files = [file for output in result.outputs.values() for file in output.files]
    texts = [text for output in result.outputs.values() for text in output.ui.get("text", ())]
    assert (files or texts) and all(text.strip() for text in texts)
    for file in files:
        if file.suffix == ".html":
            assert "data:image/png" in file.read_text("utf-8")
            continue
        if file.suffix == ".json":
            assert HeadProfile.load(file).record.model.name == "demo"
            continue
        with Image.open(file) as picture:
            assert np.asarray(picture).std() > 1  # not blank
            embedded = json.loads(picture.text["prompt"])  # type: ignore[attr-defined]
        assert read_graph(embedded).to_api() == graph.to_api()


def test_the_paper_graph_is_the_function_annotate(tmp_path: Path) -> None:
    result = run(Executor(), "api_clip", tmp_path, image="api_graph_example.png", query="the orange star")
    saved = next(
        o.files[0] for id, o in result.outputs.items() if open_graph("api_clip").nodes[id].title == "Annotated image"
    )
    expected = api_graph.annotate(PICTURE, "the orange star")
    with Image.open(saved) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(expected.image))


def test_the_reference_graph_is_the_reference_recipe(tmp_path: Path) -> None:
    query = "is there a yellow ring?"
    outputs = api_graph.run_graph(
        "api_clip_reference",
        {"query": query},
        cache=False,
        output=tmp_path,
        targets=["Normalize map", "Alpha blend"],
    )
    ids = {node.title: id for id, node in open_graph("api_clip_reference").nodes.items()}
    mask = outputs[ids["Normalize map"]]["attribution"].values
    model = api_graph.load_clip()
    expected = api_graph.clip_attribution(PICTURE, query, model, recipe="reference", layer=-2)
    assert torch.allclose(mask, expected.combined, atol=1e-5)
    blended = (outputs[ids["Alpha blend"]]["image"][0] * 255).round()
    annotated = api_graph.annotate(PICTURE, query, recipe="reference", layer=-2)
    assert np.abs(blended.numpy() - np.asarray(annotated.image, dtype=np.float32)).max() <= 1


@pytest.fixture
def cached(tmp_path: Path):
    def executor() -> Executor:
        """As in a new process: nothing in memory, no model loaded."""
        return Executor(MemoryCache(), DiskCache(tmp_path / "cache"))

    return executor


def test_a_second_run_does_no_model_work(cached, tmp_path: Path) -> None:
    first, second = cached(), cached()
    run(first, "api_clip", tmp_path / "out")
    assert first.pool is not None and first.pool.loads == 1
    again = run(second, "api_clip", tmp_path / "out")
    assert second.pool is not None and second.pool.loads == 0
    assert not what_ran(again) & {"Load CLIP", "Encode image", "Encode query", "Ψ cls", "Ψ comp"}


def test_another_strength_repeats_blend_and_save_alone(cached, tmp_path: Path) -> None:
    executor = cached()
    run(executor, "api_clip", tmp_path / "out")
    again = run(executor, "api_clip", tmp_path / "out", strength=0.5)
    assert what_ran(again) == {"Alpha blend", "Annotated image", "Heatmap", "Figures"}


def test_another_query_repeats_no_image_encoding(cached, tmp_path: Path) -> None:
    run(cached(), "api_clip", tmp_path / "out")
    again = run(cached(), "api_clip", tmp_path / "out", query="the triangle")
    assert "Encode image" not in what_ran(again)
    assert {"Load CLIP", "Encode query", "Ψ cls"} <= what_ran(again)


def test_another_image_of_the_same_content_is_the_same_result(cached, tmp_path: Path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(PICTURE.read_bytes())
    run(cached(), "api_clip", tmp_path / "out")
    graph = set_inputs(open_graph("api_clip"), all_nodes(), {"image": str(copy)})
    again = cached().run(graph, headless_folders(tmp_path / "out", trusted=frozenset({str(copy)})))
    assert not what_ran(again.raise_failures()) & {"Encode image", "Load CLIP"}


def test_rows_share_encodings_and_models(tmp_path: Path) -> None:
    executor = Executor()
    queries = ["the orange star", "the triangle", "the yellow ring"]
    graphs = [set_inputs(open_graph("api_clip_map"), all_nodes(), {"query": q}) for q in queries]
    results = executor.run_rows(graphs, headless_folders(tmp_path))
    assert executor.pool is not None and executor.pool.loads == 1
    for query, result in zip(queries, results, strict=True):
        alone = run(Executor(), "api_clip_map", tmp_path / "alone", query=query)
        for id, output in alone.outputs.items():
            for name, value in output.values.items():
                got = result.outputs[id].values[name]
                # A heatmap is the same but for float error, which may tip a colour of the overlay to its neighbour.
                near = 1e-5 if name == "mask" else 0.03
                if isinstance(value, list):
                    assert got == pytest.approx(value, rel=1e-4, abs=1e-5)
                else:
                    assert torch.allclose(got, value, atol=near) if isinstance(value, torch.Tensor) else got == value


def test_a_saved_picture_runs_again(tmp_path: Path) -> None:
    first = run(Executor(), "api_clip_map", tmp_path, query="the triangle")
    file = next(f for o in first.outputs.values() for f in o.files if "map" in f.name)
    again = Executor().run(read_graph(file), headless_folders(tmp_path / "again")).raise_failures()
    repeated = next(f for o in again.outputs.values() for f in o.files if "map" in f.name)
    assert np.array_equal(np.asarray(Image.open(file)), np.asarray(Image.open(repeated)))
