"""From what a user names as ROWS to a table: a file by its ending, pictures in a folder, Python's mappings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.files import expanded
from api_graph.table.formats import Reader
from api_graph.table.row import Row, RowKeys

Rows = str | os.PathLike[str] | Iterable[Mapping[str, Any]]

KINDS = ("jsonl", "csv", "tsv", "parquet", "folder", "glob")

_KIND_OF = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
_ENDINGS = "Name a .jsonl, .csv, .tsv or .parquet file (.gz too), a folder of pictures, or a glob such as 'pics/*.jpg'."
_HINTS = {
    ".json": "Write one object per line, and name the file .jsonl.",
    ".xlsx": "Export it as CSV in UTF-8.",
    ".xls": "Export it as CSV in UTF-8.",
    ".txt": "Give it the ending of what it holds: .csv, .tsv or .jsonl.",
}


class Table:
    """Rows to run a graph over. It is read anew, and gives the same rows, each time that it is iterated.

    `source` is what the user named, `kind` one of KINDS or "python", `base` the folder that relative names in the rows
    mean.
    """

    def __init__(self, kind: str, source: str, base: Path, reader: Reader) -> None:
        self.kind, self.source, self.base, self._reader = kind, source, base, reader

    def columns(self) -> tuple[str, ...]:
        """Names of the columns: of the header or schema, or else those in the first hundred rows."""
        return self._reader.columns()

    def count(self) -> int:
        """How many rows there are, faulty ones included."""
        return self._reader.count()

    def __iter__(self) -> Iterator[Row]:
        keys = RowKeys()
        for number, found in enumerate(self._reader):
            yield Row(number, keys.key(found.digest), found.values, found.fault)


def open_table(source: Rows, *, kind: str | None = None) -> Table:
    """The table that `source` names. `kind`, one of KINDS, says what a file holds whose name does not.

    Values are as in the file: JSON's types, texts from CSV, Python's from Parquet. A row that cannot be read has a
    `fault`. Raises BadInput where there is no table at all, or one without rows.
    """
    if not isinstance(source, str | os.PathLike):
        return _not_empty(_mappings(source))
    name = os.fspath(source)
    path = expanded(name)
    if kind is not None and kind not in KINDS:
        raise BadInput(
            "there is no such kind of table", input="kind", value=kind, hint=f"There are: {', '.join(KINDS)}."
        )
    kind = kind or _kind_of(path, name)
    return _not_empty(Table(kind, name, *_base_and_reader(kind, path, name)))


def _kind_of(path: Path, name: str) -> str:
    from api_graph.table.formats.images import is_glob

    if not name.strip() or "\0" in name:
        raise _bad("this names no table", name, _ENDINGS)
    if os.path.isdir(path):
        return "folder"
    if not os.path.exists(path) and is_glob(name):
        return "glob"
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    ending = "".join(suffixes[-1:] if suffixes[-1:] != [".gz"] else suffixes[:-1])
    if ending not in _KIND_OF:
        if not os.path.exists(path):
            raise _bad("there is no such file", name, "Check the spelling and the folder.")
        raise _bad("its ending says no kind of table", name, _HINTS.get(ending, _ENDINGS))
    return _KIND_OF[ending]


def _base_and_reader(kind: str, path: Path, name: str) -> tuple[Path, Reader]:
    if kind in ("folder", "glob"):
        return _pictures(kind, path, name)
    if not os.path.exists(path):
        raise _bad("there is no such file", name, "Check the spelling and the folder.")
    if not os.path.isfile(path):
        raise _bad("this is a folder or a device, not a file", name, "Name one file: it is read more than once.")
    if kind == "jsonl":
        from api_graph.table.formats.jsonl import JsonLines

        return path.parent, JsonLines(path)
    if kind == "parquet":
        from api_graph.table.formats.parquet import Parquet

        return path.parent, Parquet(path)
    from api_graph.table.formats.csv import Delimited

    return path.parent, Delimited(path, "\t" if kind == "tsv" else ",")


def _pictures(kind: str, path: Path, name: str) -> tuple[Path, Reader]:
    from api_graph.table.formats.images import ImageNames, split_glob

    base, pattern = (path, ("**",)) if kind == "folder" else split_glob(path)
    if not pattern:
        raise _bad("this is no glob", name, "Write for example 'pics/**/*.jpg', in quotes.")
    if not os.path.isdir(base):
        raise _bad(f"there is no folder {base}", name, "Check the spelling.")
    return base, ImageNames(base, pattern)


def _mappings(rows: Iterable[Mapping[str, Any]]) -> Table:
    from api_graph.table.formats.mappings import Mappings

    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise _bad("these are no rows", rows, "Give a path, or a list with a mapping for each row.")
    return Table("python", "python", Path.cwd(), Mappings(rows))


def _not_empty(table: Table) -> Table:
    if next(iter(table), None) is not None:
        return table
    if table.kind == "folder":
        hint = "Hidden files, and links that lead out of the folder, are not taken."
        raise _bad("there are no pictures in this folder", table.source, hint)
    if table.kind == "glob":
        raise _bad("this matches no picture", table.source, "A glob names pictures; a table is named by itself.")
    raise _bad("the table has no rows", table.source, "Give it one row at least.")


def _bad(problem: str, value: Any, hint: str) -> BadInput:
    return BadInput(problem, input="ROWS", value=value, hint=hint)
