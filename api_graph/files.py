"""Files that users name: what they hold, as cache keys need it, and paths that may be anything."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

_CHUNK = 1 << 20


def sha256_of(path: str | os.PathLike[str]) -> str:
    """sha256 of a file's bytes; computed again only when its size or time of change differs. Raises OSError."""
    stat = os.stat(path)
    return _sha256(os.path.abspath(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65536)
def _sha256(path: str, size: int, changed_ns: int) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# `pathlib` raises for an unknown user, for links in a circle and for names that are too long; `os.path` does not.


def expanded(path: str | os.PathLike[str]) -> Path:
    """`path` with `~` and `~user` followed, as far as there is such a user."""
    return Path(os.path.expanduser(path))


def real_path(path: str | os.PathLike[str]) -> Path:
    """`path`, absolute, with links followed as far as they lead anywhere."""
    return Path(os.path.realpath(path))
