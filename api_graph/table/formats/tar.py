"""Tar files of samples, as webdataset writes them: files that follow each other and share a name are a row."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from api_graph.errors import BadInput
from api_graph.table.embedded import embedded_name
from api_graph.table.formats.images import SUFFIXES
from api_graph.table.rows import RowContent, content_digest, row_content, row_fault, survey

KEY = "__key__"
"""The column with the name that a sample's files share."""

_TEXTS = frozenset({"txt", "text", "cls", "caption"})
_IMAGE = "image"
_MOST_BYTES = {"picture": 256 << 20, "text": 16 << 20}
_MOST_MEMBERS = 64
_UNREADABLE = (OSError, EOFError, tarfile.TarError, ValueError)  # zlib.error is one of none: gzip raises OSError


@dataclass
class _Sample:
    """The files of one row: `members` by the rest of their names, in lower case, each with its own name and content.

    `problem` says why they make no row.
    """

    key: str
    where: str
    members: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    problem: str = ""


class Tars:
    """The rows of tar files, one file after the other.

    A file's name is that of its sample up to the first "." behind the last "/", and what follows says what it is. A
    picture is the column `image`, `left.jpg` the column `left`; `.txt` is a text, and the keys of an object in `.json`
    are columns, or else its value is the column `json`. `KEY` is the sample's name. Other files set nothing. No file is
    unpacked, and links are passed over.
    """

    has_pictures = True

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        # Of the pictures their names do, so that of a plain tar their bytes are skipped.
        rows = ((content, None if content.fault else content.values) for content in self._rows(pictures=False))
        self._count, self.columns, self.partial = survey(rows, lambda content: content)

    def count(self) -> int:
        """Number of rows."""
        return self._count

    def __iter__(self) -> Iterator[RowContent]:
        return self._rows(pictures=True)

    def _rows(self, *, pictures: bool) -> Iterator[RowContent]:
        for path in self._files:
            with _opened(path) as tar:
                for sample in _samples(tar, path, pictures=pictures):
                    yield _row(sample)


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:*") as tar:
            yield tar
    except _UNREADABLE as error:
        hint = "Copy it again, or leave it out."
        raise BadInput(f"the tar file is damaged ({error})", input="ROWS", value=str(path), hint=hint) from error


def _samples(tar: tarfile.TarFile, path: Path, *, pictures: bool) -> Iterator[_Sample]:
    sample = None
    while (member := tar.next()) is not None:
        tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  # it would remember all of them
        folder, slash, name = member.name.rpartition("/")
        stem, dot, ending = name.partition(".")
        if not member.isfile() or not dot or not stem:
            continue
        key = f"{folder}{slash}{stem}"
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = _Sample(key, f"{path.name}: {key}")
        try:
            _add(sample, tar, member, name, ending.lower(), pictures=pictures)
        except ValueError as error:
            sample.problem = sample.problem or str(error)
    if sample is not None:
        yield sample


def _add(
    sample: _Sample, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, ending: str, *, pictures: bool
) -> None:
    """Add a file to its sample. It is read as it comes: a compressed tar has no way back."""
    kind = _kind(ending)
    if kind is None:
        return
    if ending in sample.members:
        raise ValueError(f"the file .{ending} is there twice")
    if len(sample.members) == _MOST_MEMBERS:
        raise ValueError(f"more than {_MOST_MEMBERS} files share this name")
    if member.size > _MOST_BYTES[kind]:
        limit = _MOST_BYTES[kind] >> 20
        raise ValueError(f".{ending} has {member.size / 2**20:,.0f} MiB, and a {kind} may have {limit}")
    content = b""
    if pictures or kind == "text":
        file = tar.extractfile(member)
        content = b"" if file is None else file.read()
        if len(content) != member.size:
            raise tarfile.ReadError("it ends within a file")
    sample.members[ending] = name, content


def _kind(ending: str) -> Literal["picture", "text"] | None:
    last = ending.rpartition(".")[2]
    return "picture" if f".{last}" in SUFFIXES else "text" if last in _TEXTS or last == "json" else None


def _row(sample: _Sample) -> RowContent:
    values: dict[str, object] = {KEY: sample.key}
    pictures: dict[str, bytes] = {}
    try:
        if sample.problem:
            raise ValueError(sample.problem)
        for ending, (name, content) in sample.members.items():
            rest, _, last = ending.rpartition(".")
            if _kind(ending) == "picture":
                called = embedded_name(content, name)
                _set(values, rest or _IMAGE, called)
                pictures[called] = content
            elif last == "json":
                value = json.loads(content)
                for column, cell in (value if isinstance(value, dict) else {rest or last: value}).items():
                    _set(values, column, cell)
            else:
                _set(values, rest or last, content.decode("utf-8").strip())
    except (ValueError, RecursionError) as error:
        return RowContent({}, content_digest(sample.where.encode()), row_fault(sample.where, str(error)))
    return row_content(values, sample.where, pictures)


def _set(values: dict[str, object], column: str, value: object) -> None:
    if column in values:
        raise ValueError(f"two of its files give the column {column!r}")
    values[column] = value
