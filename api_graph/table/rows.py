"""A table as rows: a file, a folder of images, a glob or Python mappings, read as a stream of rows with keys."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from api_graph.errors import BadInput
from api_graph.files import expanded
from api_graph.json_values import Json
from api_graph.table.embedded import NO_PICTURES
from api_graph.table.remote import copy_of_table, is_remote

if TYPE_CHECKING:
    from PIL.Image import Image

    from api_graph.table.remote import RemoteFile


@runtime_checkable
class DataFrame(Protocol):
    """A data frame as pandas, polars, pyarrow and others have it, by Arrow's PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Rows: TypeAlias = str | os.PathLike[str] | Iterable[Mapping[str, object]] | DataFrame

KINDS = ("jsonl", "csv", "tsv", "parquet", "tar", "folder", "glob")

DIGEST_BYTES = 10
"""Bytes of sha256 that are kept. Among a million different rows, two share them with a probability of 4e-13."""

_KIND_OF = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".tar": "tar"}
_ENDINGS = "Name a .jsonl, .csv, .tsv, .parquet or .tar file (.gz too), a folder of pictures, or a glob: 'pics/*.jpg'."
_HINTS = {
    ".json": "Write one object per line, and name the file .jsonl.",
    ".xlsx": "Export it as CSV in UTF-8.",
    ".xls": "Export it as CSV in UTF-8.",
    ".txt": "Give it the ending of what it holds: .csv, .tsv or .jsonl.",
}
_NOTHING_REMOTE: Mapping[str, RemoteFile] = {}  # one for all rows
_MOST_COLUMNS = 10_000
"""Different columns that rows may name, where the file has no header and no schema."""

Item = TypeVar("Item")

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Row:
    """One row of a table. `number` counts from 0; `fault` says why the row cannot be run.

    Its `values` are empty where they could not be read.

    `key` is the digest of the row's content as 20 hexadecimal digits; the second, third, ... row of equal content has
    "-2", "-3", ... appended. It does not depend on the row's number, so the results are still found after the table has
    grown or been sorted. `pictures` are those inside the table, by the names that the values have for them. `remote`
    are those that were fetched, by column.
    """

    number: int
    key: str
    values: Mapping[str, Json]
    fault: BadInput | None = None
    pictures: Mapping[str, bytes | Image] = field(default_factory=lambda: NO_PICTURES, repr=False)
    remote: Mapping[str, RemoteFile] = field(default_factory=lambda: _NOTHING_REMOTE, repr=False)


@dataclass(frozen=True)
class RowContent:
    """What a reader gives for each row: its values, or else a fault, a digest of the content, and pictures inside."""

    values: Mapping[str, Json]
    digest: bytes
    fault: BadInput | None = None
    pictures: Mapping[str, bytes | Image] = field(default_factory=lambda: NO_PICTURES, repr=False)


class Reader(Protocol):
    """Reads one kind of table as a stream. Each iteration starts at the first row and gives the same rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order, as the rows have them."""
        ...

    def count(self) -> int:
        """Number of rows."""
        ...

    def __iter__(self) -> Iterator[RowContent]: ...


@dataclass(frozen=True)
class Table:
    """Rows to run a graph over. Each iteration reads the table again and gives the same rows.

    `source` is what the user named, `kind` one of KINDS or "python", and `base` the folder that relative names in the
    rows refer to. `columns` are the names in the header or the schema, or else all that any row has; `partial` then has
    by column how many rows leave it out. `sets` has by column the input that it sets: a row without a value there (see
    `has_value`) is faulty.
    """

    kind: str
    source: str
    base: Path
    columns: tuple[str, ...]
    reader: Reader
    partial: Mapping[str, int] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)

    def count(self) -> int:
        """Number of rows, including faulty ones."""
        return self.reader.count()

    def __iter__(self) -> Iterator[Row]:
        times: dict[bytes, int] = {}  # about 100 bytes per different row
        for number, content in enumerate(self.reader):
            digest = content.digest
            time = times[digest] = times.get(digest, 0) + 1
            key = digest.hex() if time == 1 else f"{digest.hex()}-{time}"
            fault = content.fault
            if fault is None:
                lacking = [column for column in self.sets if not has_value(content.values.get(column))]
                fault = _no_value(lacking, self.sets) if lacking else None
            yield Row(number, key, content.values, fault, content.pictures)


def has_value(value: object) -> bool:
    """Whether a row's value is one: null, an empty text, one of blanks, and an empty list are none."""
    return bool(value.strip()) if isinstance(value, str) else value is not None and value != [] and value != ()


def _no_value(columns: Sequence[str], sets: Mapping[str, str]) -> BadInput:
    problem = "; ".join(f"the column {column}, which sets {sets[column]}, has no value" for column in columns)
    hint = "Fill it in, take the row out, or say --keep-null (keep_null=True) for the graph's own value."
    return BadInput(problem, input="ROWS", hint=hint)


class Survey(NamedTuple):
    """What reading all rows has shown: how many there are, their columns, and by column how many rows leave it out."""

    rows: int
    columns: tuple[str, ...]
    partial: Mapping[str, int]


def survey(items: Iterable[tuple[Item, Iterable[str] | None]], read: Callable[[Item], RowContent]) -> Survey:
    """Survey rows that each name their columns. `items` are rows, each with its names, None if it cannot be read.

    `read` reads one properly; as that takes its time, it is done for rows with new names alone. Raises BadInput for
    thousands of columns.
    """
    rows = readable = 0
    times: Counter[str] = Counter()
    columns: dict[str, None] = {}
    for item, names in items:
        rows += 1
        if names is None:
            continue
        if not times.keys() >= set(names):
            content = read(item)
            if content.fault is not None:
                continue
            columns.update(dict.fromkeys(content.values))
            if len(columns) > _MOST_COLUMNS:
                problem = f"row {rows - 1} brings the table to {len(columns):,} different columns"
                hint = f"At most {_MOST_COLUMNS:,} are read: write data as values, not as names."
                raise BadInput(problem, input="ROWS", hint=hint)
        readable += 1
        times.update(iter(names))  # of a mapping it would add the values
    stripped: Counter[str] = Counter()
    for name, time in times.items():
        stripped[name.strip()] += time
    left = {column: readable - (stripped[column] or times[column]) for column in columns}
    return Survey(rows, tuple(columns), {column: number for column, number in left.items() if number > 0})


def row_content(
    values: Mapping[str, object], where: str, pictures: Mapping[str, bytes | Image] = NO_PICTURES
) -> RowContent:
    """The content of a row with these values; a faulty row if JSON cannot express them. `where` is as in `row_fault`.

    The digest does not depend on the order of the columns. It is of the names as they are written; `values` have them
    without blanks around.
    """
    try:
        digest = hashlib.sha256(_canonical(values).encode("ascii")).digest()[:DIGEST_BYTES]
    except (TypeError, ValueError, RecursionError) as error:
        fault = row_fault(where, f"a value cannot be written as JSON ({error})")
        return RowContent({}, content_digest(repr(values).encode("utf-8", "backslashreplace")), fault)
    stripped = {name.strip(): value for name, value in values.items()}
    values = stripped if len(stripped) == len(values) else values  # as they are written, where two would become one
    return RowContent(cast("Mapping[str, Json]", values), digest, None, pictures)  # the encoder has just checked it


def content_digest(content: bytes) -> bytes:
    """Digest of a row's content: its canonical JSON, or the bytes of a row that cannot be read."""
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def row_fault(
    where: str, problem: str, value: object = None, hint: str = "Correct that row, or take it out."
) -> BadInput:
    """Why a row cannot be read. `where` says which row it is, such as "line 12"."""
    return BadInput(f"{where}: {problem}", input="ROWS", value=value, hint=hint)


def open_table(source: Rows, *, kind: str | None = None, allow_private: bool = False) -> Table:
    """Open the table that `source` names. `kind`, one of KINDS, is for a file whose ending does not tell.

    A URL names a remote file, which is copied first; it is on a private network with `allow_private` alone.

    Values have the types of the file: JSON's, texts in CSV, Python's in Parquet. A row that cannot be read has a
    `fault`. Raises BadInput if there is no such table, or if it has no rows.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        path = expanded(name)
        if kind is not None and kind not in KINDS:
            known = f"There are: {', '.join(KINDS)}."
            raise BadInput("there is no such kind of table", input="kind", value=kind, hint=known)
        if is_remote(name):
            return _remote(name, kind, allow_private=allow_private)
        kind = kind or _kind_of(path, name)
        base, reader = _base_and_reader(kind, path, name)
    else:
        kind, name, base, reader = "python", "python", Path.cwd(), _of_python(source)
    return _table(kind, name, base, reader)


def _table(kind: str, name: str, base: Path, reader: Reader) -> Table:
    first = next(iter(reader), None)
    if first is None:
        raise _no_rows(kind, name, reader)
    if not reader.columns and first.fault is not None:
        raise first.fault
    return Table(kind, name, base, reader.columns, reader, getattr(reader, "partial", {}))


def _remote(name: str, kind: str | None, *, allow_private: bool) -> Table:
    """The table of a remote file; relative names in its rows are those of files beside it (see `table.fetched`)."""
    if any(mark in name.partition("?")[0] for mark in "*["):
        raise _no_table("a remote table is one file, and no glob", name, _ENDINGS)
    path = copy_of_table(name, allow_private=allow_private)
    try:
        kind = kind or _kind_of(path, path.name)
        _, reader = _base_and_reader(kind, path, path.name)
        table = _table(kind, name, Path.cwd(), reader)
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    weakref.finalize(reader, shutil.rmtree, path.parent, ignore_errors=True)
    return table


def _of_python(source: Iterable[Mapping[str, object]] | DataFrame) -> Reader:
    from api_graph.table.formats.arrow import ArrowStream
    from api_graph.table.formats.mappings import Mappings

    if isinstance(source, DataFrame):
        return ArrowStream(source)
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        raise _no_table("these are no rows", source, "Give a path, or a list with a mapping for each row.")
    return Mappings(source)


def _kind_of(path: Path, name: str) -> str:
    from api_graph.table.formats.images import is_glob

    if not name.strip() or "\0" in name:
        raise _no_table("this names no table", name, _ENDINGS)
    if os.path.isdir(path):
        return "folder"
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    ending = "".join(suffixes[-1:] if suffixes[-1:] != [".gz"] else suffixes[:-1])
    if not os.path.exists(path) and is_glob(name):
        return "tar" if _KIND_OF.get(ending) == "tar" else "glob"
    if ending == ".json" and _holds_json_lines(path):
        return "jsonl"
    if ending not in _KIND_OF:
        if not os.path.exists(path):
            raise _no_table("there is no such file", name, "Check the spelling and the folder.")
        raise _no_table("its ending says no kind of table", name, _HINTS.get(ending, _ENDINGS))
    return _KIND_OF[ending]


def _holds_json_lines(path: Path) -> bool:
    """Whether a file that is named .json is JSON Lines, as those of POPE are: its first line is a whole object."""
    from api_graph.table.formats.text import lines_of

    if not os.path.isfile(path):
        return False
    first = next((line.data for line in lines_of(path) if not line.data.isspace()), b"")
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _base_and_reader(kind: str, path: Path, name: str) -> tuple[Path, Reader]:
    if kind in ("folder", "glob"):
        return _pictures(kind, path, name)
    if kind == "tar":
        return _tars(path, name)
    if not os.path.exists(path):
        raise _no_table("there is no such file", name, "Check the spelling and the folder.")
    if not os.path.isfile(path):
        raise _no_table("this is a folder or a device, not a file", name, "Name one file: it is read more than once.")
    if kind == "parquet":
        from api_graph.table.formats.parquet import Parquet

        return path.parent, Parquet(path)
    from api_graph.table.formats.text import Delimited, JsonLines

    if kind == "jsonl":
        return path.parent, JsonLines(path)
    return path.parent, Delimited(path, "\t" if kind == "tsv" else ",")


def _pictures(kind: str, path: Path, name: str) -> tuple[Path, Reader]:
    from api_graph.table.formats.images import ImageNames, split_glob

    base, pattern = (path, ("**",)) if kind == "folder" else split_glob(path)
    if not pattern:
        raise _no_table("this is no glob", name, "Write for example 'pics/**/*.jpg', in quotes.")
    if not os.path.isdir(base):
        raise _no_table(f"there is no folder {base}", name, "Check the spelling.")
    return base, ImageNames(base, pattern)


def _tars(path: Path, name: str) -> tuple[Path, Reader]:
    from api_graph.table.formats.images import is_glob, split_glob
    from api_graph.table.formats.tar import Tars

    if os.path.isfile(path):
        return path.parent, Tars([path])
    base, pattern = split_glob(path) if is_glob(name) else (path.parent, (path.name,))
    files = sorted((file for file in base.glob("/".join(pattern)) if file.is_file()), key=os.fspath)
    if not files:
        hint = "Check the spelling and the folder; several are named by a glob in quotes: 'shards/*.tar'."
        raise _no_table("there is no such file", name, hint)
    return base, Tars(files)


def _no_rows(kind: str, name: str, reader: Reader) -> BadInput:
    from api_graph.table.formats.images import ImageNames, passed_over_in_words

    if not isinstance(reader, ImageNames):
        return _no_table("the table has no rows", name, "Give it one row at least.")
    passed_over: Counter[str] = Counter()
    list(reader.names(passed_over=passed_over))
    if passed_over:
        words = passed_over_in_words(passed_over)
        return _no_table("there are no pictures here that can be read", name, words[0].upper() + words[1:])
    if kind == "folder":
        hint = "Hidden files, and links that lead out of the folder, are not taken."
        return _no_table("there are no pictures in this folder", name, hint)
    return _no_table("this matches no picture", name, "A glob names pictures; a table is named by itself.")


def _no_table(problem: str, value: object, hint: str) -> BadInput:
    return BadInput(problem, input="ROWS", value=value, hint=hint)
