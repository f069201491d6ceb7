"""The same rows in every format are the same: in what is said of the columns, in what they set, in their faults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.graph import GraphError
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.table.binding import Binding
from api_graph.table.rows import open_table
from tests.table.tables import KINDS, table_of

pytestmark = pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")  # of names that nearly fit

TITLES = ("query", "labels", "boxes", "points", "remark")
OWN: dict[str, Any] = {
    str(number): {"class_type": "APText", "inputs": {"text": f"own {title}"}, "_meta": {"title": title}}
    for number, title in enumerate(TITLES)
}
NAMES = [*TITLES, "question", "Caption", "bbox", "file_name", "qery", "1.text", "Text", "note", "a, \"b\"\n'c'"]

ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(str.strip)
NO_BRACKETS = ANY_TEXT.filter(lambda text: not text.startswith("["))
"""Of JSON in a text, other tests tell."""


@dataclass
class Found:
    """What a table gives: the report of its columns or the refusal, and by row what it sets or why it cannot."""

    report: object
    rows: list[object]


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of texts; any may be null, empty, or not there, but for an id, as rows without a text are blank lines."""
    names = draw(st.lists(st.sampled_from(NAMES) | ANY_TEXT.filter(bool), max_size=5, unique_by=str.casefold))
    names = [name for name in names if name not in ("id", "\ufeff")]
    rows = [
        {"id": f"{number}"}
        | {
            name: value
            for name in names
            if (value := draw(st.none() | st.just("") | st.just("absent") | NO_BRACKETS)) != "absent"
        }
        for number in range(draw(st.integers(1, 6)))
    ]
    return rows


def found_in(folder: Any, kind: str, rows: list[dict[str, Any]], columns: Mapping[str, str]) -> Found:
    table = open_table(table_of(folder, kind, rows))
    binding = Binding(open_graph(OWN), all_nodes(), columns, texts=table.kind in ("csv", "tsv"))
    try:
        report = binding.check(table.columns)
    except (BadInput, GraphError) as refusal:
        return Found(str(refusal), [])
    given: list[object] = []
    for row in replace(table, sets=report.sets):
        try:
            graph = binding.graph_of(row)
            given.append([graph.nodes[id].inputs["text"] for id in OWN])
        except (BadInput, GraphError) as fault:
            given.append(str(fault))
    return Found((dict(report.sets), report.unused, dict(report.kept)), given)


def expected_partial(rows: list[dict[str, Any]]) -> dict[str, int]:
    names = dict.fromkeys(name for row in rows for name in row)
    left = {name: sum(name not in row for row in rows) for name in names}
    return {name: number for name, number in left.items() if number}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(tables(), st.sampled_from([{}, {"query": "question"}, {"query": "id"}]))
def test_every_format_tells_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], columns: Mapping[str, str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "formats"
    found = {kind: found_in(folder, kind, rows, columns) for kind in KINDS}
    assert all(each == found["python"] for each in found.values()), found
    for kind in ("jsonl", "python"):
        assert dict(open_table(table_of(folder, kind, rows)).partial) == expected_partial(rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(st.tuples(NO_BRACKETS.filter(bool), NO_BRACKETS.filter(bool)), min_size=2, max_size=6),
    st.sampled_from([None, "", " \t", "absent"]),
    st.data(),
)
def test_a_value_taken_out_is_a_fault_of_its_row_alone(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]], nothing: Any, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "taken"
    rows: list[dict[str, Any]] = [{"query": query, "remark": remark} for query, remark in texts]
    number = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(["query", "remark"]))
    if nothing == "absent":
        del rows[number][name]
    else:
        rows[number][name] = nothing
    for kind in KINDS:
        found = found_in(folder, kind, rows, {}).rows
        assert [isinstance(row, str) for row in found] == [each == number for each in range(len(rows))], kind
        assert f"the column {name}, which sets {name}, has no value" in str(found[number])
        others = [row for each, row in enumerate(found) if each != number]
        assert [row[0] for row in others if isinstance(row, list)] == [
            query for each, (query, _) in enumerate(texts) if each != number
        ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(st.lists(st.floats(0, 999), min_size=4, max_size=4), min_size=1, max_size=4),
    st.lists(st.sampled_from(["a ring", "a star, red", "é", "[x]"]), min_size=1, max_size=3),
)
def test_lists_set_the_same_in_every_format(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[list[float]], labels: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "lists"
    rows = [{"boxes": boxes, "labels": labels}]
    text = "\n".join(" ".join(map(repr, box)) for box in boxes)
    for kind in KINDS:
        assert found_in(folder, kind, rows, {}).rows == [["own query", "\n".join(labels), text, *LAST_OWN]], kind
    assert json.loads(json.dumps(boxes)) == [[float(word) for word in line.split()] for line in text.splitlines()]


LAST_OWN = ["own points", "own remark"]
