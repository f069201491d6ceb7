"""The files of rows in tars, as webdataset has them: a sample for each row, called by the row's key.

A row's files are written as usual, and moved into the last tar before its line is. Until that line stands, what the tar
has of it does not count: the next run takes it out. A tar is whole after each append, with the two empty blocks at its
end, which the next append writes over.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

from api_graph.files import whole_file
from api_graph.table.journal import Record, RecordedFile, line_of, packed_key
from api_graph.table.output import row_folder, write_errors

FOLDER = "tars"
STATES = "states.json"
"""By a tar's name its size and its time of change when it was left: one that is so still need not be read."""
SMALLEST = 1 << 20

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_NOT_IN_A_WORD = re.compile("[^a-z0-9]+")
_LONGEST = 60
_TARS_KEPT = 4
_COPIED_AT_ONCE = 1 << 20
_SAFE_KEY = re.compile(r"[0-9a-f]{20}(-[0-9]+)?", re.ASCII)


class Member(NamedTuple):
    """A file in a tar: where its header begins, and its content, and the size of that."""

    name: str
    start: int
    content: int
    size: int

    @property
    def end(self) -> int:
        """Behind the last of its blocks."""
        return self.content + -(-self.size // _BLOCK) * _BLOCK

    @property
    def key(self) -> str:
        """That of the row which it is of."""
        return self.name.partition(".")[0]


class RowTars:
    """The tars of a folder, open for appending. `most` is how many bytes a tar has, unless its only row has more.

    What they have of rows that are not `finished` (by their packed keys), and what a killed run has left of rows that
    are, is taken out first. Raises WriteFailed.
    """

    def __init__(self, folder: Path, output: Path, most: int, finished: Collection[bytes]) -> None:
        self._folder, self._output, self._most = folder, output, most
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tars = sorted(folder.glob("*.tar"))
            for path in tars:
                _keep(path, finished)
            _clear_finished(output, finished)
        self._path = tars[-1] if tars else folder / _name(0)
        self._end = max((member.end for member in members_of(self._path)), default=0) if tars else 0

    def take(self, records: Sequence[Record], names: Mapping[str, str]) -> list[Path]:
        """Append the rows of these records, and change their records to say so.

        `names` are those of results, by node id. Returns the folders that are not needed once the records stand in the
        journal. Raises WriteFailed.
        """
        folders: list[Path] = []
        for record in records:
            blocks, renamed = self._sample(record, names)
            size = sum(map(len, blocks))
            if self._end and self._end + size + len(_END) > self._most:
                self._path, self._end = self._folder / _name(int(self._path.stem) + 1), 0
            with write_errors(self._path), open(self._path, "r+b" if self._path.exists() else "w+b") as file:
                file.seek(self._end)
                file.writelines(blocks)
                file.write(_END)
                file.truncate()
            self._end += size
            place = self._path.relative_to(self._output).as_posix()
            _rename(record, {old: f"{place}/{new}" for old, new in renamed.items()})
            folders.append(row_folder(self._output, record["key"]))
        return folders

    def _sample(self, record: Record, names: Mapping[str, str]) -> tuple[list[bytes], dict[str, str]]:
        """The blocks of a row's files, and their new names by the old ones."""
        key, blocks, renamed = record["key"], list[bytes](), dict[str, str]()
        taken = {"json", "maps"}
        for id, files in record["files"].items():
            word = _word(names.get(id, id))
            word = word if word and word not in taken else f"{word or 'node'}-{_word(id)}"
            taken.add(word)
            for number, name in enumerate(files, 1):
                numbered = word if len(files) == 1 else f"{word}-{number}"
                renamed[name] = f"{key}.{numbered}{Path(name).suffix.lower()}"
        if (maps := record.get("maps", "")).endswith(".npz"):
            renamed[maps] = f"{key}.maps.npz"
        for name, new in list(renamed.items()):
            try:
                content = (self._output / name).read_bytes()
            except OSError:  # then `verify` says so
                del renamed[name]
                continue
            blocks += _member(new, content)
        results = {
            title: {output: value for output, value in given.items() if output != "files"}
            for title, given in record.get("results", {}).items()
        }
        results = {title: given for title, given in results.items() if given}
        facts = {"row": record["row"], "ok": record["ok"], "values": record["values"], "results": results}
        return [*_member(f"{key}.json", line_of(facts)), *blocks], renamed

    def close(self) -> None:
        """Note the state in which the tars are left, and remove empty folders. Raises WriteFailed."""
        states = {path.name: _state(path) for path in sorted(self._folder.glob("*.tar"))}
        with write_errors(self._folder), whole_file(self._folder / STATES) as file:
            file.write(json.dumps(states).encode())
        if self._folder.parent == self._output:  # of a shard, others may be writing there
            for folder in (*self._output.glob("files/*"), self._output / "files"):
                with suppress(OSError):
                    folder.rmdir()


def remove(folders: Sequence[Path]) -> None:
    """Remove the folders of rows whose files are in tars by now. Raises WriteFailed."""
    for folder in folders:
        with write_errors(folder):
            shutil.rmtree(folder, ignore_errors=not folder.exists())


def _name(number: int) -> str:
    return f"{number:06}.tar"


def _word(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_A_WORD.sub("-", plain).strip("-")[:_LONGEST]


def _member(name: str, content: bytes) -> list[bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return [info.tobuf(tarfile.GNU_FORMAT), content, bytes(-len(content) % _BLOCK)]


def _rename(record: Record, renamed: Mapping[str, str]) -> None:
    """Have the record say where its files are now: by node, among what was written, and in its results."""
    record["files"] = {id: [renamed.get(name, name) for name in names] for id, names in record["files"].items()}
    written = record.get("written", {})
    record["written"] = {renamed.get(name, name): _without_time(state) for name, state in written.items()}
    for given in record.get("results", {}).values():
        if isinstance(files := given.get("files"), list):
            files[:] = [renamed.get(str(name), name) for name in files]
    if "maps" in record:
        record["maps"] = renamed.get(record["maps"], record["maps"])


def _without_time(state: RecordedFile) -> RecordedFile:
    return {**state, "mtime_ns": 0}


def _state(path: Path) -> list[int]:
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns]


# ------------------------------------------------------------------------------------------ what a killed run has left


def _keep(path: Path, finished: Collection[bytes]) -> None:
    """Take out of a tar what is not of finished rows, and what is not whole. Raises OSError."""
    members = members_of(path)
    kept = [member for member in members if _SAFE_KEY.fullmatch(member.key) and packed_key(member.key) in finished]
    end = max((member.end for member in kept), default=0)
    if kept == members[: len(kept)]:
        if path.stat().st_size != end + len(_END) or len(kept) < len(members):
            with path.open("r+b") as file:
                file.truncate(end)
                file.seek(end)
                file.write(_END)
        return
    with path.open("rb") as old, whole_file(path) as new:
        for member in kept:
            old.seek(member.start)
            left = member.end - member.start
            while left:
                new.write(old.read(min(left, _COPIED_AT_ONCE)))
                left -= min(left, _COPIED_AT_ONCE)
        new.write(_END)


def _clear_finished(output: Path, finished: Collection[bytes]) -> None:
    """Remove the folders of rows that are in tars: a run was killed before it did."""
    for folder in output.glob("files/*/*"):
        if _SAFE_KEY.fullmatch(folder.name) and packed_key(folder.name) in finished:
            shutil.rmtree(folder)


def members_of(path: Path) -> list[Member]:
    """The whole members of a tar, up to one that is cut short. Raises OSError."""
    size, found = path.stat().st_size, list[Member]()
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                member = Member(info.name, info.offset, info.offset_data, info.size)
                if member.end > size:
                    break
                found.append(member)
    except tarfile.TarError:  # an empty file, or the rest of a header
        pass
    return found


# ------------------------------------------------------------------------------------------ reading


def is_in_tar(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a file in a tar: what would be its folder is one."""
    return os.path.isfile(os.path.dirname(path))


class TarReader:
    """Files in tars, by the paths that results have for them. Thread-safe; indexes of the last few tars are kept."""

    def __init__(self) -> None:
        self._indexes: OrderedDict[tuple[str, int, int], dict[str, Member]] = OrderedDict()
        self._lock = threading.Lock()

    def size_of(self, path: str | os.PathLike[str]) -> int | None:
        """The size of a file; None where there is none."""
        member = self._member(path)
        return None if member is None else member.size

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """A file's content. Raises OSError."""
        member = self._member(path)
        if member is None:
            raise FileNotFoundError(f"{os.path.basename(path)} is not in {os.path.dirname(path)}")
        with open(os.path.dirname(path), "rb") as tar:
            tar.seek(member.content)
            return tar.read(member.size)

    def _member(self, path: str | os.PathLike[str]) -> Member | None:
        tar, name = os.path.split(path)
        stat = os.stat(tar)
        state = tar, stat.st_size, stat.st_mtime_ns
        with self._lock:
            if state not in self._indexes:
                self._indexes[state] = {member.name: member for member in members_of(Path(tar))}
                if len(self._indexes) > _TARS_KEPT:
                    self._indexes.popitem(last=False)
            self._indexes.move_to_end(state)
            return self._indexes[state].get(name)


_reader = TarReader()


@contextmanager
def opened_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file of the results to read, be it in a tar or by itself. Raises OSError."""
    if is_in_tar(path):
        yield BytesIO(_reader.read(path))
    else:
        with Path(path).open("rb") as file:
            yield file


def is_as_left(tar: Path) -> bool:
    """Whether a tar has the size and the time that it was left with. Raises nothing."""
    try:
        return bool(json.loads((tar.parent / STATES).read_bytes()).get(tar.name) == _state(tar))
    except (OSError, ValueError, AttributeError):
        return False
