"""DIR/results.jsonl: a line for each finished row, in order of completion. A row that is in it is never run again."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict, TypeGuard

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.table.output import WriteFailed, whole_file, write_errors
from api_graph.table.rows import DIGEST_BYTES

NAME = "results.jsonl"

_DIGITS = 2 * DIGEST_BYTES
_KEY = re.compile(rf"[0-9a-f]{{{_DIGITS}}}(-[0-9]+)?", re.ASCII)
_SYNC_EVERY = 1.0  # seconds
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class _OtherErrors(TypedDict, total=False):
    others: int


class RecordedError(_OtherErrors):
    """Why a row failed: `kind` "row" for one that could not be read, "node" for a node that failed.

    `others` is how many more nodes of the row failed, if any did.
    """

    message: str
    node: str | None
    title: str | None
    class_type: str | None
    input: str | None
    kind: Literal["row", "node"]


class RecordedFile(TypedDict):
    """The size, the time of change and the digest of a file that a row wrote."""

    size: int
    mtime_ns: int
    sha256: str


class _Elsewhere(TypedDict, total=False):
    inside: bool
    remote: str


class RecordedRead(_Elsewhere):
    """A file that a row read, as it was when its step was planned: the state for which the row's result stands.

    `path` is absolute, or relative to the first of the manifest's `inputs`. `sha256` is None where the file changed
    before it was read. A picture `inside` the table has the name that the row has for it as its path: another picture
    there has another name, and the row another key. Of a `remote` file the path is its URL, and `remote` the version
    that its server told, its ETag mostly.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str | None


class _Format2(TypedDict, total=False):
    fingerprint: str
    results: Mapping[str, Mapping[str, Json]]
    reads: Mapping[str, RecordedRead]
    written: Mapping[str, RecordedFile]
    maps: str


class Record(_Format2):
    """One line of the journal. `row` is the row's number in the table; `seconds` and `steps` (by node) are times in s.

    `outputs`, `texts` and `files` are by node id; files are relative to the output folder. `results` says the same by
    the names in the manifest (see `records.results_of`). `reads` are the files that the row's own nodes read, by the
    names that the row or the graph gives them, models' weights left out; `written` are all of `files`, and `maps`, the
    file with the row's maps as numbers. `fingerprint` is
    the manifest's: the graph that gave the line. Version 0.1 wrote none of these four.
    """

    row: int
    key: str
    ok: bool
    values: Mapping[str, Json]
    outputs: Mapping[str, Mapping[str, Json]]
    texts: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[str]]
    seconds: float
    ran: int
    cached: int
    steps: Mapping[str, float]
    error: RecordedError | None


class JournalLine(NamedTuple):
    """A record and its line in the file: the line's number, from 1, and the offset of its first byte."""

    number: int
    offset: int
    raw: bytes
    record: Record


class Journal:
    """The journal of a folder, open for appending. The one who opens it holds the folder's lock; one thread writes.

    A last line without a line end is what a killed run has left, and is cut off. `finished` says of each finished row,
    by its `packed_key`, whether it succeeded. Raises BadInput for a damaged line, WriteFailed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.finished: dict[bytes, bool] = {}
        self._synced = time.monotonic()
        self._size = 0
        with write_errors(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, _OPEN, 0o666)
        try:
            for line in journal_lines(self._path):
                key = packed_key(line.record["key"])
                if key in self.finished:
                    raise damaged_line(self._path, line.number, "its row stands in an earlier line already")
                self.finished[key] = line.record["ok"]
                self._size = line.offset + len(line.raw)
            with write_errors(self._path):
                os.ftruncate(self._file, self._size)
        except BaseException:
            os.close(self._file)
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Write finished rows. Once this has returned, killing the process loses none of them.

        If the disk is full, the records that fit are kept, whole, and WriteFailed is raised. A power failure loses at
        most the records of the last second.
        """
        lines = [line_of(record) for record in records]
        data, done = memoryview(b"".join(lines)), 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
            now = time.monotonic()
            if now - self._synced >= _SYNC_EVERY:
                os.fsync(self._file)
                self._synced = now
        except OSError as error:
            raise WriteFailed(self._path, error.strerror or str(error)) from error
        finally:
            written = self._size + done
            for record, line in zip(records, lines, strict=True):
                if self._size + len(line) > written:
                    with suppress(OSError):  # if it fails, the next run cuts the rest of the line off
                        os.ftruncate(self._file, self._size)
                    break
                self._size += len(line)
                self.finished[packed_key(record["key"])] = record["ok"]

    def drop_failed(self) -> int:
        """Remove the failed rows from the file, so that they run again. Returns their number."""
        failed = [key for key, ok in self.finished.items() if not ok]
        if failed:
            self.close()  # Windows cannot replace an open file
            with whole_file(self._path) as kept:
                for line in journal_lines(self._path):
                    if line.record["ok"]:
                        kept.write(line.raw)
            with write_errors(self._path):
                self._file = os.open(self._path, _OPEN, 0o666)
                self._size = os.fstat(self._file).st_size
            for key in failed:
                del self.finished[key]
        return len(failed)

    def close(self) -> None:
        """Sync the file to the disk and close it. Raises WriteFailed."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        with write_errors(self._path):
            try:
                os.fsync(file)
            finally:
                os.close(file)


def packed_key(key: str) -> bytes:
    """A row's key in half its length, as tables have millions of rows: about 100 bytes each in a dictionary."""
    return bytes.fromhex(key[:_DIGITS]) + key[_DIGITS:].encode("ascii")


def read_records(folder: Path) -> Iterator[Record]:
    """The records in a folder, in order of completion; a run may be writing to it. Raises BadInput."""
    return (line.record for line in journal_lines(folder / NAME))


def journal_lines(path: Path, damaged: Callable[[int], None] | None = None) -> Iterator[JournalLine]:
    """The lines of a journal, without a last one that has no line end.

    Raises BadInput for a damaged line, unless `damaged` is to be told its number.
    """
    offset = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    return
                if not raw.isspace():
                    try:
                        record = json.loads(raw)
                    except (ValueError, RecursionError):
                        record = None
                    if _is_record(record):
                        yield JournalLine(number, offset, raw, record)
                    elif damaged is None:
                        raise damaged_line(path, number, "it is damaged")
                    else:
                        damaged(number)
                offset += len(raw)
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(
            f"the results cannot be read ({reason})", value=str(path), hint="Name another folder."
        ) from error


def is_journal(folder: Path) -> bool:
    """Whether the folder has results: its results.jsonl begins with a record."""
    try:
        with (folder / NAME).open("rb") as file:
            return _is_record(json.loads(file.readline()))
    except (OSError, ValueError, RecursionError):
        return False


def line_of(record: Mapping[str, object]) -> bytes:
    """A record as a line. JSON has no NaN and no infinity: they are written as null."""
    try:
        text = _encode(record)
    except ValueError:
        text = _encode(_finite(record))
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # a lone surrogate, as file names may contain; escaped, it is valid JSON
        return f"{json.dumps(json.loads(text))}\n".encode("ascii")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_record(value: object) -> TypeGuard[Record]:
    """Whether a line's value has what identifies a record. Our own writer is trusted with the rest."""
    if not isinstance(value, dict):
        return False
    key = value.get("key")
    identified = isinstance(key, str) and _KEY.fullmatch(key) is not None
    return identified and type(value.get("row")) is int and type(value.get("ok")) is bool


def damaged_line(path: Path, number: int, problem: str) -> BadInput:
    """The error for a line of a journal that cannot be used."""
    hint = "Take that line out, and its row is done again."
    return BadInput(f"line {number} of the results cannot be used: {problem}", value=str(path), hint=hint)
