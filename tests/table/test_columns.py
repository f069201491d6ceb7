"""What is said of a table's columns before the first row, and which inputs must not keep the graph's example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import BadInput
from api_graph.graph import GraphError
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import is_shipped, shipped, shipped_graphs
from api_graph.table.binding import Binding
from api_graph.table.columns import ColumnReport, meanings
from api_graph.table.map import map_graph
from tests.table.runs import GRAPH, picture

pytestmark = pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")  # of names that nearly fit

OWN = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
    "2": {"class_type": "APText", "inputs": {"text": "what?"}, "_meta": {"title": "query"}},
    "3": {"class_type": "APFormatQuestion", "inputs": {"question": ["2", 0], "suffix": "none"}},
    "4": {"class_type": "APShowText", "inputs": {"value": ["3", 0]}},
    "5": {"class_type": "APText", "inputs": {"text": "aside"}, "_meta": {"title": "remark"}},
    "6": {"class_type": "APShowText", "inputs": {"value": ["5", 0]}},
}


def report(graph: Any, columns: list[str], *, to: dict[str, str] | None = None, **more: Any) -> ColumnReport:
    more.setdefault("shipped", isinstance(graph, str))
    return Binding(open_graph(graph), all_nodes(), to).check(columns, **more)


def test_what_columns_set_and_what_stays() -> None:
    found = report(OWN, ["image", "id", "score"])
    assert dict(found.sets) == {"image": "image"}
    assert found.unused == ("id", "score")
    assert dict(found.kept) == {"query": "what?", "remark": "aside"}
    assert found.lines() == [
        "columns: image sets image",
        "columns that set nothing: id, score",
        "the same for all rows, as the graph has it: query = 'what?'; remark = 'aside'",
    ]
    assert dict(report(OWN, ["image", "ask"], to={"query": "ask"}).sets) == {"image": "image", "ask": "query"}
    assert dict(report(OWN, ["image", "query"], constants=["5.text"]).kept) == {}


@pytest.mark.parametrize("column", ["question", "Prompt", "text", "caption", "qery"])
def test_a_column_that_could_mean_the_query(column: str) -> None:
    """In a user's own graph: a synonym is offered, never taken."""
    with pytest.raises(
        BadInput, match=rf"no column sets query: .*query = 'what\?'\. Say --column query={column} "
    ) as no:
        report(OWN, ["image", column])
    assert "--keep query" in no.value.hint
    assert dict(report(OWN, ["image", column], keep=["query"]).kept)["query"] == "what?"
    assert "query" not in report(OWN, ["image", column], constants=["query"]).kept
    assert dict(report(OWN, ["image", column], to={"query": column}).sets)[column] == "query"


@pytest.mark.parametrize("column", ["image_path", "file_name", "img", "Image Path", "imageFile", "picture"])
def test_a_column_that_could_mean_the_picture(column: str) -> None:
    with pytest.raises(BadInput, match=r"no column sets image: .*--column (\S*image=|'image=Image Path')"):
        report(OWN, [column, "query"])


@pytest.mark.parametrize("column", ["question", "prompt"])
def test_where_no_column_fits_the_offer_is_made_too(column: str) -> None:
    with pytest.raises(BadInput, match=f"none of its columns is an input .*--column 'query={column}'"):
        report(OWN, [column, "id"])


def test_titles_of_other_words_mean_the_same() -> None:
    graph = {**OWN, "2": {**OWN["2"], "_meta": {"title": "prompt"}}}
    with pytest.raises(BadInput, match=r"no column sets prompt: .*--column prompt=question"):
        report(graph, ["image", "question"])


@pytest.mark.parametrize(
    ("graph", "columns", "stays"),
    [
        ("api_clip_map", ["image"], ["query"]),
        ("api_clip_map", ["query"], ["image"]),
        ("rec_foveal", ["image", "query"], ["boxes"]),
        ("classify_foveal", ["image"], ["labels", "boxes"]),
        ("point_cloud_plain", ["labels"], ["points"]),
    ],
)
def test_examples_of_a_shipped_graph_are_no_constants(graph: str, columns: list[str], stays: list[str]) -> None:
    with pytest.raises(BadInput, match=f"^ROWS: no column sets {' or '.join(stays)}: ") as refused:
        report(graph, columns)
    for name in stays:
        assert f"--set {name}=VALUE" in refused.value.hint and f"--keep {name}" in refused.value.hint
    assert set(stays) <= set(report(graph, columns, keep=stays).kept)
    assert not set(stays) & set(report(graph, columns, constants=stays).kept)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_graph_refuses_each_of_its_examples(name: str) -> None:
    graph, every = open_graph(name), {"image", "query", "boxes", "labels", "points"}
    own = [each for each in every if Binding(graph, all_nodes())._names.matching(each)]
    assert own
    assert not every & set(report(name, own).kept)
    for left in own if len(own) > 1 else ():
        with pytest.raises(BadInput, match=f"no column sets {left}: "):
            report(name, [each for each in own if each != left])


def test_what_is_kept_must_be_there_and_unset() -> None:
    with pytest.raises(GraphError, match="Did you mean"):
        report(OWN, ["image"], keep=["qury"])
    with pytest.raises(BadInput, match=r"^--keep: the column query sets it"):
        report(OWN, ["image", "query"], keep=["query"])


def test_meanings() -> None:
    assert meanings("Image-Path") == {"image"} and meanings("b_box") == {"boxes"}
    assert meanings("file_name") == {"image", "points"} and meanings("id") == set()


def test_which_graphs_are_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_shipped(GRAPH) and is_shipped(str(shipped_graphs() / f"{GRAPH}.json"))
    assert not is_shipped("nothing") and not is_shipped("graph")
    monkeypatch.chdir(tmp_path)
    (tmp_path / GRAPH).write_text("{}")
    assert not is_shipped(GRAPH)  # a file of that name goes before


def test_python_callers_read_it_before_the_first_row(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    rows = [{"image": "a.png", "question": "q"}]
    more: dict[str, Any] = {"output": tmp_path / "out", "input_folders": [tmp_path], "cache": False}
    with pytest.raises(BadInput, match="--column query=question"):
        map_graph(GRAPH, rows, **more)
    assert not (tmp_path / "out").exists()
    found = map_graph(GRAPH, rows, keep=["query"], **more)
    assert dict(found.columns.sets) == {"image": "image"} and found.columns.unused == ("question",)
    assert found.columns.kept["query"] == "the yellow ring"
    found.close()
    path = shipped_graphs() / f"{GRAPH}.json"
    with pytest.raises(BadInput, match="no column sets query"):
        map_graph(path, [{"image": "a.png"}], **more)
