"""The files of a disk cache: written whole or not at all, listed in one pass."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PART = ".part"
_SHARD = re.compile("[0-9a-f]{2}")
_OURS = re.compile(rf"[0-9a-f]{{64}}\..+|\.[0-9a-f]{{32}}{re.escape(PART)}")


@dataclass
class Held:
    """The files of one entry. `read` is when it was last read, None where it has no sidecar and so is no entry."""

    read: float | None = None
    newest: float = 0.0
    bytes: int = 0
    paths: list[str] = field(default_factory=list)


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, then rename: whoever reads `path` sees all of it or none. Raises OSError."""
    beside = path.with_name(f".{uuid.uuid4().hex}{PART}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with beside.open("xb") as file:
            file.write(data)
        try:
            os.replace(beside, path)
        except PermissionError:
            # Windows, while another process has the file open: so it is there already, under the same key.
            if not path.exists():
                raise
            beside.unlink()
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def held_files(folder: Path) -> dict[str, Held]:
    """What lies in the cache, by key; what killed processes never renamed, by its own name."""
    held: dict[str, Held] = {}
    for shard in _listed(folder):
        if _SHARD.fullmatch(shard.name):
            for item in _listed(Path(shard.path)):
                if not _OURS.fullmatch(item.name):
                    continue  # somebody has made a folder of other things the cache
                key = item.name if item.name.endswith(PART) else item.name.partition(".")[0]
                with suppress(OSError):  # gone since it was listed
                    stat = item.stat()
                    _count(held.setdefault(key, Held()), item, stat)
    return held


def _count(held: Held, item: os.DirEntry[str], stat: os.stat_result) -> None:
    held.bytes += stat.st_size
    held.newest = max(held.newest, stat.st_mtime)
    if item.name.endswith(".json"):
        held.read = stat.st_mtime
        held.paths.insert(0, item.path)  # the first to be removed: without it there is no entry
    else:
        held.paths.append(item.path)


def remove(held: Held) -> bool:
    """Remove an entry's files; whether its first one went."""
    try:
        os.unlink(held.paths[0])
    except OSError:
        return False
    for path in held.paths[1:]:
        with suppress(OSError):
            os.unlink(path)
    return True


def _listed(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            yield from items
    except OSError:
        return
