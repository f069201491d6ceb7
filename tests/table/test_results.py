"""Results read back, and as one flat table: whatever the titles and the columns are called."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import api_graph
from api_graph import BadInput, RowResult, map_graph, read_results
from api_graph.table.export import csv_cell, flat_columns, flat_rows, write_results
from api_graph.table.journal import line_of
from api_graph.table.manifest import result_names
from api_graph.table.merge import merge_shards
from api_graph.table.records import results_of

from .conftest import key_of, manifest, record, write_journal

SAY = {
    "1": {"class_type": "APText", "inputs": {"text": "what?"}, "_meta": {"title": "query"}},
    "2": {"class_type": "APShowText", "inputs": {"value": ["1", 0]}, "_meta": {"title": "Say"}},
}


def test_rows_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    write_journal(tmp_path, [record(n, ok=n != 1) for n in (2, 0, 1)])
    manifest(results={"9": "Filter"}).write(tmp_path)
    rows = read_results(tmp_path)
    assert len(rows) == 3
    assert [row.number for row in rows] == [row.number for row in rows] == [0, 1, 2]
    first, second, _ = rows
    assert isinstance(first, RowResult)
    assert (first.key, first.ok, first.error, dict(first.values)) == (key_of(0), True, None, record(0)["values"])
    assert (second.ok, second.error) == (False, "it failed")
    assert first.results == {"Filter": {"kernel": 15, "text": "red"}, "10": {"files": [tmp_path / "files" / "0.png"]}}
    assert first.files == {"10": [tmp_path / "files" / "0.png"]}


def test_a_line_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    write_journal(tmp_path, [record(n, values={"long": "x" * 100_000}) for n in range(3)])
    rows = iter(read_results(tmp_path))
    assert next(rows).number == 0
    data = (tmp_path / "results.jsonl").read_bytes()
    (tmp_path / "results.jsonl").write_bytes(data.replace(b'"seconds":', b'"zeconds":'))
    with pytest.raises(BadInput, match="line 2 of the results cannot be used: it is damaged"):
        next(rows)


def test_shards_are_read_before_and_after_they_are_merged(tmp_path: Path) -> None:
    rows = [{"query": f"question {n}"} for n in range(7)]
    for shard in ("2/3", "1/3", "3/3"):
        list(map_graph(SAY, rows, output=tmp_path, cache=False, shard=shard))
    before = [(row.number, row.results) for row in read_results(tmp_path)]
    assert before == [(n, {"Say": {"text": f"question {n}"}}) for n in range(7)]
    (second,) = {row.folder for row in read_results(tmp_path / "shards" / "2-of-3")}
    assert second == tmp_path.resolve()  # files are relative to the folder of all
    merge_shards(tmp_path)
    assert [(row.number, row.results) for row in read_results(tmp_path)] == before


@pytest.mark.parametrize("bad", [b"{\n", b"[]\n", b'{"row": 1}\n', b"\xff\n"])
def test_a_damaged_line_is_named(tmp_path: Path, bad: bytes) -> None:
    good = [line_of(record(n)) for n in range(3)]
    (tmp_path / "results.jsonl").write_bytes(good[0] + bad + good[1])
    with pytest.raises(BadInput, match="line 2 of the results cannot be used: it is damaged"):
        read_results(tmp_path)
    (tmp_path / "results.jsonl").write_bytes(good[0] + good[1] + good[0])
    with pytest.raises(BadInput, match=r"line 3 of the results .* its row stands in an earlier line"):
        read_results(tmp_path)
    (tmp_path / "results.jsonl").write_bytes(good[0] + good[1][:-1])  # it is being written
    assert len(read_results(tmp_path)) == 1


def test_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there are no results in it"):
        read_results(tmp_path)
    with pytest.raises(BadInput, match="there is no such folder"):
        read_results(tmp_path / "nowhere")
    write_journal(tmp_path, [])
    assert list(read_results(tmp_path)) == []


def test_it_is_public() -> None:
    assert {"read_results", "RowResult"} <= set(api_graph.__all__)
    assert api_graph.read_results is read_results


# ------------------------------------------------------------------------------------------ as a flat table


def flat(folder: Path, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    write_journal(folder, lines)
    rows = read_results(folder)
    return [dict(row) for row in flat_rows(flat_columns(rows), rows)]


def test_a_column_has_one_type(tmp_path: Path) -> None:
    given = [
        {"a": 1, "b": 1, "c": "x", "d": [1], "e": None, "f": 2**70, "g": True},
        {"a": 2.5, "b": 2, "c": 3, "d": [1, 2], "e": None, "f": 1, "g": None},
        {"b": None, "d": 4, "f": "n"},
    ]
    outputs = [{"9": {"one": [0.5], "some": [1, 2], "none": []}}, {"9": {"one": [1], "some": [3], "none": []}}, {}]
    lines = [
        record(n, values=values, outputs=outs, texts={}, files={})
        for n, (values, outs) in enumerate(zip(given, outputs, strict=True))
    ]
    rows = flat(tmp_path, lines)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert columns["a"] == [1.0, 2.5, None] and all(isinstance(cell, float) for cell in columns["a"][:2])
    assert columns["b"] == [1, 2, None]
    assert columns["c"] == ["x", "3", None]
    assert columns["d"] == [[1], [1, 2], [4]]  # the table's own lists stay lists
    assert columns["e"] == [None, None, None]
    assert columns["f"] == [str(2**70), "1", "n"]
    assert columns["g"] == [True, None, None]
    assert columns["9.one"] == [0.5, 1.0, None]
    assert columns["9.some"] == [[1, 2], [3], None]
    assert columns["9.none"] == [[], [], None]


def test_own_columns_keep_their_names(tmp_path: Path) -> None:
    values = {"row": "mine", "9.text": "mine, too", "9.text (result)": "and this", "seconds": 1}
    (row,) = flat(tmp_path, [record(5, values=values, files={})])
    assert row == {
        "row (result)": 5,
        "key": key_of(5),
        "ok": True,
        "error": None,
        **values,
        "9.kernel": 15,
        "9.text (result) (result)": "red",
        "seconds (result)": 0.5,
    }


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        (" \t=1", "' \t=1"),
        ("＝1", "'＝1"),
        ("-0.5", "-0.5"),
        ("+1e3", "+1e3"),
        ("-", "'-"),
        ("a=b", "a=b"),
        ("", ""),
        (-3, -3),
        (True, "true"),
        (None, None),
        (["=1", 2], '["=1", 2]'),
        ("\ud83d", "\ufffd"),
    ],
)
def test_no_cell_is_a_formula(value: Any, cell: Any) -> None:
    assert csv_cell(value) == cell


def test_a_run_s_own_file_is_not_written_over(tmp_path: Path) -> None:
    write_journal(tmp_path, [record(0)])
    before = (tmp_path / "results.jsonl").read_bytes()
    with pytest.raises(BadInput, match="this is a file of a run"):
        write_results(tmp_path, tmp_path / "results.jsonl", "jsonl")
    assert (tmp_path / "results.jsonl").read_bytes() == before


JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=2)), max_size=3),
)
NAMES = st.one_of(
    st.sampled_from(["A", "A (1)", "1", "row", "A.text", "A.n", "seconds", "ok", "A (result)", "A.text (result)"]),
    st.text(min_size=1, max_size=4),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    titles=st.lists(NAMES, min_size=1, max_size=5),
    rows=st.lists(st.dictionaries(NAMES, JSON_VALUES, max_size=4), min_size=1, max_size=4),
    data=st.data(),
)
def test_nothing_is_lost_whatever_it_is_called(
    tmp_path: Path, titles: list[str], rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Titles stand twice, look like ids or like columns: each value is in a column of its own."""
    parquet = pytest.importorskip("pyarrow.parquet")
    ids = data.draw(st.lists(NAMES, min_size=len(titles), max_size=len(titles), unique=True))
    graph = {
        id: {"class_type": "APShowText", "inputs": {"value": "x"}, "_meta": {"title": title}}
        for id, title in zip(ids, titles, strict=True)
    }
    names = result_names(graph)
    assert len(set(names.values())) == len(names) == len(ids)
    for id, title in zip(ids, titles, strict=True):
        if title.strip() and [other.strip() for other in titles].count(title.strip()) == 1:
            assert names[id] == title.strip()
    lines = []
    for number, values in enumerate(rows):
        marks = {id: [f"{number} {place}"] for place, id in enumerate(ids)}
        line = record(number, values=values, outputs={}, texts=marks, files={})
        lines.append({**line, "results": results_of(line, names)})
    (tmp_path / "results.jsonl").write_bytes(b"".join(map(line_of, lines)))
    read = list(read_results(tmp_path))
    for row, values in zip(read, rows, strict=True):
        assert row.values == values
        assert {row.results[names[id]]["text"] for id in ids} == {f"{row.number} {place}" for place in range(len(ids))}
    columns = flat_columns(read)
    assert len({column.name for column in columns}) == len(columns)
    own = {column.place[1]: column for column in columns if column.place[0] == "values"}
    assert set(own) == {name for values in rows for name in values}
    for place, id in enumerate(ids):
        (column,) = [each for each in columns if each.place == ("results", names[id], "text")]
        assert [column.cell(row) for row in read] == [f"{row.number} {place}" for row in read]
    write_results(tmp_path, tmp_path / "flat.parquet", "parquet")
    table = parquet.read_table(tmp_path / "flat.parquet")
    assert table.column_names == [column.name for column in columns] and table.num_rows == len(rows)
    write_results(tmp_path, tmp_path / "flat.csv", "csv")
    with (tmp_path / "flat.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == len(rows) + 1
    write_results(tmp_path, tmp_path / "flat.jsonl", "jsonl")
    first, *_ = (tmp_path / "flat.jsonl").read_bytes().split(b"\n")
    assert list(json.loads(first)) == [column.name for column in columns]
