"""A row without a value in a column that sets an input: null, empty and no such key are one thing, in every table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import BadInput
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.table.binding import Binding
from api_graph.table.map import map_graph
from api_graph.table.records import RowResult
from api_graph.table.rows import Row, Rows, has_value, open_table
from tests.table.tables import KINDS, table_of

OWN: dict[str, Any] = {
    "1": {"class_type": "APText", "inputs": {"text": "the graph's own"}, "_meta": {"title": "query"}},
    "2": {"class_type": "APFormatQuestion", "inputs": {"question": ["1", 0], "suffix": "none"}},
    "3": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}},
}

NOTHING: list[dict[str, Any]] = [
    {"query": "a ring", "id": 1},
    {"query": None, "id": 2},
    {"query": "", "id": 3},
    {"id": 4},
    {"query": " ", "id": 5},
]


def ran(tmp_path: Path, rows: Rows, **more: Any) -> list[RowResult]:
    found = list(map_graph(OWN, rows, output=tmp_path / "out", cache=False, **more))
    return sorted(found, key=lambda each: each.number)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_value_is_faulty(tmp_path: Path, kind: str) -> None:
    good, *faulty = ran(tmp_path, table_of(tmp_path, kind, NOTHING))
    assert good.ok and good.texts["3"] == ["a ring"]
    assert [each.error for each in faulty] == [
        "ROWS: the column query, which sets query, has no value. Fill it in, take the row out, or say --keep-null "
        "(keep_null=True) for the graph's own value."
    ] * 4
    assert [int(each.values["id"]) for each in faulty] == [2, 3, 4, 5]  # the row's own columns are kept


@pytest.mark.parametrize("kind", KINDS)
def test_the_graphs_own_value_is_kept_on_purpose(tmp_path: Path, kind: str) -> None:
    good, *others = ran(tmp_path, table_of(tmp_path, kind, NOTHING), keep_null=True)
    assert good.texts["3"] == ["a ring"]
    assert [(each.ok, each.texts["3"]) for each in others] == [(True, ["the graph's own"])] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_that_a_row_leaves_is_named(tmp_path: Path, kind: str) -> None:
    rows = [{"ask": "a", "more": "b", "note": None, "id": 1}, {"ask": None, "more": None, "id": 2}]
    table = replace(open_table(table_of(tmp_path, kind, rows)), sets={"ask": "query", "more": "suffix"})
    first, second = table
    assert first.fault is None  # `note` sets nothing
    said = "^ROWS: the column ask, which sets query, has no value; the column more, which sets suffix, has no value"
    with pytest.raises(BadInput, match=said):
        Binding(open_graph(OWN), all_nodes(), {"query": "ask"}).graph_of(second)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(None, False), ("", False), (" \t\n", False), ([], False), (0, True), (False, True), ("0", True), ([None], True)],
)
def test_what_is_a_value(value: Any, is_one: bool) -> None:
    assert has_value(value) is is_one


def test_keys_stay_whatever_a_row_lacks() -> None:
    """Results of version 0.1 are still found."""
    table = open_table([{"query": None}, {"query": "", "id": 1}])
    assert [row.key for row in table] == [row.key for row in replace(table, sets={"query": "query"})]


def test_failed_rows_are_done_again_with_the_graphs_value(tmp_path: Path) -> None:
    rows = [dict(row) for row in NOTHING]
    assert sum(not each.ok for each in ran(tmp_path, rows)) == 4
    again = ran(tmp_path, rows, keep_null=True, retry_failed=True)
    assert [each.number for each in again] == [1, 2, 3, 4] and all(each.ok for each in again)


def test_a_graph_with_an_empty_row_is_the_graph() -> None:
    graph = open_graph(OWN)
    binding = Binding(graph, all_nodes())
    for values in ({"query": None}, {"query": ""}, {}):
        assert binding.graph_of(Row(0, "00", values)).nodes["1"].inputs == {"text": "the graph's own"}
