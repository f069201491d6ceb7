"""Results on disk: one safetensors file and one JSON sidecar per entry, in folders named by the key's first digits.

The tensors are written first and the sidecar last, each under another name and then renamed, so that the sidecar makes
the entry exist. It names the tensors by their checksum and has one of its own: a damaged or half-written entry is
ignored and rebuilt, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock, Timeout

from api_graph.errors import ApiGraphError, ApiGraphWarning
from api_graph.spec import NodeSpec

if TYPE_CHECKING:
    from api_graph.executor.cache.entry import Entry

GIB = 1 << 30

_FORMAT = 2
_PART = ".part"
_SHARD = re.compile("[0-9a-f]{2}")
_OURS = re.compile(rf"[0-9a-f]{{64}}\..+|\.[0-9a-f]{{32}}{re.escape(_PART)}")
_PRUNE_TO = 0.8  # of the limit, so that not every write prunes
_LOOK_AFTER = 0.05  # of the limit, written by this process, between two looks at the total
_PATIENCE = 10.0  # seconds to wait for another process that prunes
_ORPHAN_AGE = 3600.0  # seconds; younger files may belong to a process that is still writing


class CacheInfo(NamedTuple):
    """What a disk cache holds."""

    folder: Path
    entries: int
    bytes: int
    limit: int


class DiskCache:
    """Entries by key, at most about `limit` bytes of them; the ones unread for longest go first.

    Several threads and processes may use one folder at once. A full disk or an unwritable folder costs the caching,
    with one warning, never the run.
    """

    def __init__(self, folder: str | os.PathLike[str], limit: int = 4 * GIB) -> None:
        self.folder, self.limit = Path(folder), limit
        self._unwritable = False
        self._unstorable: set[str] = set()
        self._before_look = 0.0  # bytes that may be written until the total is looked at again
        self._lock = threading.Lock()

    def get(self, key: str, spec: NodeSpec) -> Entry | None:
        """The entry, or None when there is none that can be trusted."""
        sidecar = self._path(key)
        try:
            text = sidecar.read_bytes()
        except OSError:
            return None
        try:
            entry = self._read(key, spec, text)
        except (FileNotFoundError, MemoryError):
            return None  # no damage: another process prunes just now, or there is no room for the tensors
        except Exception as error:  # whatever a damaged file makes of a parser
            self.discard(key)
            problem = f"a damaged cache entry is rebuilt ({spec.id}: {type(error).__name__}: {error})"
            warnings.warn(problem, ApiGraphWarning, stacklevel=2)
            return None
        with suppress(OSError):
            os.utime(sidecar)
        return entry

    def put(self, key: str, entry: Entry, spec: NodeSpec) -> None:
        """Write the entry. What cannot be written costs one warning: per cache for a disk, per node for a value."""
        if self._unwritable or spec.id in self._unstorable:
            return
        try:
            written = self._write(key, entry, spec)
        except OSError as error:
            with self._lock:
                known, self._unwritable = self._unwritable, True
            if not known:
                reason = error.strerror or error
                problem = f"results are not kept on disk: {self.folder} cannot be written ({reason})"
                warnings.warn(problem, ApiGraphWarning, stacklevel=2)
        except Exception as error:  # a value that is not what its socket promises; safetensors has its own errors
            with self._lock:
                known = spec.id in self._unstorable
                self._unstorable.add(spec.id)
            if not known:
                problem = f"results of {spec.id} are not kept on disk ({type(error).__name__}: {error})"
                warnings.warn(problem, ApiGraphWarning, stacklevel=2)
        else:
            if written:
                self._look_at_total(written)

    def discard(self, key: str) -> None:
        """Remove the entry, if there is one."""
        sidecar = self._path(key)
        for path in (sidecar, *sidecar.parent.glob(f"{key}.*.safetensors")):
            with suppress(OSError):
                path.unlink()

    def info(self) -> CacheInfo:
        """Number of entries and bytes now."""
        held = held_files(self.folder).values()
        return CacheInfo(self.folder, sum(h.read is not None for h in held), sum(h.bytes for h in held), self.limit)

    def prune(self, to: int) -> int:
        """Remove the entries unread for longest until at most `to` bytes are left; returns how many went.

        Raises ApiGraphError when the folder cannot be written, or another process goes on pruning it.
        """
        if not self.folder.is_dir():
            return 0
        try:
            with FileLock(self.folder / "prune.lock", timeout=_PATIENCE):
                return self._prune(to)
        except Timeout:
            raise ApiGraphError(f"{self.folder} is being pruned by another process. Try again.") from None
        except OSError as error:
            raise ApiGraphError(f"{self.folder} cannot be written ({error.strerror or error}).") from None

    def clear(self) -> int:
        """Remove every entry; returns how many there were. Raises what `prune` does."""
        return self.prune(-1)

    # ------------------------------------------------------------------------------------------ one entry

    def _path(self, key: str, checksum: str | None = None) -> Path:
        """The entry's sidecar, or the tensors with this checksum: named by it, so that two writers never mix files."""
        return self.folder / key[:2] / (f"{key}.json" if checksum is None else f"{key}.{checksum[:16]}.safetensors")

    def _read(self, key: str, spec: NodeSpec, text: bytes) -> Entry:
        from api_graph.executor.cache.entry import Entry, unpack  # here, for who only looks at the folder

        document = json.loads(text)
        held = document["entry"]
        if document["checksum"] != _checksum(held):
            raise ValueError("its sidecar does not match its checksum")
        if (held["format"], held["key"], held["node"], held["version"]) != (_FORMAT, key, spec.id, spec.version):
            raise ValueError("its sidecar belongs to another entry")
        if held["tensors"] is None:  # nobody waits for torch who reads numbers and texts
            return Entry(unpack({}, held["outputs"], spec), held["ui"])
        data = self._path(key, held["tensors"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != held["tensors"]:
            raise ValueError("its tensors do not match their checksum")
        import torch
        from safetensors.torch import load

        try:
            return Entry(unpack(load(data), held["outputs"], spec), held["ui"])
        except torch.cuda.OutOfMemoryError as error:
            raise MemoryError from error

    def _write(self, key: str, entry: Entry, spec: NodeSpec) -> int:
        """Returns the number of bytes written: 0 for an entry that would fill the cache alone."""
        from safetensors.torch import save

        from api_graph.executor.cache.entry import pack

        tensors, described = pack(entry, spec)
        data = save(tensors) if tensors else None
        checksum = None if data is None else hashlib.sha256(data).hexdigest()
        held = {
            "format": _FORMAT,
            "key": key,
            "node": spec.id,
            "version": spec.version,
            "tensors": checksum,
            "outputs": described,
            "ui": entry.ui,
        }
        text = json.dumps({"checksum": _checksum(held), "entry": held}).encode()
        size = len(text) + len(data or b"")
        if size > self.limit:
            return 0
        if data is not None and checksum is not None:
            write_whole(self._path(key, checksum), data)
        write_whole(self._path(key), text)
        return size

    # ------------------------------------------------------------------------------------------ all of them

    def _look_at_total(self, written: int) -> None:
        """Prune when there is too much. Looking takes a while, so it is done only after every so many bytes."""
        with self._lock:
            self._before_look -= written
            if self._before_look > 0:
                return
            self._before_look = self.limit * _LOOK_AFTER
        with suppress(Timeout, OSError), FileLock(self.folder / "prune.lock", timeout=0):
            self._prune(int(self.limit * _PRUNE_TO), over=self.limit)

    def _prune(self, to: int, *, over: int = -1) -> int:
        held = held_files(self.folder)
        total = sum(h.bytes for h in held.values())
        if total <= over:
            return 0
        removed = 0
        for entry in sorted((h for h in held.values() if h.read is not None), key=lambda h: h.read or 0.0):
            if total <= to:
                break
            if entry.remove():
                total, removed = total - entry.bytes, removed + 1
        for orphan in held.values():
            if orphan.read is None and orphan.newest < time.time() - _ORPHAN_AGE:
                orphan.remove()
        return removed


def _checksum(held: object) -> str:
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


# ------------------------------------------------------------------------------------------ files


@dataclass
class EntryFiles:
    """The files of one entry. `read` is when it was last read, None where it has no sidecar and so is no entry."""

    read: float | None = None
    newest: float = 0.0
    bytes: int = 0
    paths: list[str] = field(default_factory=list)

    def remove(self) -> bool:
        """Remove the files; whether the first one went."""
        try:
            os.unlink(self.paths[0])
        except OSError:
            return False
        for path in self.paths[1:]:
            with suppress(OSError):
                os.unlink(path)
        return True


def write_whole(path: Path, data: bytes) -> None:
    """Write under another name, then rename: a reader of `path` sees all of it or none. Raises OSError."""
    part = path.with_name(f".{uuid.uuid4().hex}{_PART}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("xb") as file:
            file.write(data)
        try:
            os.replace(part, path)
        except PermissionError:
            # Windows, while another process has the file open: so it is there already, under the same key.
            if not path.exists():
                raise
            part.unlink()
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def held_files(folder: Path) -> dict[str, EntryFiles]:
    """What lies in the cache, by key; what killed processes never renamed, by its own name."""
    held: dict[str, EntryFiles] = {}
    shards = [shard.path for shard in _listed(folder) if _SHARD.fullmatch(shard.name)]
    for item in (item for shard in shards for item in _listed(shard)):
        if not _OURS.fullmatch(item.name):
            continue  # the folder may hold other things than the cache
        try:
            stat = item.stat()
        except OSError:  # gone since it was listed
            continue
        files = held.setdefault(item.name if item.name.endswith(_PART) else item.name.partition(".")[0], EntryFiles())
        files.bytes += stat.st_size
        files.newest = max(files.newest, stat.st_mtime)
        if item.name.endswith(".json"):
            files.read = stat.st_mtime
            files.paths.insert(0, item.path)  # the first to be removed: without it there is no entry
        else:
            files.paths.append(item.path)
    return held


def _listed(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            yield from items
    except OSError:
        return
