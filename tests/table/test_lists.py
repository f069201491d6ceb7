"""Lists in rows set what texts set: boxes, points and labels, one item on each line of the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import ApiGraphError, BadInput, each_kind_once, warn_of_kind
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.table.binding import Binding
from api_graph.table.map import map_graph
from api_graph.table.rows import open_table
from tests.table.runs import picture
from tests.table.tables import KINDS, table_of

OWN: dict[str, Any] = {
    "1": {"class_type": "APText", "inputs": {"text": "a"}, "_meta": {"title": "labels"}},
    "2": {"class_type": "APText", "inputs": {"text": "b"}, "_meta": {"title": "boxes"}},
    "3": {"class_type": "APText", "inputs": {"text": "c"}, "_meta": {"title": "points"}},
    "4": {"class_type": "APText", "inputs": {"text": "d"}, "_meta": {"title": "query"}},
    "5": {"class_type": "APTextLines", "inputs": {"text": "e"}, "_meta": {"title": "questions"}},
}
NODES = {"labels": "1", "boxes": "2", "points": "3", "query": "4", "questions": "5"}

GOOD: list[tuple[str, Any, str]] = [
    ("boxes", [[10, 20, 100, 200], [30, 40, 50, 60]], "10 20 100 200\n30 40 50 60"),
    ("boxes", [10, 20, 30, 40], "10 20 30 40"),
    ("boxes", [[0.5, 1e-7, 3.0, 4.25]], "0.5 1e-07 3.0 4.25"),
    ("boxes", ["1, 2, 3, 4", "5 6 7 8"], "1.0 2.0 3.0 4.0\n5.0 6.0 7.0 8.0"),
    ("points", [[1, 2], [3, 4]], "1 2\n3 4"),
    ("points", [1, 2, 3], "1 2 3"),
    ("labels", ["a ring", "a star, red"], "a ring\na star, red"),
    ("questions", ["Is it red?", "Is it a ring?"], "Is it red?\nIs it a ring?"),
]

BAD: list[tuple[str, Any, str]] = [
    ("boxes", [[10, 20, 100, 200], [30, 40, 50]], r"^boxes: item 2 has 3 numbers, not 4 \(got \[30, 40, 50\]\)"),
    ("boxes", [10, 20, 30], "^boxes: item 1 has 3 numbers, not 4"),
    ("boxes", [[1, 2, 3, 4], 5], "^boxes: item 2 is not 4 numbers"),
    ("boxes", [[1, 2, 3, None]], "^boxes: item 1 has a value that is no number"),
    ("boxes", [[1, 2, 3, True]], "^boxes: item 1 has a value that is no number"),
    ("boxes", [[[1, 2, 3, 4]]], "^boxes: item 1 has 1 number"),
    ("boxes", [[1, 2, 3, 4], []], "^boxes: item 2 has 0 numbers"),
    ("boxes", ["1 2 3 dog"], "^boxes: item 1 has a value that is no number"),
    ("points", [[1, 2], [3]], "^points: item 2 has 1 number, not 2 or 3"),
    ("labels", ["a ring", 3], r"^labels: item 2 is no text \(got 3\)"),
    ("labels", ["a ring", " "], "^labels: item 2 is empty"),
    ("labels", ["a ring", "a\nstar"], "^labels: item 2 has several lines"),
    ("labels", [["a ring"]], "^labels: item 1 is no text"),
]


def text_set(name: str, value: Any, tmp_path: Path, kind: str) -> Any:
    table = open_table(table_of(tmp_path, kind, [{name: value, "id": "x"}]))
    (row,) = table
    texts = kind.partition(".")[0] in ("csv", "tsv")
    return Binding(open_graph(OWN), all_nodes(), texts=texts).graph_of(row).nodes[NODES[name]].inputs["text"]


def kinds_of(value: Any) -> list[str]:
    """Parquet has one type in a column."""
    types = {type(part) for item in value for part in (item if isinstance(item, list) else [item])}
    return [kind for kind in KINDS if kind != "parquet" or (len(types) == 1 and len({type(i) for i in value}) == 1)]


@pytest.mark.parametrize(("name", "value", "text"), GOOD)
def test_a_list_sets_what_its_text_sets(tmp_path: Path, name: str, value: Any, text: str) -> None:
    for kind in kinds_of(value):
        assert text_set(name, value, tmp_path, kind) == text, kind
    assert text_set(name, json.dumps(value), tmp_path, "jsonl") == text
    assert text_set(name, tuple(value), tmp_path, "python") == text


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_the_item_of_another_shape_is_named(tmp_path: Path, name: str, value: Any, said: str) -> None:
    for kind in kinds_of(value):
        with pytest.raises(BadInput, match=said) as caught:
            text_set(name, value, tmp_path, kind)
        assert caught.value.hint.startswith("Write [")


def test_other_values_stay(tmp_path: Path) -> None:
    for text in ("[a ring", '["a ring"', "[0.1] is the score", '{"a": 1}', "[1 2 3 4]"):
        assert text_set("labels", text, tmp_path, "csv") == text
        assert text_set("boxes", text, tmp_path, "jsonl") == text
    assert text_set("query", '["a", "b"]', tmp_path, "csv") == '["a", "b"]'  # one text, whatever is in it
    with pytest.raises(ApiGraphError, match="query"):
        text_set("query", ["a", "b"], tmp_path, "jsonl")


def test_what_looks_odd_in_every_row_is_said_once(tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
        "2": {"class_type": "APBoxes", "inputs": {"image": ["1", 0], "boxes": "1 2 3 4"}, "_meta": {"title": "boxes"}},
        "3": {"class_type": "APDrawBox", "inputs": {"image": ["1", 0], "boxes": ["2", 0]}},
        "4": {"class_type": "APSaveImage", "inputs": {"images": ["3", 0]}},
    }
    picture(tmp_path / "0.png", 0)
    rows = [{"image": "0.png", "boxes": [[0.1, 0.2, 0.5, number / 10]]} for number in range(5, 9)]
    with pytest.warns() as warned:
        found = list(map_graph(graph, rows, output=tmp_path / "out", input_folders=[tmp_path], cache=False))
    assert all(each.ok for each in found), found[0].error
    assert len([each for each in warned if "look like fractions" in str(each.message)]) == 1


def test_each_kind_once() -> None:
    with pytest.warns() as warned, each_kind_once():
        for text in "ab":
            warn_of_kind("one", text)
            warn_of_kind("two", f"{text}2")
    assert [str(each.message) for each in warned] == ["a", "a2"]
    with pytest.warns() as warned:  # a single run says what it has to say
        for text in "ab":
            warn_of_kind("one", text)
    assert [str(each.message) for each in warned] == ["a", "b"]
