"""Rows that a Python program has made: mappings by column."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from api_graph.table.row import Found, raw_digest, row_fault, row_of

_LOOK_AT = 100  # rows, for the names of the columns


class Mappings:
    """The rows of a sequence; what can be read only once, such as a generator, is copied into a list first."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = rows if isinstance(rows, Sequence) else list(rows)

    def columns(self) -> tuple[str, ...]:
        """Names in the first rows, in order of appearance."""
        return tuple(dict.fromkeys(name for row in islice(self, _LOOK_AT) for name in row.values))

    def count(self) -> int:
        """How many there are."""
        return len(self._rows)

    def __iter__(self) -> Iterator[Found]:
        return (_row(row, f"row {number}") for number, row in enumerate(self._rows))


def _row(row: Any, where: str) -> Found:
    if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
        raw = repr(row).encode("utf-8", "backslashreplace")
        return Found({}, raw_digest(raw), row_fault(where, "a row is a mapping whose keys are texts", row))
    return row_of({name: os.fspath(v) if isinstance(v, os.PathLike) else v for name, v in row.items()}, where)
