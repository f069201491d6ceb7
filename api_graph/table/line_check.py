"""Whether a line of the results is whole: its files, and those that were read for it, are as they were.

`check_lines` serves `api-graph verify`, the repair at the start of a run, and the sentence of reports.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from api_graph.errors import BadInput
from api_graph.files import sha256_of
from api_graph.table.https import NotFetched
from api_graph.table.journal import JournalLine, RecordedFile, RecordedRead
from api_graph.table.remote import LARGEST_PICTURE, Remote, checked_url
from api_graph.table.tars import TarReader, is_as_left, is_in_tar

Depth = Literal["stat", "usual", "content"]
"""What is read of files: nothing; those whose size or time differs; all. Servers of remote files are asked, or not."""

_AT_ONCE = 8  # threads that ask the file system
_GROUP = 64
_PNG = b"\x89PNG\r\n\x1a\n"


class LineFault(NamedTuple):
    """What is wrong with a line: one of `verify.KINDS`, and the file."""

    kind: str
    file: str


@dataclass
class LineChecker:
    """Compares the files of a run's lines with what the lines say of them.

    `output` is the folder of the run (of all shards), `base` the one that relative names of files read refer to. A line
    that version 0.1 wrote says nothing: its files must be there, and its PNG files whole. `untold` counts files with
    another time, which only reading them would tell. Private servers of remote files are asked with `allow_private`.
    """

    output: Path
    base: str
    depth: Depth = "usual"
    allow_private: bool = False
    untold: int = 0
    _reads: dict[tuple[str, int, int | str, str | None], str] = field(default_factory=dict)  # rows share pictures
    _remote: Remote | None = None
    _tars: TarReader = field(default_factory=TarReader)
    _left: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.depth != "stat":
            self._remote = Remote(allow_private=self.allow_private)

    def close(self) -> None:
        """Close the connections to servers."""
        if self._remote is not None:
            self._remote.close()

    def faults(self, line: JournalLine) -> list[LineFault]:
        """What is wrong with the files of a line. A failed row's pictures may be missing."""
        record, found = line.record, []
        try:
            written = record.get("written", {})
            maps = [record["maps"]] if "maps" in record else []
            for name in [*maps, *(name for names in record["files"].values() for name in names)]:
                path = os.path.join(self.output, name)
                kind = self._written(path, written[name]) if name in written else _old_file(path, self.depth)
                if kind:
                    found.append(LineFault(kind, name))
            for name, read in record.get("reads", {}).items():
                if "remote" in read:
                    if kind := self._remote_state(read, ok=record["ok"]):
                        found.append(LineFault(kind, name))
                    continue
                path = os.path.join(self.base, read["path"])
                # Of what lies in the table the row's key tells; without a manifest nobody knows from where it counts.
                if read.get("inside") or not os.path.isabs(path):
                    continue
                asked = path, read["size"], read["mtime_ns"], read["sha256"]
                kind = self._reads.get(asked)
                if kind is None:
                    kind = self._reads[asked] = self._state(*asked)
                if kind == "changed" or (kind == "gone" and record["ok"]):
                    found.append(LineFault(kind, name))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            found.append(LineFault("line", f"{type(error).__name__}: {error}"))
        return found

    def _remote_state(self, read: RecordedRead, *, ok: bool) -> str:
        """What is wrong with a remote file, by its size and its version."""
        url, size, version, digest = read["path"], read["size"], read.get("remote", ""), read["sha256"]
        asked = url, size, version, digest
        if asked not in self._reads:
            self._reads[asked] = "" if self._remote is None else self._asked(self._remote, url, size, version, digest)
        kind = self._reads[asked]
        return "" if kind == "gone" and not ok else kind

    def _asked(self, remote: Remote, url: str, size: int, version: str, digest: str | None) -> str:
        try:
            url = checked_url(url, "reads", allow_private=self.allow_private)
            if self.depth == "content":
                with TemporaryDirectory(prefix="api-graph-") as folder:
                    remote.fetch(url, Path(folder, "file"), LARGEST_PICTURE)
                    return "" if sha256_of(Path(folder, "file")) == digest else "changed"
            now = remote.state(url)
        except (NotFetched, BadInput) as error:
            return "gone" if isinstance(error, NotFetched) and error.gone else "unreached"
        same = now.size in (None, size) and now.version == version and digest is not None
        return "" if same else "changed"

    def _written(self, path: str, recorded: RecordedFile) -> str:
        if is_in_tar(path):
            kind = self._in_tar(path, recorded)
        else:
            kind = self._state(path, recorded["size"], recorded["mtime_ns"], recorded["sha256"])
        return {"gone": "missing", "changed": "damaged"}.get(kind, "")

    def _in_tar(self, path: str, recorded: RecordedFile) -> str:
        """As `_state`, of a file in a tar: that is read, unless the tar is as it was left."""
        try:
            size, tar = self._tars.size_of(path), os.path.dirname(path)
            if size is None:
                return "gone"
            if tar not in self._left:
                self._left[tar] = is_as_left(Path(tar))
            if size != recorded["size"] or self.depth == "stat" or (self._left[tar] and self.depth == "usual"):
                return "" if size == recorded["size"] else "changed"
            same = hashlib.sha256(self._tars.read(path)).hexdigest() == recorded["sha256"]
            return "" if same else "changed"
        except OSError:
            return "gone"

    def _state(self, path: str, size: int, mtime_ns: int, sha256: str | None) -> str:
        """Whether a file is "gone" or "changed"; "" where it is as recorded. Without a digest it changed at once."""
        try:
            stat = os.stat(path)
            if not S_ISREG(stat.st_mode):
                return "gone"
            if sha256 is None or stat.st_size != size:
                return "changed"
            if stat.st_mtime_ns == mtime_ns and self.depth != "content":
                return ""
            if self.depth == "stat":
                self.untold += 1
                return ""
            return "" if sha256_of(path) == sha256 else "changed"
        except OSError:
            return "gone"


def check_lines(lines: Iterable[JournalLine], checker: LineChecker) -> Iterator[tuple[JournalLine, list[LineFault]]]:
    """Each line, and what is wrong with its files. Threads do it: a network's file system answers late."""
    rest = iter(lines)
    with closing(checker), ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="verify") as threads:
        while ahead := list(islice(rest, _AT_ONCE * _GROUP)):
            groups = [ahead[first : first + _GROUP] for first in range(0, len(ahead), _GROUP)]
            for group, found in zip(
                groups, threads.map(lambda group: [*map(checker.faults, group)], groups), strict=True
            ):
                yield from zip(group, found, strict=True)


def _old_file(path: str, depth: Depth) -> str:
    """What is wrong with a file of which its line says nothing."""
    try:
        if not os.path.isfile(path):
            return "missing"
        return "" if depth == "stat" or not path.lower().endswith(".png") or _is_whole_png(path) else "damaged"
    except OSError:
        return "damaged"


def _is_whole_png(path: str) -> bool:
    """Whether the file is a PNG to its end, and all of its chunks have their checksums."""
    with open(path, "rb") as file:
        if file.read(len(_PNG)) != _PNG:
            return False
        while len(head := file.read(8)) == 8:
            body, check = file.read(int.from_bytes(head[:4], "big")), file.read(4)
            if check != zlib.crc32(head[4:] + body).to_bytes(4, "big"):
                return False
            if head[4:] == b"IEND":
                return True
    return False
