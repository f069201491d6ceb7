"""Results on disk: one safetensors file and one JSON sidecar per entry, in folders named by the key's first digits.

The tensors are written first, the sidecar last, each beside its place and then renamed, so the sidecar is what makes an
entry exist. It holds a checksum of both: a damaged or half-written entry is ignored and rebuilt, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load, save

from api_graph.errors import ApiGraphWarning
from api_graph.executor.keys import digest
from api_graph.executor.memory import GIB, Entry
from api_graph.executor.storage import pack, unpack
from api_graph.spec import NodeSpec

_FORMAT = 1
_PRUNE_EVERY = 64  # entries written between two looks at the total
_PRUNE_TO = 0.8  # of the limit, so that not every write prunes


class CacheInfo(NamedTuple):
    """What a disk cache holds."""

    folder: Path
    entries: int
    bytes: int
    limit: int


class DiskCache:
    """Entries by key, at most about `limit` bytes of them; the ones unread for longest go first.

    Several processes may use one folder at once. A full disk or an unwritable folder costs the caching, with one
    warning, never the run.
    """

    def __init__(self, folder: str | os.PathLike[str], limit: int = 4 * GIB) -> None:
        self.folder, self.limit = Path(folder), limit
        self._written = 0
        self._failed = False

    def get(self, key: str, spec: NodeSpec) -> Entry | None:
        """The entry, or None when there is none that can be trusted."""
        sidecar = self._path(key, ".json")
        try:
            text = sidecar.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        try:
            entry = self._read(key, spec, text)
        except (ValueError, KeyError, IndexError, TypeError, OSError, SafetensorError) as error:
            warnings.warn(f"a damaged cache entry is rebuilt ({spec.id}: {error})", ApiGraphWarning, stacklevel=2)
            self._remove(key)
            return None
        with suppress(OSError):
            os.utime(sidecar)
        return entry

    def put(self, key: str, entry: Entry, spec: NodeSpec) -> None:
        """Write the entry; on failure warn once and go on."""
        if self._failed:
            return
        try:
            self._write(key, entry, spec)
        except OSError as error:
            self._failed = True
            warnings.warn(f"results are not kept on disk: {error}", ApiGraphWarning, stacklevel=2)
            return
        self._written += 1
        if self._written % _PRUNE_EVERY == 0:
            self.prune(int(self.limit * _PRUNE_TO), over=self.limit)

    def info(self) -> CacheInfo:
        """Number of entries and bytes now."""
        sizes = [size for _, _, size in self._entries()]
        return CacheInfo(self.folder, len(sizes), sum(sizes), self.limit)

    def prune(self, to: int, *, over: int | None = None) -> int:
        """Remove the entries unread for longest until at most `to` bytes are left; returns how many went.

        With `over`, nothing happens unless the total exceeds it. Another process that prunes already is left to it.
        """
        try:
            with FileLock(self.folder / "prune.lock", timeout=0):
                entries = sorted(self._entries())
                total = sum(size for _, _, size in entries)
                if over is not None and total <= over:
                    return 0
                removed = 0
                for _, key, size in entries:
                    if total <= to:
                        break
                    self._remove(key)
                    total, removed = total - size, removed + 1
                self._sweep()
                return removed
        except (Timeout, OSError):
            return 0

    def clear(self) -> int:
        """Remove every entry; returns how many there were."""
        return self.prune(-1)

    # ------------------------------------------------------------------------------------------ files

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / key[:2] / (key + suffix)

    def _read(self, key: str, spec: NodeSpec, text: str) -> Entry:
        sidecar = json.loads(text)
        checksum = sidecar.pop("checksum")
        if checksum != digest(sidecar) or sidecar["format"] != _FORMAT or sidecar["key"] != key:
            raise ValueError("its sidecar does not match")
        tensors: dict[str, Any] = {}
        if sidecar["tensors"] is not None:
            data = self._path(key, ".safetensors").read_bytes()
            if hashlib.sha256(data).hexdigest() != sidecar["tensors"]:
                raise ValueError("its tensors do not match their checksum")
            tensors = load(data)
        return Entry(unpack(tensors, sidecar["outputs"], spec), sidecar["ui"])

    def _write(self, key: str, entry: Entry, spec: NodeSpec) -> None:
        tensors, described = pack(entry, spec)
        checksum = None
        if tensors:
            data = save(tensors)
            checksum = hashlib.sha256(data).hexdigest()
            _write_whole(self._path(key, ".safetensors"), data)
        sidecar = {
            "format": _FORMAT,
            "key": key,
            "node": spec.id,
            "version": spec.version,
            "tensors": checksum,
            "outputs": described,
            "ui": entry.ui,
        }
        sidecar["checksum"] = digest(sidecar)
        _write_whole(self._path(key, ".json"), json.dumps(sidecar).encode())

    def _entries(self) -> Iterator[tuple[float, str, int]]:
        """(last read, key, bytes) of each entry."""
        for sidecar in self.folder.glob("??/*.json"):
            with suppress(OSError):
                stat = sidecar.stat()
                size = stat.st_size
                with suppress(OSError):
                    size += sidecar.with_suffix(".safetensors").stat().st_size
                yield stat.st_mtime, sidecar.stem, size

    def _remove(self, key: str) -> None:
        for suffix in (".json", ".safetensors"):
            with suppress(OSError):
                self._path(key, suffix).unlink()

    def _sweep(self) -> None:
        """Remove what killed processes left an hour ago or more: tensors without a sidecar, files never renamed."""
        old = time.time() - 3600
        for path in [*self.folder.glob("??/*.safetensors"), *self.folder.glob("??/.*.part")]:
            with suppress(OSError):
                orphan = path.suffix == ".part" or not path.with_suffix(".json").exists()
                if orphan and path.stat().st_mtime < old:
                    path.unlink()


def _write_whole(path: Path, data: bytes) -> None:
    """Write beside, then rename: whoever reads `path` sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise
