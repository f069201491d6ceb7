"""Rows that a Python program has made: mappings from column to value, pictures and their bytes among the values."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, TypeGuard

from api_graph.table.embedded import PNG_MODES, embedded_name
from api_graph.table.rows import RowContent, content_digest, row_content, row_fault, survey

if TYPE_CHECKING:
    from PIL.Image import Image


class Mappings:
    """The rows of a sequence. What can be read only once, such as a generator, is copied into a list first.

    A value may be a PIL image, or the bytes of a picture's file: a row has their names (see `embedded`).
    `columns` are all that any row has; `partial` has by column how many rows leave it out.
    """

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        # Datasets are no sequences by name, and read their pictures each time that they are asked.
        lasting = isinstance(rows, Sequence) or (isinstance(rows, Sized) and hasattr(rows, "__getitem__"))
        self._rows: Iterable[object] = rows if lasting else list(rows)
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
    values: dict[str, object] = dict(row)
    pictures: dict[str, bytes | Image] = {}
    for name, value in row.items():
        if isinstance(value, os.PathLike):
            values[name] = os.fspath(value)
        elif isinstance(value, bytes):
            values[name] = called = embedded_name(value)
            pictures[called] = value
        elif _is_picture(value):
            values[name] = called = embedded_name(value, getattr(value, "filename", None))
            pictures[called] = value
            if value.mode not in PNG_MODES:
                fault = row_fault(
                    where, f"the picture {name} cannot be written as PNG: its mode is {value.mode}", value
                )
                return RowContent({}, content_digest(called.encode()), fault)
    return row_content(values, where, pictures)


def _is_picture(value: object) -> TypeGuard[Image]:
    pillow = sys.modules.get("PIL.Image")  # without it nobody has made one
    return pillow is not None and isinstance(value, pillow.Image)
