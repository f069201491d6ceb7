"""Results by title: the names are fixed when a folder is begun, and numbers stand beside the prose."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from api_graph import map_graph
from api_graph.settings import find_graph
from api_graph.table.manifest import read_manifest, result_names
from api_graph.table.merge import merge_shards
from api_graph.table.records import results_of

from .conftest import record
from .runs import records


def node(class_type: str, title: str = "", **inputs: object) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def asking(title: str = "Say") -> dict[str, Any]:
    """Says what it is told."""
    return {"1": node("APText", "query", text="what?"), "2": node("APShowText", title, value=["1", 0])}


def graph_of(name: str) -> dict[str, Any]:
    document = json.loads(Path(find_graph(name)).read_text("utf-8"))
    return document.get("prompt", document)


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        (["A", "B"], ["A", "B"]),
        (["A", "A"], ["A (1)", "A (2)"]),
        ([" A ", ""], ["A", "Show text"]),
        (["A", "A", "A (1)"], ["A (1) (1)", "A (2)", "A (1)"]),
        (["2", "1"], ["2", "1"]),
        (["A", "A", "A (1)", "A (1)"], ["A (1)", "A (2)", "A (1) (3)", "A (1) (4)"]),
    ],
)
def test_names_are_titles_and_each_has_its_own(titles: list[str], names: list[str]) -> None:
    graph = {str(n): node("APShowText", title, value="x") for n, title in enumerate(titles, 1)}
    assert list(result_names(graph).values()) == names


def test_who_has_a_name() -> None:
    """Output nodes that are kept, and nodes that compute numbers; no loader, no text, no preview."""
    assert result_names(graph_of("rec_foveal")) == {"11": "Choose box", "12": "Choice", "13": "Chosen box"}
    assert result_names(graph_of("lvlm_ask")) == {"5": "Query LVLM", "6": "Answer"}
    assert result_names({"1": node("PreviewImage", images=["2", 0]), "2": node("PrimitiveInt", value=3)}) == {}


def test_known_names_stay() -> None:
    graph = {"1": node("APShowText", "New"), "2": node("APShowText", "Old"), "3": node("APShowText", "New")}
    assert result_names(graph, {"1": "Old", "gone": "New"}) == {"1": "Old", "2": "Old (2)", "3": "New (3)"}


def test_what_a_name_holds() -> None:
    line = record(
        0,
        outputs={"1": {"string": "a", "peak": [1.5]}, "2": {"string": "kept"}, "4": {"n": 0}},
        texts={"1": ["a"], "3": ["b", "c"]},
        files={"3": ["files/0.png"]},
    )
    assert results_of(line, {"1": "Map", "2": "Words", "3": "4", "9": "nothing"}) == {
        "Map": {"peak": [1.5], "text": "a"},
        "Words": {"string": "kept"},
        "4": {"text": ["b", "c"], "files": ["files/0.png"]},
        "4 (4)": {"n": 0},
    }


def test_a_line_has_both_and_a_new_title_renames_nothing(tmp_path: Path) -> None:
    rows = [{"query": "red"}, {"query": "blue"}]
    list(map_graph(asking(), rows[:1], output=tmp_path, cache=False))
    list(map_graph(asking("Another title"), rows, output=tmp_path, cache=False))
    first, second = records(tmp_path)
    assert (first["texts"], first["results"]) == ({"2": ["red"]}, {"Say": {"text": "red"}})
    assert second["results"] == {"Say": {"text": "blue"}}
    manifest = read_manifest(tmp_path)
    assert manifest is not None and manifest.results == {"2": "Say"}


def test_shards_take_the_names_of_the_first(tmp_path: Path) -> None:
    rows = [{"query": "red"}, {"query": "blue"}]
    for shard, title in (("1/2", "Say"), ("2/2", "Tell")):
        list(map_graph(asking(title), rows, output=tmp_path, cache=False, shard=shard))
    merge_shards(tmp_path)
    assert [line["results"] for line in records(tmp_path)] == [{"Say": {"text": "red"}}, {"Say": {"text": "blue"}}]


def test_a_row_that_could_not_start_has_no_results(tmp_path: Path) -> None:
    graph = asking()
    graph["1"] = node("APFormatQuestion", "query", question="what?")
    graph["1"]["inputs"]["suffix"] = "none"
    list(map_graph(graph, [{"question": "a", "suffix": "wrong"}], output=tmp_path, cache=False))
    (line,) = records(tmp_path)
    assert (line["ok"], line["results"]) == (False, {})


BOXES = "0, 0, 8, 8\n10, 10, 20, 20"


def test_figures_of_nodes_that_are_no_outputs(tmp_path: Path, picture: Path) -> None:
    """Also where a later row finds what reads them in memory."""
    rows = [{"image": picture.name, "boxes": BOXES, "query": "a star"}] * 2
    found = list(map_graph("rec_foveal", rows, output=tmp_path / "out", input_folders=[picture.parent]))
    assert [row.error for row in found] == [None, None]
    for line in records(tmp_path / "out"):
        chosen = line["results"]["Choose box"]
        best, other = chosen["probabilities"][chosen["choice"]], chosen["probabilities"][1 - chosen["choice"]]
        assert chosen["margin"] == pytest.approx(best - other, abs=1e-6)
        corners = [[float(number) for number in line.split(",")] for line in BOXES.splitlines()]
        assert chosen["corners"] == corners[chosen["choice"]]
        assert line["results"]["Choice"] == {"text": chosen["text"]}
        assert line["results"]["Chosen box"]["files"] == line["files"]["13"]


def test_figures_of_a_map(tmp_path: Path, picture: Path) -> None:
    rows = [{"image": picture.name, "query": "a star"}]
    list(map_graph("api_clip_map", rows, output=tmp_path / "out", input_folders=[picture.parent]))
    (line,) = records(tmp_path / "out")
    figures = line["results"]["Figures"]
    assert figures["text"].startswith(f"peak at ({figures['peak_x'][0]:.0f}, {figures['peak_y'][0]:.0f})")
    assert list(line["results"]) == ["Heatmap", "Heatmap overlay", "Figures"]
    assert all(isinstance(value[0], float) for name, value in figures.items() if name != "text")


def test_answers_have_their_figures(tmp_path: Path, picture: Path) -> None:
    rows = [{"image": picture.name, "query": "What colour?"}]
    list(map_graph("lvlm_ask", rows, output=tmp_path / "out", input_folders=[picture.parent], cache=False))
    (line,) = records(tmp_path / "out")
    asked = line["results"]["Query LVLM"]
    assert asked["tokens"] > 0 and asked["finish_reason"] in ("stop", "length")
    assert asked["text"] == line["results"]["Answer"]["text"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    from .runs import picture as draw

    draw(tmp_path / "in" / "1.png", 1)
    return tmp_path / "in" / "1.png"


def test_a_graph_is_not_changed_by_naming() -> None:
    graph = asking()
    before = copy.deepcopy(graph)
    result_names(graph)
    assert graph == before


def test_another_example_in_the_graph_changes_nothing(tmp_path: Path) -> None:
    graph, rows = asking(), [{"query": "red"}, {"query": "blue"}]
    list(map_graph(graph, rows[:1], output=tmp_path, cache=False))
    graph["1"]["inputs"]["text"] = "another example"
    assert [row.number for row in map_graph(graph, rows, output=tmp_path, cache=False)] == [1]
