"""Results on disk: one safetensors file and one JSON sidecar per entry, in folders named by the key's first digits.

The tensors are written first, the sidecar last, each beside its place and then renamed, so the sidecar is what makes an
entry exist. It names the tensors by their checksum and has one of its own: a damaged or half-written entry is ignored
and rebuilt, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load, save

from api_graph.errors import ApiGraphError, ApiGraphWarning
from api_graph.executor.cache_files import held_files, remove, write_whole
from api_graph.executor.entry import Entry
from api_graph.executor.memory import GIB
from api_graph.executor.storage import pack, unpack
from api_graph.spec import NodeSpec

_FORMAT = 2
_PRUNE_TO = 0.8  # of the limit, so that not every write prunes
_LOOK_AFTER = 0.05  # of the limit, written by this process, between two looks at the total
_PATIENCE = 10.0  # seconds to wait for another process that prunes
_ORPHAN_AGE = 3600.0  # seconds; younger files may belong to somebody who is still writing


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
        sidecar = self._sidecar(key)
        try:
            text = sidecar.read_bytes()
        except OSError:
            return None
        try:
            entry = self._read(key, spec, text)
        except (FileNotFoundError, MemoryError, torch.cuda.OutOfMemoryError):
            return None  # no damage: another process prunes just now, or there is no room for the tensors
        except Exception as error:  # whatever a damaged file makes of a parser
            self._discard(key)
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

    def _sidecar(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def _tensors(self, key: str, checksum: str) -> Path:
        """Named by their content, so that two writers of one key cannot mix their files."""
        return self.folder / key[:2] / f"{key}.{checksum[:16]}.safetensors"

    def _read(self, key: str, spec: NodeSpec, text: bytes) -> Entry:
        document = json.loads(text)
        held = document["entry"]
        if document["checksum"] != _checksum(held):
            raise ValueError("its sidecar does not match its checksum")
        if (held["format"], held["key"], held["node"], held["version"]) != (_FORMAT, key, spec.id, spec.version):
            raise ValueError("its sidecar belongs to another entry")
        tensors = {}
        if held["tensors"] is not None:
            data = self._tensors(key, held["tensors"]).read_bytes()
            if hashlib.sha256(data).hexdigest() != held["tensors"]:
                raise ValueError("its tensors do not match their checksum")
            tensors = load(data)
        return Entry(unpack(tensors, held["outputs"], spec), held["ui"])

    def _write(self, key: str, entry: Entry, spec: NodeSpec) -> int:
        """Returns the number of bytes written: 0 for an entry that would fill the cache alone."""
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
            write_whole(self._tensors(key, checksum), data)
        write_whole(self._sidecar(key), text)
        return size

    def _discard(self, key: str) -> None:
        for path in (self._sidecar(key), *self._sidecar(key).parent.glob(f"{key}.*.safetensors")):
            with suppress(OSError):
                path.unlink()

    # ------------------------------------------------------------------------------------------ all of them

    def _look_at_total(self, written: int) -> None:
        """Prune when there is too much. Looking takes a while, so it is done now and then."""
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
            if remove(entry):
                total, removed = total - entry.bytes, removed + 1
        for orphan in held.values():
            if orphan.read is None and orphan.newest < time.time() - _ORPHAN_AGE:
                remove(orphan)
        return removed


def _checksum(held: Any) -> str:
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
