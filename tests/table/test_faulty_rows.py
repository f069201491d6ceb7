"""A row that cannot be read is a fault of that row: those after it are still read, and it is counted."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from api_graph.errors import BadInput
from api_graph.table.formats import text
from api_graph.table.rows import Table, open_table


def table_of(tmp_path: Path, name: str, content: bytes) -> Table:
    (tmp_path / name).write_bytes(content)
    return open_table(tmp_path / name)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a": 1', "line 2, column 8: this is no JSON (Expecting ',' delimiter) (got '{\"a\": 1')"),
        (b'{"a": 1}}', "line 2, column 9: this is no JSON (Extra data)"),
        (b"[1]", "line 2, column 1: a row is an object, {\"column\": value, ...} (got '[1]')"),
        (b'{"a": 1, "b": 2, "a": 3}', 'line 2: "a" is written twice in one object'),
        (b'{"b": {"a": 1, "a": 3}}', 'line 2: "a" is written twice in one object'),
        (b'{"a": NaN}', "line 2: NaN is no JSON: write null, or leave it out"),
        (b'{"a": -Infinity}', "line 2: -Infinity is no JSON: write null, or leave it out"),
        (b'{"a": 1e999}', "line 2: a value cannot be written as JSON (Out of range float"),
        (b'{"a": "\xe9"}', "line 2, column 8: this is not UTF-8 text"),
        (b'{"a": ' + b"9" * 5000 + b"}", "line 2: a number has too many digits"),
        (b'{"a": ' + b"[" * 200_000, "line 2: this nests too deeply"),
        (b"\0", "line 2, column 1: this is no JSON (Expecting value)"),
    ],
)
def test_lines_that_are_no_rows(tmp_path: Path, line: bytes, said: str) -> None:
    table = table_of(tmp_path, "rows.jsonl", b'{"a": 0}\n' + line + b'\n{"a": 2}\n')
    first, faulty, last = table
    assert table.count() == 3
    assert (first.values, first.fault, last.values, last.fault) == ({"a": 0}, None, {"a": 2}, None)
    assert (faulty.number, faulty.values) == (1, {})
    assert str(faulty.fault).startswith(f"ROWS: {said}")
    assert str(faulty.fault).endswith("Correct that row, or take it out.")
    elsewhere = table_of(tmp_path, "rows.jsonl", b'{"a": 5}\n\n{"a": 6}\n' + line + b"\r\n")
    assert list(elsewhere)[2].key == faulty.key


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"1", "line 4: the header has 2 cells, this row 1 (got '1')"),
        (b"1,2,3", "line 4: the header has 2 cells, this row 3 (got '1,2,3')"),
        (b"1,\xe9", "line 4: this is not UTF-8 text (got '1,\ufffd')"),
        (b'1,"2"3', "line 4: this is no CSV (',' expected after '\"')"),
        (b"1\r2,3", "line 4: this is no CSV (new-line character seen in unquoted field"),
        (b'1,2,"3\n4"', "line 4: the header has 2 cells, this row 3 (got '1,2,\"3\\n4\"')"),
    ],
)
def test_csv_rows_that_are_none(tmp_path: Path, row: bytes, said: str) -> None:
    """The row before it takes two lines."""
    table = table_of(tmp_path, "rows.csv", b'a,b\n0,"x\ny"\n' + row + b"\n5,6\n")
    first, faulty, last = table
    assert table.count() == 3
    assert (first.values, last.values) == ({"a": "0", "b": "x\ny"}, {"a": "5", "b": "6"})
    assert (faulty.number, faulty.values) == (1, {})
    assert str(faulty.fault).startswith(f"ROWS: {said}")
    elsewhere = table_of(tmp_path, "rows.csv", b"a,b\r\n" + row + b"\r\n")
    assert [each.key for each in elsewhere] == [faulty.key]


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    first, faulty = table_of(tmp_path, "rows.csv", b'a,b\n1,2\n3,"4\n5,6\n')
    assert first.values == {"a": "1", "b": "2"}
    assert str(faulty.fault).startswith("ROWS: line 3: this is no CSV (unexpected end of data)")


def test_cells_longer_than_pythons_own_limit(tmp_path: Path) -> None:
    cell = "x" * 200_000
    (row,) = table_of(tmp_path, "rows.csv", f"a\n{cell}\n".encode())
    assert row.values == {"a": cell}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(text, "LONGEST_LINE", 20)
    head = b"" if name.endswith("jsonl") else b"a\n"
    good = b'{"a": 1}\n' if name.endswith("jsonl") else b"1\n"
    rows = list(table_of(tmp_path, name, head + good + b"y" * 30 + b"\n" + b"z" * 30 + b"\n" + good + b"y" * 30))
    assert [row.fault is None for row in rows] == [True, False, False, True, False]
    number = 2 if name.endswith("jsonl") else 3
    assert f"line {number}: " in str(rows[1].fault) and "is longer than 16 MB" in str(rows[1].fault)
    assert rows[4].key == f"{rows[1].key}-2"
    assert rows[2].key != rows[1].key


@pytest.mark.parametrize("reader", [text.JsonLines, lambda path: text.Delimited(path, ",")])
def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, reader: type[text.JsonLines]) -> None:
    """200 MB of zeros are 200 KB on disk."""
    path = tmp_path / "rows.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a\n1\n")
        for _ in range(200):
            file.write(bytes(2**20))
        file.write(b"\n2\n")
    tracemalloc.start()
    try:
        found = list(reader(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "is longer than 16 MB" in str(found[-2].fault)
    assert peak < 80 * 2**20


def test_a_broken_gz_is_no_short_table(tmp_path: Path) -> None:
    """Where it breaks off, rows are missing: that is said, not counted as the end."""
    whole = gzip.compress(b"".join(json.dumps({"n": n}).encode() + b"\n" for n in range(100_000)))
    with pytest.raises(BadInput, match=r"^ROWS: the table cannot be read"):
        table_of(tmp_path, "rows.jsonl.gz", whole[: len(whole) // 2])
    lines = gzip.compress(b"n\n" + b"".join(f"{n}\n".encode() for n in range(100_000)))
    table = table_of(tmp_path, "rows.csv.gz", lines[: len(lines) // 2])  # the header is there
    with pytest.raises(BadInput, match=r"^ROWS: the table cannot be read"):
        table.count()
    with pytest.raises(BadInput, match=r"^ROWS: the table cannot be read"):
        list(table)


def test_a_table_is_not_held_in_memory(tmp_path: Path) -> None:
    """30 MB of rows; what stays of each is its key's digest."""
    long = "x" * 1500
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"n": {n}, "text": "{long}"}}\n' for n in range(20_000)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in open_table(path)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 6 * 2**20
    finally:
        tracemalloc.stop()
