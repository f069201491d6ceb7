"""Results as one flat table: the row's own columns as they are, and those of its results, called `title.output`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.table.journal import line_of
from api_graph.table.output import whole_file
from api_graph.table.records import RowResult
from api_graph.table.results import Results

Kind = Literal["none", "bool", "int", "float", "text", "json"]
FileKind = Literal["parquet", "csv", "jsonl"]
Place = tuple[Literal["row", "values", "results"], str, str]
"""Where a cell is found: an attribute of the row, one of its columns, or the output of a name."""

_OF_ROW = ("number", "key", "ok", "error")
_CALLED = {"number": "row"}
_OWN_FILES = ("results.jsonl", "manifest.json", "listing.jsonl")
_INT64 = 1 << 63
_FORMULA = "=+-@＝＋－＠"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Column:
    """One column of the flat table. `kind` is that of its cells, or of the items where they are lists.

    In a column with `lists`, single values are lists of one. Cells of the kind "json" are texts as they are, and all
    else as JSON. `most` is the length of its longest list.
    """

    name: str
    place: Place
    kind: Kind = "none"
    lists: bool = False
    most: int = 0

    def cell(self, row: RowResult) -> Json:
        """The row's cell; None where the row has none."""
        where, name, output = self.place
        if where == "row":
            value = getattr(row, name)
        else:
            value = row.values.get(name) if where == "values" else row.named.get(name, {}).get(output)
        if value is None:
            return None
        if self.kind == "json" and not self.lists:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        items = value if isinstance(value, list) else [value]
        if self.kind == "json":
            items = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in items]
        elif self.kind == "float":
            items = [float(item) if isinstance(item, int) else item for item in items]
        return items if self.lists else items[0]


def flat_columns(rows: Iterable[RowResult]) -> list[Column]:
    """The columns that all rows together need. A list of which each row has one item is a column of single values.

    The table's own columns keep their names. What would be called like one of them has " (result)" behind it.
    """
    values: dict[Place, Column] = {}
    results: dict[Place, Column] = {}
    for row in rows:
        for name, value in row.values.items():
            _learn(values, ("values", name, ""), name, value)
        for name, outputs in row.named.items():
            for output, value in outputs.items():
                _learn(results, ("results", name, output), f"{name}.{output}", value)
    kinds: list[Kind] = ["int", "text", "bool", "text"]
    found = [Column(_CALLED.get(n, n), ("row", n, ""), kind) for n, kind in zip(_OF_ROW, kinds, strict=True)]
    found += values.values()
    found += [replace(each, lists=each.lists and each.most != 1) for each in results.values()]
    return _named_apart([*found, Column("seconds", ("row", "seconds", ""), "float")])


def _learn(columns: dict[Place, Column], place: Place, name: str, value: object) -> None:
    """Note what a cell holds."""
    column = columns.setdefault(place, Column(name, place))
    if value is None:
        return
    lists, kind, most = column.lists, column.kind, column.most
    if isinstance(value, list):
        for item in value:
            kind = _common(kind, _kind(item))
        # A list of none is one, too: it makes the column no column of single values.
        lists, most = True, max(most, len(value) or 2)
    else:
        kind, most = _common(kind, _kind(value)), max(most, 1)
    if (kind, lists, most) != (column.kind, column.lists, column.most):
        columns[place] = replace(column, kind=kind, lists=lists, most=most)


def _kind(value: object) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -_INT64 <= value < _INT64 else "json"
    if isinstance(value, float):
        return "float"
    return "text" if isinstance(value, str) else "none" if value is None else "json"


def _common(one: Kind, other: Kind) -> Kind:
    if one == other or other == "none":
        return one
    if one == "none":
        return other
    return "float" if {one, other} == {"int", "float"} else "json"


def _named_apart(columns: Sequence[Column]) -> list[Column]:
    names: dict[Place, str] = {}
    taken: set[str] = set()
    for column in sorted(columns, key=lambda column: column.place[0] != "values"):
        name = whole_characters(column.name)
        while name in taken:
            name = f"{name} (result)"
        taken.add(name)
        names[column.place] = name
    return [replace(column, name=names[column.place]) for column in columns]


# ------------------------------------------------------------------------------------------ files


def write_results(folder: Path, path: Path, kind: FileKind) -> int:
    """Write the results in `folder` as one file, in the order of the table; returns the number of rows.

    A file for `csv` that is called .tsv is separated by tabs. Raises BadInput for a folder without results, a damaged
    line, or Parquet without pyarrow; WriteFailed.
    """
    from api_graph.table.formats.parquet import write_table

    if path.name in _OWN_FILES and path.exists():
        raise BadInput("this is a file of a run", input="FILE", value=str(path), hint="Choose another name.")
    rows = Results(folder)
    columns = flat_columns(rows)
    if kind == "parquet":
        write_table(path, columns, rows)
    elif kind == "csv":
        with whole_file(path) as file:
            file.writelines(csv_lines(columns, rows, "\t" if path.suffix.lower() == ".tsv" else ","))
    else:
        with whole_file(path) as file:
            file.writelines(map(line_of, flat_rows(columns, rows)))
    return len(rows)


def flat_rows(columns: Sequence[Column], rows: Iterable[RowResult]) -> Iterator[Mapping[str, Json]]:
    """A mapping for each row, by name of the column."""
    return ({column.name: column.cell(row) for column in columns} for row in rows)


def csv_lines(columns: Sequence[Column], rows: Iterable[RowResult], separator: str) -> Iterator[bytes]:
    """The lines of a CSV file in UTF-8, the header first. Lists are JSON; no text is a formula to a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\r\n")

    def line(cells: Iterable[Json], text: Callable[[Json], Json]) -> bytes:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([text(cell) for cell in cells])
        return buffer.getvalue().encode()

    yield line([column.name for column in columns], csv_cell)
    for row in rows:
        yield line([column.cell(row) for column in columns], csv_cell)


def csv_cell(value: Json) -> Json:
    """A cell as CSV has it. A text that a spreadsheet would take for a formula has an apostrophe before it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    text = whole_characters(value).replace("\0", "\ufffd")
    formula = text.lstrip()[:1] in tuple(_FORMULA) and not _NUMBER.fullmatch(text.strip())
    return f"'{text}" if formula else text


def whole_characters(text: str) -> str:
    """`text` as UTF-8 can express it: a lone surrogate, as JSON and names of files may have, becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
