"""The FALIP paper's benchmarks with the demo CLIP: figures are counted anew from what the graphs gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.bench.declare import Response
from api_graph.bench.readers.questions import Question
from api_graph.bench.scores import read_figures, read_scores
from api_graph.benching.registry import benchmark, benchmarks
from api_graph.table.results import read_results
from tests.benching.falip_sets import BOXES, CLOUDS, LABELLED, LABELS
from tests.cli.conftest import Cli


def test_every_benchmark_has_a_set() -> None:
    assert set(BOXES) == {name for name, spec in benchmarks().items() if spec.answer == "box"}
    assert set(LABELLED) | set(CLOUDS) == {name for name, spec in benchmarks().items() if spec.answer == "label"}


def figures(folder: Path) -> dict[str, float]:
    return {figure.name: figure.value for figure in read_figures(folder)}


def overlap(a: list[float], b: list[float]) -> float:
    """IoU, by the areas of cells of half a pixel."""

    def cells(box: list[float]) -> set[tuple[int, int]]:
        left, top, right, bottom = (round(2 * edge) for edge in box)
        return {(x, y) for x in range(left, right) for y in range(top, bottom)}

    return len(cells(a) & cells(b)) / len(cells(a) | cells(b))


@pytest.mark.parametrize("name", BOXES)
def test_boxes(cli: Cli, tmp_path: Path, name: str) -> None:
    truths = BOXES[name](tmp_path / "data")
    part = benchmark(name).parts[-1]
    share = len(truths) // len(benchmark(name).parts)
    graphs = ("--graph", "rec_foveal", "--graph", "plain=rec_crop") if name == "refcoco" else ("--graph", "rec_foveal")
    ran = cli("bench", name, "--data", "data", *graphs, "--part", part, "--out", "out")
    assert ran.code == 0, ran.err
    rows = [dict(row.results["Choose box"]) for row in read_results(tmp_path / "out" / "rec_foveal")]
    table = [json.loads(line) for line in (tmp_path / "out" / "table.jsonl").read_text().splitlines()]
    assert [row["truth"][0] for row in table] == truths[:share] and len(rows) == share
    right = [overlap(row["corners"], item["facts"]["targets"][0]) > 0.5 for row, item in zip(rows, table, strict=True)]
    scores = read_scores(tmp_path / "out" / "rec_foveal")
    assert [score.score for score in scores] == [float(hit) for hit in right]
    assert {score.category for score in scores} == {part}
    accuracy = figures(tmp_path / "out" / "rec_foveal")["accuracy at IoU > 0.5"]
    assert accuracy == sum(right) / share
    assert accuracy > 0.3, "the demo CLIP finds what the text means"
    if name.endswith("-detected"):
        whole = [item["boxes"] for item in table if item["item"].split("/")[1].split("-")[0] in ("4", "8")]
        assert whole == [[[0, 0, 160, 160]]] * 2, "no detection: the whole picture"
    refused = cli("bench", "export", "out")
    assert refused.code == 2 and "has no such format" in refused.err


@pytest.mark.parametrize("name", [*LABELLED, *CLOUDS])
def test_labels(cli: Cli, tmp_path: Path, name: str) -> None:
    maker = {**LABELLED, **CLOUDS}[name]
    truths = maker(tmp_path / "data")
    graph, title = ("point_cloud_foveal", "Classify point cloud") if name in CLOUDS else ("classify_foveal", "Classify")
    ran = cli("bench", name, "--data", "data", "--graph", graph, "--out", "out")
    assert ran.code == 0, ran.err
    rows = [dict(row.results[title]) for row in read_results(tmp_path / "out" / graph)]
    right = [row["best"][0] == truth for row, truth in zip(rows, truths, strict=True)]
    found, scores = figures(tmp_path / "out" / graph), read_scores(tmp_path / "out" / graph)
    assert [score.score for score in scores] == [float(hit) for hit in right]
    assert [score.answer for score in scores] == [row["best"][0] for row in rows]
    assert [score.truth for score in scores] == truths
    assert found["top-1"] == sum(right) / len(right)
    by_class = [[hit for hit, other in zip(right, truths, strict=True) if other == truth] for truth in set(truths)]
    macro = sum(sum(own) / len(own) for own in by_class) / len(by_class)
    assert found["mean of the classes' top-1"] == pytest.approx(macro)
    assert next(iter(found)) == ("mean of the classes' top-1" if name.startswith("imagenet") else "top-1")
    if name == "waterbirds":
        assert "top-5" not in found, "there are two labels"
        groups = [
            found[f"top-1: {bird} on {place}"] for bird in ("landbird", "waterbird") for place in ("land", "water")
        ]
        assert found["worst group"] == min(groups)
    else:
        top = [truth in row["best"][:5] for row, truth in zip(rows, truths, strict=True)]
        assert found["top-5"] == sum(top) / len(top)
    if name in LABELLED and name != "waterbirds":
        assert found["top-1"] > 2 / len(LABELS), "the demo CLIP knows these"
    if name == "scanobjectnn":
        assert found["top-1: OBJ_BG"] == sum(right[6:13]) / 7 and "worst group" not in found


def test_what_a_benchmark_sets_is_not_for_the_user_to_set(cli: Cli, tmp_path: Path) -> None:
    LABELLED["dogs"](tmp_path / "data")
    words = ("bench", "dogs", "--data", "data", "--graph", "classify_plain", "--out", "out")
    ran = cli(*words, "--set", "labels=a")
    assert ran.code == 2 and "--set: this input is set by the benchmark (got 'labels')" in ran.err
    (tmp_path / "data" / "Images" / "n00000000-red_circle").rename(tmp_path / "data" / "Images" / "n09999999-x")
    ran = cli(*words)
    assert ran.code == 2 and "it names none of the breeds' folders" in ran.err


@pytest.mark.parametrize(
    ("corners", "right"),
    [
        ([0, 0, 10, 10], 1.0),
        ([0, 0, 10, 5], 0.0),  # exactly a half is not above it
        ([0, 0, 10, 5.1], 1.0),
        ([20, 20, 30, 30], 1.0),  # any of those that are meant
        ([10, 10, 20, 20], 0.0),
        (None, 0.0),
    ],
)
def test_a_box_is_right_above_a_half(corners: Any, right: float) -> None:
    targets: Any = [[0, 0, 10, 10], [20, 20, 30, 30]]
    question = Question("1", (), "?", "?", facts={"targets": targets})
    values = {} if corners is None else {"corners": corners}
    assert benchmark("refcoco").score(question, Response("", values)).score == right


def test_labels_are_told_by_their_places() -> None:
    """ImageNet has two classes of the name "crane"."""
    question = Question("1", (), "", "", ("crane",), facts={"label": 1})
    score = benchmark("imagenet-s").score
    assert score(question, Response("crane", {"indices": [1, 0]})).score == 1
    assert score(question, Response("crane", {"indices": [0, 1]})).score == 0
    assert score(question, Response("", {})).score == 0
