"""DIR/results.jsonl: a line for each finished row, in order of completion. What is in it is never done again."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from api_graph.errors import BadInput
from api_graph.table.finished import Finished, is_key
from api_graph.table.writing import WriteFailed, whole_file, write_errors

NAME = "results.jsonl"

_SYNC_EVERY = 1.0  # seconds

Record = Mapping[str, Any]


class JournalLine(NamedTuple):
    """A record, and where its line stands in the file: its number from 1, and its first byte."""

    number: int
    offset: int
    raw: bytes
    record: dict[str, Any]


class Journal:
    """The journal of a folder, open for appending. Whoever opens it holds the folder's lock; one thread writes.

    A last line without an end is what a killed run has left of it, and is cut off. `finished` says of each row's key
    whether the row went well. Raises BadInput for a damaged line, WriteFailed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.finished: Finished = Finished()
        self._synced = time.monotonic()
        with write_errors(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _open(self._path)
        try:
            self._size = self._read()
            with write_errors(self._path):
                os.ftruncate(self._file, self._size)
        except BaseException:
            os.close(self._file)
            raise

    def append(self, records: Iterable[Record]) -> None:
        """Write finished rows: when this returns, killing the process loses none of them.

        If the disk is full, the records that fit are kept, whole, and WriteFailed is raised. A loss of power costs at
        most what came in the last second.
        """
        records = list(records)
        lines = [line_of(record) for record in records]
        data, done = memoryview(b"".join(lines)), 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
            self._sync()
        except OSError as error:
            raise WriteFailed(self._path, error.strerror or str(error)) from error
        finally:
            self._keep(records, lines, done)

    def drop_failed(self) -> int:
        """Take the failed rows out of the file, so that they are done again. Returns how many they were."""
        failed = [key for key, ok in self.finished.items() if not ok]
        if failed:
            self.close()  # Windows replaces no file that is open
            with whole_file(self._path) as kept:
                for line in journal_lines(self._path):
                    if line.record["ok"]:
                        kept.write(line.raw)
            with write_errors(self._path):
                self._file = _open(self._path)
                self._size = os.fstat(self._file).st_size
            for key in failed:
                self.finished.drop(key)
        return len(failed)

    def close(self) -> None:
        """Leave the file to the disk. Raises WriteFailed where that does not take it."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        with write_errors(self._path):
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> int:
        """Fill `finished`; return where the last whole line ends."""
        end = 0
        for line in journal_lines(self._path):
            if line.record["key"] in self.finished:
                raise damaged(self._path, line.number, "its row stands in an earlier line already")
            self.finished.add(line.record["key"], line.record["ok"])
            end = line.offset + len(line.raw)
        return end

    def _sync(self) -> None:
        now = time.monotonic()
        if now - self._synced >= _SYNC_EVERY:
            os.fsync(self._file)
            self._synced = now

    def _keep(self, records: list[Record], lines: list[bytes], done: int) -> None:
        """Count in the records whose lines are among the `done` bytes, and cut off what is there of the next."""
        whole = 0
        for record, line in zip(records, lines, strict=True):
            if whole + len(line) > done:
                with suppress(OSError):  # else it is cut off when the file is opened the next time
                    os.ftruncate(self._file, self._size + whole)
                break
            whole += len(line)
            self.finished.add(record["key"], record["ok"])
        self._size += whole


def read_records(folder: Path) -> Iterator[dict[str, Any]]:
    """The records in a folder, in order of completion, also while a run goes on. Raises BadInput."""
    return (line.record for line in journal_lines(folder / NAME))


def journal_lines(path: Path) -> Iterator[JournalLine]:
    """The whole lines of a journal; the rest of a line that was cut short is left out. Raises BadInput."""
    offset = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    return
                if not raw.isspace():
                    yield JournalLine(number, offset, raw, _record(path, number, raw))
                offset += len(raw)
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(
            f"the results cannot be read ({reason})", value=str(path), hint="Name another folder."
        ) from error


def line_of(record: Record) -> bytes:
    """A record as a line. JSON has no NaN and no infinity: a node's result that holds one has null there."""
    try:
        text = _encode(record)
    except ValueError:
        text = _encode(_finite(record))
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # a lone surrogate, which a file's name may hold; escaped, it is JSON
        return f"{json.dumps(json.loads(text))}\n".encode("ascii")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _record(path: Path, number: int, raw: bytes) -> dict[str, Any]:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not _is_record(record):
        raise damaged(path, number, "it is damaged")
    return record


def _is_record(record: Record) -> bool:
    return is_key(record.get("key")) and type(record.get("row")) is int and type(record.get("ok")) is bool


def damaged(path: Path, number: int, problem: str) -> BadInput:
    """The complaint about one line of a journal."""
    hint = "Take that line out, and its row is done again."
    return BadInput(f"line {number} of the results cannot be used: {problem}", value=str(path), hint=hint)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
