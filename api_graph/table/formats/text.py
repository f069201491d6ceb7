"""Tables in text files: JSON Lines, CSV and TSV, plain or gzipped. The files are untrusted.

A line is read up to a maximum length, so that one without an end does not fill the memory. A line that cannot be read
is a fault of its row alone: the rows after it are still read.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple, NoReturn

from api_graph.errors import BadInput
from api_graph.json_values import Json, JsonObject
from api_graph.table.rows import DIGEST_BYTES, RowContent, content_digest, row_content, row_fault, survey

_LONGEST_MIB = 16
LONGEST_LINE = _LONGEST_MIB * 2**20

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CHUNK = 1 << 20

_OTHER_SEPARATORS = {
    ";": "Save it with commas.",
    "\t": "Name the file .tsv.",
    "|": "Save it with commas.",
    ",": "Name the file .csv.",
}


class Line(NamedTuple):
    """A line, with its line end. A line that is too long has no `data`, but a `digest` of all of it."""

    number: int
    data: bytes
    digest: bytes | None = None


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a file, numbered from 1, without a byte order mark.

    Raises BadInput for a file that cannot be read, a damaged .gz, and the UTF-16 that spreadsheets call "Unicode text".
    """
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for number in count(1):
                data = file.readline(LONGEST_LINE + 1)
                if not data:
                    return
                if number == 1:
                    if data.startswith(_UTF16):
                        raise _bad_file("the table is UTF-16 text", path, "Save it as UTF-8.")
                    data = data.removeprefix(_BOM)
                if len(data) <= LONGEST_LINE:
                    yield Line(number, data)
                else:
                    yield Line(number, b"", _digest_to_line_end(data, file.readline))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise _bad_file(f"the table cannot be read ({reason})", path, "Check the file.") from error


def _digest_to_line_end(data: bytes, readline: Callable[[int], bytes]) -> bytes:
    """Read on to the end of the line that begins with `data`; the digest of the whole line."""
    digest = hashlib.sha256()
    while not data.endswith(b"\n"):
        digest.update(data)
        data = readline(_CHUNK)
        if not data:
            break
    digest.update(data.rstrip(b"\r\n"))
    return digest.digest()[:DIGEST_BYTES]


def _bad_file(problem: str, path: Path, hint: str) -> BadInput:
    return BadInput(problem, input="ROWS", value=str(path), hint=hint)


class JsonLines:
    """The rows of a JSON Lines file, one object per line. Blank lines do not count. Raises BadInput for a JSON list.

    `columns` are all that any row has; `partial` has by column how many rows leave it out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count, self.columns, self.partial = survey(self._named_lines(), _json_row)

    def count(self) -> int:
        """Number of lines that are not blank."""
        return self._count

    def __iter__(self) -> Iterator[RowContent]:
        return (_json_row(line) for line in lines_of(self._path) if not line.data.isspace())

    def _named_lines(self) -> Iterator[tuple[Line, Iterable[str] | None]]:
        """The lines that are not blank, each with the names in it; None where there are none to see."""
        is_first = True
        for line in lines_of(self._path):
            if line.data.isspace():
                continue
            if is_first and line.data.lstrip().startswith(b"["):
                hint = "It begins a list: write each object on a line of its own, as `jq -c '.[]' FILE` does."
                raise _bad_file(f"line {line.number} is no JSON object", self._path, hint)
            is_first = False
            try:
                value = json.loads(line.data)  # the fastest way; rows with new names are looked at closely
            except (ValueError, RecursionError):
                value = None
            yield line, value if isinstance(value, dict) else None


def _json_row(line: Line) -> RowContent:
    where, column = f"line {line.number}", 0
    if line.digest is not None:
        return RowContent({}, line.digest, row_fault(where, f"it is longer than {_LONGEST_MIB} MB"))
    try:
        value = _decode(line.data.rstrip().decode("utf-8"))
    except UnicodeDecodeError as error:
        problem, column = "this is not UTF-8 text", error.start + 1
    except json.JSONDecodeError as error:
        problem, column = f"this is no JSON ({error.msg})", error.colno
    except _NotStrictJson as error:
        problem = str(error)
    except RecursionError:
        problem = "this nests too deeply"
    except ValueError:  # an integer of thousands of digits
        problem = "a number has too many digits"
    else:
        if isinstance(value, dict):
            return row_content(value, where)
        problem, column = 'a row is an object, {"column": value, ...}', 1
    fault = row_fault(
        f"{where}, column {column}" if column else where, problem, line.data.decode("utf-8", "replace").strip()
    )
    return RowContent({}, content_digest(line.data.strip()), fault)


class _NotStrictJson(Exception):
    """Python's decoder would accept it."""


def _unique_names(pairs: list[tuple[str, Json]]) -> JsonObject:
    """An object; without this check the last of two values of one name would win, silently."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotStrictJson(f"{json.dumps(twice, ensure_ascii=False)} is written twice in one object")
    return values


def _not_a_number(constant: str) -> NoReturn:
    raise _NotStrictJson(f"{constant} is no JSON: write null, or leave it out")


_decode = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_not_a_number).decode


class Delimited:
    """The rows of a CSV or TSV file with a header. All values are texts, without blanks around them.

    Quoted cells may hold separators and line ends. Rows without a text in any cell are passed over, and so are cells
    without text where the header has no name. A row with more or fewer other cells than the header is faulty.
    """

    def __init__(self, path: Path, delimiter: str) -> None:
        # The limit is one for the whole process; Python's own, 128 KB, is less than some cells hold.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        self._path, self._delimiter = path, delimiter
        first = next(self._records(), None)
        if first is None:
            raise _bad_file("the table is empty", path, "Its first line names columns.")
        self._written = first.cells
        self._names = [name.strip() for name in first.cells]
        self.columns: tuple[str, ...] = tuple(filter(None, self._names))
        twice = [name for name in self.columns if self.columns.count(name) > 1]
        if first.problem or twice:
            problem = first.problem or f"two columns have the name {twice[0]!r}"
            raise _bad_file(f"the header: {problem}", path, "Correct its first line.")
        self._check_separator(first)
        self._wanted = max(index for index, name in enumerate(self._names, start=1) if name)

    def _check_separator(self, header: _CsvRecord) -> None:
        """Raise BadInput for a header of one cell that another separator would part; quotes say that it is one."""
        if len(header.cells) > 1 or b'"' in header.raw:
            return
        for separator, hint in _OTHER_SEPARATORS.items():
            parts = header.cells[0].split(separator)
            if separator != self._delimiter and len(parts) > 1 and all(map(str.strip, parts)):
                problem = f"the header is one cell: the separator seems to be {separator!r}"
                raise _bad_file(problem, self._path, f"{hint} A name with it in quotes is one name.")

    def count(self) -> int:
        """Number of rows below the header."""
        return sum(1 for _ in self._records()) - 1

    def __iter__(self) -> Iterator[RowContent]:
        records = self._records()
        next(records, None)
        return map(self._row, records)

    def _row(self, record: _CsvRecord) -> RowContent:
        problem, where = record.problem or self._misfit(record.cells), f"line {record.line}"
        if problem:
            text = record.raw.decode("utf-8", "replace").rstrip("\r\n")
            return RowContent({}, content_digest(record.raw.rstrip(b"\r\n")), row_fault(where, problem, text or None))
        cells = zip(self._names, map(str.strip, record.cells), strict=False)
        values: dict[str, Json] = {name: cell for name, cell in cells if name or cell}
        written = dict(zip(self._written, record.cells, strict=False))
        whole = len(written) == len(record.cells) == len(self._names)
        # The digest is of what is written, so that results of earlier versions are still found.
        return RowContent(values, row_content(written if whole else values, where).digest)

    def _misfit(self, cells: list[str]) -> str:
        """How the cells of a row do not fit the header, or nothing."""
        wanted, names = self._wanted, self._names
        if len(cells) < wanted or any(map(str.strip, cells[len(names) :])):
            return f"the header has {wanted} {'cell' if wanted == 1 else 'cells'}, this row {len(cells)}"
        nameless = [
            number
            for number, (name, cell) in enumerate(zip(names, cells, strict=False), 1)
            if not name and cell.strip()
        ]
        if nameless and names.count("") > 1:
            return f"cell {nameless[0]} has a value, and the header no name for it"
        return ""

    def _records(self) -> Iterator[_CsvRecord]:
        feed = _CsvFeed(lines_of(self._path))
        # strict: a quote that is never closed, or closed within a cell, is a fault and not a guess.
        reader = csv.reader(feed, delimiter=self._delimiter, strict=True)
        while True:
            feed.taken.clear()
            feed.problem, cells = "", []
            first = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                feed.problem = feed.problem or f"this is no CSV ({error})"
            if feed.problem or any(map(str.strip, cells)):
                yield _CsvRecord(first, cells, b"".join(feed.taken), feed.problem)


@dataclass(frozen=True)
class _CsvRecord:
    """The cells of one record, or the problem with it. `line` is where it starts, `raw` the bytes of all its lines."""

    line: int
    cells: list[str]
    raw: bytes
    problem: str


@dataclass
class _CsvFeed(Iterator[str]):
    """Lines as texts for `csv.reader`. It is not a generator, because a generator ends at its first exception."""

    lines: Iterator[Line]
    taken: list[bytes] = field(default_factory=list)
    problem: str = ""

    def __next__(self) -> str:
        line = next(self.lines)
        self.taken.append(line.data if line.digest is None else line.digest)
        if line.digest is not None:
            self.problem = f"a line is longer than {_LONGEST_MIB} MB"
            raise csv.Error(self.problem)
        try:
            return line.data.decode("utf-8")
        except UnicodeDecodeError:
            self.problem = self.problem or "this is not UTF-8 text"
            return line.data.decode("utf-8", "replace")
