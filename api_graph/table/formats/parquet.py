"""Parquet, in and out: tables are read by record batches, and results are written beside the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.table.output import whole_file
from api_graph.table.rows import RowContent, row_content

if TYPE_CHECKING:
    from api_graph.table.export import Column
    from api_graph.table.records import RowResult

NAME = "results.parquet"

_BATCH = 1000
_ARROW = {"bool": "bool_", "int": "int64", "float": "float64", "text": "string", "json": "string", "none": "string"}


def import_pyarrow() -> ModuleType:
    """pyarrow with `pyarrow.parquet` and `pyarrow.types`. Raises BadInput if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
        import pyarrow.types
    except ImportError as error:
        raise BadInput(
            f"Parquet needs pyarrow, which cannot be imported ({error})", hint="Install it: pip install pyarrow"
        ) from error
    return pyarrow


class Parquet:
    """The rows of a file. Dates, times and decimals become texts; bytes and structs are refused."""

    def __init__(self, path: Path) -> None:
        self._arrow, self._path = import_pyarrow(), path
        with self._opened() as file:
            schema = file.schema_arrow
            self._count: int = file.metadata.num_rows
        self._names: list[str] = schema.names
        twice = [name for name in self._names if self._names.count(name) > 1]
        if twice:
            problem = f"two columns have the name {twice[0]!r}"
            raise BadInput(problem, input="ROWS", value=str(path), hint="Rename one of them.")
        stripped = tuple(dict.fromkeys(name.strip() for name in self._names))
        self.columns = stripped if len(stripped) == len(self._names) else tuple(self._names)
        self._types = {column.name: self._type_to_read(column.name, column.type) for column in schema}

    def count(self) -> int:
        """Number of rows, from the file's metadata."""
        return self._count

    def __iter__(self) -> Iterator[RowContent]:
        number = 0
        with self._opened() as file:
            for batch in file.iter_batches(_BATCH):
                columns = [
                    column.cast(self._types[name]).to_pylist()
                    for name, column in zip(self._names, batch.columns, strict=True)
                ]
                for cells in zip(*columns, strict=True):
                    yield row_content(dict(zip(self._names, cells, strict=True)), f"row {number}")
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

    def _type_to_read(self, name: str, kind: Any) -> Any:
        """The Arrow type to which a column of Arrow type `kind` is cast."""
        types = self._arrow.types
        if _is_json_type(types, kind):
            return kind
        if types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind) or types.is_decimal(kind):
            return self._arrow.string()
        raise BadInput(
            f"column {name!r} holds {kind}: a row's values are texts, numbers, booleans and lists of those",
            input="ROWS",
            value=str(self._path),
            hint="Write pictures as files and their names into the table, or write it without that column.",
        )


def _is_json_type(types: ModuleType, kind: Any) -> bool:
    """Whether JSON can express what Arrow's `to_pylist` gives for the type."""
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_dictionary(kind):
        return _is_json_type(types, kind.value_type)
    texts = types.is_string(kind) or types.is_large_string(kind)
    return texts or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind)


def write_parquet(folder: Path) -> Path:
    """Write DIR/results.parquet: a row for each record of DIR/results.jsonl, in the order of the table.

    The columns are those of `export.flat_columns`. Raises BadInput if pyarrow is missing or the journal damaged,
    WriteFailed.
    """
    from api_graph.table.export import write_results

    write_results(folder, folder / NAME, "parquet")
    return folder / NAME


def write_table(path: Path, columns: Sequence[Column], rows: Iterable[RowResult]) -> None:
    """Write results as a Parquet file. Raises BadInput if pyarrow is missing, WriteFailed."""
    arrow = import_pyarrow()
    types = [getattr(arrow, _ARROW[column.kind])() for column in columns]
    types = [arrow.list_(kind) if column.lists else kind for column, kind in zip(columns, types, strict=True)]
    schema = arrow.schema([(column.name, kind) for column, kind in zip(columns, types, strict=True)])
    stream = iter(rows)
    with whole_file(path) as file, arrow.parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(stream, _BATCH)):
            cells = ([whole(column.cell(row)) for row in batch] for column in columns)
            arrays = [arrow.array(each, kind) for each, kind in zip(cells, types, strict=True)]
            writer.write_batch(arrow.RecordBatch.from_arrays(arrays, schema=schema))


def whole(value: Json) -> Json:
    """A cell without lone surrogates, which Arrow refuses."""
    from api_graph.table.export import whole_characters

    if isinstance(value, list):
        return [whole(item) for item in value]
    return whole_characters(value) if isinstance(value, str) and not value.isascii() else value
