"""Parquet in and out."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import BadInput
from api_graph.table.formats.parquet import write_parquet
from api_graph.table.output import WriteFailed
from api_graph.table.rows import Table, open_table

from .conftest import key_of, record, write_journal

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def table_of(tmp_path: Path, columns: dict[str, Any]) -> Table:
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    return open_table(tmp_path / "rows.parquet")


def test_values_are_pythons(tmp_path: Path) -> None:
    columns = {
        "text": ["a", None],
        "number": [1, 2],
        "weight": [0.5, -1.0],
        "right": [True, False],
        "boxes": [[[1, 2], []], None],
        "nothing": [None, None],
        "label": pyarrow.array(["cat", "dog"]).dictionary_encode(),
    }
    first, second = table_of(tmp_path, columns)
    assert first.values == {
        "text": "a",
        "number": 1,
        "weight": 0.5,
        "right": True,
        "boxes": [[1, 2], []],
        "nothing": None,
        "label": "cat",
    }
    assert list(second.values.values()) == [None, 2, -1.0, False, None, None, "dog"]


def test_dates_and_decimals_are_texts(tmp_path: Path) -> None:
    columns = {
        "day": [datetime.date(2025, 1, 2)],
        "moment": pyarrow.array([1], pyarrow.timestamp("ns")),
        "price": [Decimal("1.50")],
    }
    (row,) = table_of(tmp_path, columns)
    assert row.values == {"day": "2025-01-02", "moment": "1970-01-01 00:00:00.000000001", "price": "1.50"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[b"png"]], "list<"),
        ([{"bytes": b"png", "path": "a.png", "mask": b"png"}], "struct<"),
        ([[{"bytes": b"png", "path": "a.png"}]], "list<"),
        (pyarrow.array([5], pyarrow.duration("s")), "duration"),
    ],
)
def test_columns_that_no_row_can_have(tmp_path: Path, values: Any, kind: str) -> None:
    with pytest.raises(BadInput) as caught:
        table_of(tmp_path, {"image": values})
    assert str(caught.value).startswith(f"ROWS: column 'image' holds {kind}")
    assert "Give each picture a column of its own" in caught.value.hint


def test_a_number_that_json_does_not_have_is_a_fault_of_its_row(tmp_path: Path) -> None:
    rows = list(table_of(tmp_path, {"weight": [1.0, float("nan"), 2.0]}))
    assert [row.fault is None for row in rows] == [True, False, True]
    assert str(rows[1].fault).startswith("ROWS: row 1: a value cannot be written as JSON")


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    arrays = [pyarrow.array([1]), pyarrow.array([2])]
    parquet.write_table(pyarrow.Table.from_arrays(arrays, ["a", "a"]), tmp_path / "rows.parquet")
    with pytest.raises(BadInput, match="two columns have the name 'a'"):
        open_table(tmp_path / "rows.parquet")


def test_many_batches(tmp_path: Path) -> None:
    table = table_of(tmp_path, {"n": list(range(2500))})
    assert table.count() == 2500
    assert [row.values["n"] for row in table] == list(range(2500))


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the table has no rows"):
        table_of(tmp_path, {"n": pyarrow.array([], pyarrow.int64())})


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "rows.parquet").touch()
    write_journal(tmp_path, [record(0)])
    for attempt in (lambda: open_table(tmp_path / "rows.parquet"), lambda: write_parquet(tmp_path)):
        with pytest.raises(BadInput, match=r"pyarrow.*pip install pyarrow"):
            attempt()


def test_results_as_parquet(tmp_path: Path) -> None:
    write_journal(tmp_path, [record(number, ok=number != 1) for number in range(1500)])
    assert write_parquet(tmp_path) == tmp_path / "results.parquet"
    rows = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert [row["row"] for row in rows] == list(range(1500))
    assert rows[0]["error"] is None
    assert rows[1] == {
        "row": 1,
        "key": key_of(1),
        "ok": False,
        "error": "it failed",
        "image": "1.png",
        "query": "what is rot und grün?",
        "9.kernel": 15,
        "9.text": "red",
        "10.files": "files/1.png",
        "seconds": 0.5,
    }


def test_results_of_no_rows_and_again(tmp_path: Path) -> None:
    write_journal(tmp_path, [])
    write_parquet(tmp_path)
    assert parquet.read_metadata(tmp_path / "results.parquet").num_rows == 0
    write_journal(tmp_path, [record(0)])
    write_parquet(tmp_path)
    assert parquet.read_metadata(tmp_path / "results.parquet").num_rows == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.jsonl", "results.parquet"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    import resource

    write_journal(tmp_path, [record(number) for number in range(200)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WriteFailed, match=r"results\.parquet cannot be written"):
            write_parquet(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
