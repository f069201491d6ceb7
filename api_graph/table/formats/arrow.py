"""Arrow's columns as rows: those of Parquet files, and of data frames in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from api_graph.errors import BadInput
from api_graph.table.embedded import embedded_name
from api_graph.table.rows import DataFrame, RowContent, row_content

_PICTURE_FIELDS = {"bytes", "path"}
"""How the datasets of the Hugging Face hub hold a picture: its bytes, or the name of its file, or both."""


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


class ArrowRows:
    """The rows of Arrow record batches. Dates, times and decimals become texts.

    Bytes, and structs of bytes and a path, are pictures: a row has their names (see `embedded`). `source` is what
    errors call the table. Raises BadInput for columns that no row can have.
    """

    def __init__(self, schema: Any, source: str) -> None:
        self._arrow, self._source = import_pyarrow(), source
        self._names: list[str] = schema.names
        twice = [name for name in self._names if self._names.count(name) > 1]
        if twice:
            problem = f"two columns have the name {twice[0]!r}"
            raise BadInput(problem, input="ROWS", value=source, hint="Rename one of them.")
        stripped = tuple(dict.fromkeys(name.strip() for name in self._names))
        self.columns = stripped if len(stripped) == len(self._names) else tuple(self._names)
        self._types = {column.name: self._type_to_read(column.name, column.type) for column in schema}
        self._pictures = {column.name for column in schema if _is_picture(self._arrow.types, column.type)}
        self.has_pictures = bool(self._pictures)

    def of(self, batches: Iterable[Any]) -> Iterator[RowContent]:
        """The rows of `batches`, in order."""
        number = 0
        for batch in batches:
            columns = [
                column.cast(self._types[name]).to_pylist()
                for name, column in zip(self._names, batch.columns, strict=True)
            ]
            for cells in zip(*columns, strict=True):
                yield self._row(dict(zip(self._names, cells, strict=True)), f"row {number}")
                number += 1

    def _row(self, cells: dict[str, Any], where: str) -> RowContent:
        pictures: dict[str, bytes] = {}
        for name in self._pictures:
            cell = cells[name]
            content, path = (cell["bytes"], cell["path"]) if isinstance(cell, dict) else (cell, None)
            if content is None:
                cells[name] = path
            else:
                cells[name] = called = embedded_name(content, path)
                pictures[called] = content
        return row_content(cells, where, pictures)

    def _type_to_read(self, name: str, kind: Any) -> Any:
        """The Arrow type to which a column of Arrow type `kind` is cast."""
        types = self._arrow.types
        if _is_json_type(types, kind) or _is_picture(types, kind):
            return kind
        if types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind) or types.is_decimal(kind):
            return self._arrow.string()
        raise BadInput(
            f"column {name!r} holds {kind}: a row's values are texts, numbers, booleans, pictures, and lists and "
            "structs of the first three",
            input="ROWS",
            value=self._source,
            hint="Give each picture a column of its own, or write the table without that column.",
        )


def _is_picture(types: ModuleType, kind: Any) -> bool:
    """Whether a column holds pictures: bytes, or a struct of nothing but bytes and a path."""
    if types.is_struct(kind):
        inner = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        return inner.keys() == _PICTURE_FIELDS and _is_bytes(types, inner["bytes"]) and _is_text(types, inner["path"])
    return _is_bytes(types, kind)


def _is_bytes(types: ModuleType, kind: Any) -> bool:
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _is_text(types: ModuleType, kind: Any) -> bool:
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)


def _is_json_type(types: ModuleType, kind: Any) -> bool:
    """Whether JSON can express what Arrow's `to_pylist` gives for the type."""
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_dictionary(kind):
        return _is_json_type(types, kind.value_type)
    if types.is_struct(kind):
        return all(_is_json_type(types, kind.field(i).type) for i in range(kind.num_fields))
    return _is_text(types, kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


class ArrowStream:
    """The rows of a data frame. It is asked for a stream of its batches each time that the rows are read."""

    def __init__(self, frame: DataFrame) -> None:
        self._arrow = import_pyarrow()
        # A reader can be read once.
        once = isinstance(frame, self._arrow.RecordBatchReader)
        self._frame = self._arrow.table(frame) if once else frame
        with self._opened() as stream:
            self._rows = ArrowRows(stream.schema, type(frame).__name__)
            self._count = sum(batch.num_rows for batch in stream)
        self.columns, self.has_pictures = self._rows.columns, self._rows.has_pictures

    def count(self) -> int:
        """Number of rows."""
        return self._count

    def __iter__(self) -> Iterator[RowContent]:
        with self._opened() as stream:
            yield from self._rows.of(stream)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            stream = self._arrow.RecordBatchReader.from_stream(self._frame)
        except (TypeError, ValueError, self._arrow.ArrowException) as error:  # a column of Python's objects
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            hint = "Give its rows instead: a list with a mapping for each (of pandas: frame.to_dict('records'))."
            problem = f"the data frame has no Arrow form ({reason})"
            raise BadInput(problem, input="ROWS", value=type(self._frame).__name__, hint=hint) from error
        with stream:
            yield stream
