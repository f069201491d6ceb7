"""Results read back: the rows of an output folder in the order of its table, also of shards that are not merged."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from api_graph.arguments import typed
from api_graph.errors import BadInput
from api_graph.files import expanded, real_path
from api_graph.notebook import counted, html_table, one_line
from api_graph.table import journal
from api_graph.table.journal import damaged_line, journal_lines, packed_key
from api_graph.table.manifest import read_manifest
from api_graph.table.records import RowResult, flat, result_of

_SHOWN_ROWS = 20
_MEMBERS = ("values", "outputs", "texts", "files")


@dataclass(frozen=True)
class _IndexedJournal:
    """A journal, the folder that its files are relative to, and the names of its results: 24 bytes for each row."""

    path: Path
    root: Path
    names: Mapping[str, str]
    rows: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))


class Results(Iterable[RowResult]):
    """The finished rows of an output folder, in the order of the table. Each iteration reads them again, one at a time.

    `len()` is their number. Rows that a run adds meanwhile are no part of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journals = [_indexed(path, folder) for path in _journals_in(folder)]
        seen: set[bytes] = set()
        for each in self._journals:
            for line in journal_lines(each.path):
                key = packed_key(line.record["key"])
                if key in seen:
                    raise damaged_line(each.path, line.number, "its row stands in an earlier line already")
                seen.add(key)
                each.rows.append(line.record["row"])
                each.offsets.append(line.offset)
                each.lines.append(line.number)

    def __len__(self) -> int:
        return sum(len(each.rows) for each in self._journals)

    def __repr__(self) -> str:
        return one_line(self, repr(self.folder.name), counted(len(self), "row"))

    def _repr_html_(self) -> str:
        rows = [({**row.values, **dict(flat(row.results))}, row) for row in islice(self, _SHOWN_ROWS)]
        names = list(dict.fromkeys(name for values, _ in rows for name in values))
        lines = [(row.number, *(values.get(name, "") for name in names), row.error or "") for values, row in rows]
        note = f"{len(self) - len(rows):,} rows more." if len(self) > len(rows) else ""
        return html_table(("row", *names, "error"), lines, note)

    def __iter__(self) -> Iterator[RowResult]:
        numbers = np.concatenate([np.asarray(each.rows, np.int64) for each in self._journals])
        owners = np.repeat(np.arange(len(self._journals)), [len(each.rows) for each in self._journals])
        starts = np.cumsum([0, *(len(each.rows) for each in self._journals)])
        files: dict[int, IO[bytes]] = {}
        try:
            for place in np.argsort(numbers, kind="stable"):
                owner = int(owners[place])
                if owner not in files:
                    for file in files.values():  # shards follow one another: one file is open at a time
                        file.close()
                    files = {owner: self._journals[owner].path.open("rb")}
                yield _row(self._journals[owner], int(place - starts[owner]), files[owner])
        finally:
            for file in files.values():
                file.close()


@typed()
def read_results(folder: str | os.PathLike[str]) -> Results:
    """The results in an output folder of `map` or `map_graph`, in the order of the table.

    Each is a `RowResult`: the row's `number`, `key`, `ok`, `error`, its columns as `values`, and by title, as in
    `row.results["Answer"]["text"]`, what the graph's nodes gave. Files are paths. Rows are read one at a time, from the
    shards if they are not merged, and while a run is writing. Folders of version 0.1 are read as well; their results
    have the titles of the graph in the manifest, or node ids if there is no manifest.

    Raises BadInput for a folder without results, and for a line that cannot be used, with its number.
    """
    return Results(real_path(expanded(folder)))


def _journals_in(folder: Path) -> list[Path]:
    """The journal of a folder, or those of its shards in their order. Raises BadInput if there is none."""
    own = folder / journal.NAME
    if own.is_file():
        return [own]
    found = [path for path in folder.glob(f"shards/*-of-*/{journal.NAME}") if path.is_file()]
    if not found:
        problem = "there are no results in it" if folder.is_dir() else "there is no such folder"
        hint = "Name the --out folder of an `api-graph map`."
        raise BadInput(problem, input="DIR", value=str(folder), hint=hint)
    return sorted(found, key=lambda path: (len(path.parent.name), path.parent.name))


def _indexed(path: Path, folder: Path) -> _IndexedJournal:
    manifest = read_manifest(path.parent)
    if manifest is None:
        return _IndexedJournal(path, folder, {})
    root = path.parent.parent.parent if manifest.shard is not None else path.parent
    return _IndexedJournal(path, root, manifest.results)


def _row(each: _IndexedJournal, place: int, file: IO[bytes]) -> RowResult:
    file.seek(each.offsets[place])
    try:
        record = json.loads(file.readline())
        for name in _MEMBERS:
            if not isinstance(record[name], dict):
                raise TypeError(f"its {name!r} is no object")
        return result_of(record, each.root, each.names)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise damaged_line(each.path, each.lines[place], f"it is damaged ({type(error).__name__}: {error})") from error
