"""CSV and TSV with a header; quoted cells may hold separators and line ends. Every value is a text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.table.formats.lines import LONGEST_LINE, Lines, open_lines, refuse_utf16
from api_graph.table.row import Found, raw_digest, row_fault, row_of


class Delimited:
    """The rows of a file. One that does not fit the header is a faulty row; those after it are still read."""

    def __init__(self, path: Path, delimiter: str) -> None:
        # One limit for the whole process; Python's own, 128 KB, is less than some cells hold.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        refuse_utf16(path)
        self._path, self._delimiter = path, delimiter
        self._columns = self._header()

    def columns(self) -> tuple[str, ...]:
        """The cells of the header."""
        return self._columns

    def count(self) -> int:
        """How many rows there are below the header."""
        return sum(1 for _ in self._records()) - 1

    def __iter__(self) -> Iterator[Found]:
        records = self._records()
        next(records, None)
        return map(self._row, records)

    def _header(self) -> tuple[str, ...]:
        first = next(self._records(), None)
        if first is None:
            raise BadInput(
                "the table is empty", input="ROWS", value=str(self._path), hint="Its first line names columns."
            )
        twice = [name for name in first.cells if first.cells.count(name) > 1]
        if first.problem or twice:
            problem = first.problem or f"two columns have the name {twice[0]!r}"
            raise BadInput(
                f"the header: {problem}", input="ROWS", value=str(self._path), hint="Correct its first line."
            )
        return tuple(first.cells)

    def _records(self) -> Iterator[_Record]:
        with open_lines(self._path) as lines:
            yield from _records(lines, self._delimiter)

    def _row(self, record: _Record) -> Found:
        problem, wanted = record.problem, len(self._columns)
        if not problem and len(record.cells) != wanted:
            problem = f"the header has {wanted} {'cell' if wanted == 1 else 'cells'}, this row {len(record.cells)}"
        where = f"line {record.line}"
        if not problem:
            return row_of(dict(zip(self._columns, record.cells, strict=True)), where)
        text = record.raw.decode("utf-8", "replace").rstrip("\r\n")
        return Found({}, raw_digest(record.raw.rstrip(b"\r\n")), row_fault(where, problem, text or None))


@dataclass(frozen=True)
class _Record:
    """The cells that start at a line, or why there are none, and the bytes of them all."""

    line: int
    cells: list[str]
    raw: bytes
    problem: str


def _records(lines: Lines, delimiter: str) -> Iterator[_Record]:
    feed = _Feed(lines)
    # strict: a quote that is never closed, or closed within a cell, is a fault and not a guess.
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.taken.clear()
        feed.problem, cells = "", []
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            feed.problem = feed.problem or f"this is no CSV ({error})"
        if cells or feed.problem:
            yield _Record(first, cells, b"".join(feed.taken), feed.problem)


@dataclass
class _Feed(Iterator[str]):
    """Lines as texts for `csv`. It is no generator, as those end with the first exception."""

    lines: Lines
    taken: list[bytes] = field(default_factory=list)
    problem: str = ""

    def __next__(self) -> str:
        line = next(self.lines)
        self.taken.append(line.data if line.digest is None else line.digest)
        if line.digest is not None:
            self.problem = f"a line is longer than {LONGEST_LINE // 2**20} MB"
            raise csv.Error(self.problem)
        try:
            return line.data.decode("utf-8")
        except UnicodeDecodeError:
            self.problem = self.problem or "this is not UTF-8 text"
            return line.data.decode("utf-8", "replace")
