"""Parquet, in and out: tables are read by record batches, and results are written beside the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.table.formats.arrow import ArrowRows, import_pyarrow
from api_graph.table.output import whole_file
from api_graph.table.rows import RowContent

if TYPE_CHECKING:
    from api_graph.table.export import Column
    from api_graph.table.records import RowResult

NAME = "results.parquet"

_BATCH = 1000
_PICTURES = 16
"""Rows that are read at a time where each brings a picture."""
_ARROW = {"bool": "bool_", "int": "int64", "float": "float64", "text": "string", "json": "string", "none": "string"}


class Parquet:
    """The rows of a file, as `ArrowRows` has them."""

    def __init__(self, path: Path) -> None:
        self._arrow, self._path = import_pyarrow(), path
        with self._opened() as file:
            self._rows = ArrowRows(file.schema_arrow, str(path))
            self._count: int = file.metadata.num_rows
        self.columns, self.has_pictures = self._rows.columns, self._rows.has_pictures

    def count(self) -> int:
        """Number of rows, from the file's metadata."""
        return self._count

    def __iter__(self) -> Iterator[RowContent]:
        with self._opened() as file:
            yield from self._rows.of(file.iter_batches(_PICTURES if self.has_pictures else _BATCH))

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
