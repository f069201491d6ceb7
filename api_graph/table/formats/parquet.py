"""Parquet, by record batches. Dates, times and decimals come as texts; bytes and structs are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.table.row import Found, row_of

BATCH = 1000


def import_pyarrow() -> Any:
    """pyarrow with `pyarrow.parquet` and `pyarrow.types`. Raises BadInput where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
        import pyarrow.types
    except ImportError as error:
        raise BadInput(
            f"Parquet needs pyarrow, which cannot be imported ({error})", hint="pip install pyarrow"
        ) from error
    return pyarrow


class Parquet:
    """The rows of a file."""

    def __init__(self, path: Path) -> None:
        self._arrow, self._path = import_pyarrow(), path
        with self._opened() as file:
            schema = file.schema_arrow
            self._count: int = file.metadata.num_rows
        self._columns: tuple[str, ...] = tuple(schema.names)
        self._refuse_twice()
        self._types = {item.name: self._readable(item) for item in schema}

    def columns(self) -> tuple[str, ...]:
        """Names in the schema."""
        return self._columns

    def count(self) -> int:
        """What the file's own metadata says."""
        return self._count

    def __iter__(self) -> Iterator[Found]:
        number = 0
        with self._opened() as file:
            for batch in file.iter_batches(BATCH):
                columns = [
                    column.cast(self._types[name]).to_pylist()
                    for name, column in zip(self._columns, batch.columns, strict=True)
                ]
                for cells in zip(*columns, strict=True):
                    yield row_of(dict(zip(self._columns, cells, strict=True)), f"row {number}")
                    number += 1

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with self._arrow.parquet.ParquetFile(self._path) as file:
                yield file
        except (OSError, self._arrow.ArrowException) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadInput(
                f"the table cannot be read ({reason})", input="ROWS", value=str(self._path), hint="Is it Parquet?"
            ) from error

    def _refuse_twice(self) -> None:
        twice = [name for name in self._columns if self._columns.count(name) > 1]
        if twice:
            hint = "Rename one of them."
            raise BadInput(f"two columns have the name {twice[0]!r}", input="ROWS", value=str(self._path), hint=hint)

    def _readable(self, column: Any) -> Any:
        """The Arrow type in which the column's values are read."""
        types, kind = self._arrow.types, column.type
        if _is_plain(types, kind):
            return kind
        if types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind) or types.is_decimal(kind):
            return self._arrow.string()
        raise BadInput(
            f"column {column.name!r} holds {kind}: a row's values are texts, numbers, booleans and lists of those",
            input="ROWS",
            value=str(self._path),
            hint="Write pictures as files and their names into the table, or write it without that column.",
        )


def _is_plain(types: Any, kind: Any) -> bool:
    """Whether JSON can say what Arrow's `to_pylist` makes of the type."""
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_dictionary(kind):
        return _is_plain(types, kind.value_type)
    texts = types.is_string(kind) or types.is_large_string(kind)
    return texts or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind)
