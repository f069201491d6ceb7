"""Rows that a Python program has made: mappings from column to value."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeGuard

from api_graph.table.rows import RowContent, content_digest, row_content, row_fault, survey


class Mappings:
    """The rows of a sequence. What can be read only once, such as a generator, is copied into a list first.

    `columns` are all that any row has; `partial` has by column how many rows leave it out.
    """

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._rows: Sequence[object] = rows if isinstance(rows, Sequence) else list(rows)
        named = ((row, row if _is_row(row) else None) for row in self._rows)
        self._count, self.columns, self.partial = survey(named, lambda row: _row(row, "row"))

    def count(self) -> int:
        """Number of rows."""
        return self._count

    def __iter__(self) -> Iterator[RowContent]:
        return (_row(row, f"row {number}") for number, row in enumerate(self._rows))


def _is_row(row: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(row, Mapping) and all(isinstance(name, str) for name in row)


def _row(row: object, where: str) -> RowContent:
    if not _is_row(row):
        raw = repr(row).encode("utf-8", "backslashreplace")
        return RowContent({}, content_digest(raw), row_fault(where, "a row is a mapping whose keys are texts", row))
    return row_content({name: os.fspath(v) if isinstance(v, os.PathLike) else v for name, v in row.items()}, where)
