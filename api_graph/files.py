"""Files that users name: digests of their content for cache keys, whole writes, and paths that may be anything."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO

_CHUNK = 1 << 20


def sha256_of(path: str | os.PathLike[str]) -> str:
    """sha256 of a file's bytes, in hexadecimal; computed again only when its size or its time of change differs.

    Raises OSError.
    """
    stat = os.stat(path)
    return _sha256(os.path.abspath(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65536)
def _sha256(path: str, size: int, changed_ns: int) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digests(folder: Path, suffixes: Collection[str]) -> dict[str, str]:
    """sha256 by name of the files at the top of a folder that end in one of `suffixes`. Raises OSError."""
    files = sorted(path for path in folder.iterdir() if path.suffix in suffixes and path.is_file())
    return {path.name: sha256_of(path) for path in files}


@contextmanager
def whole_file(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A file to write that becomes `path` at the end, if all went well: nobody sees half of it.

    Missing folders are made. With `sync` it is on the disk by then, and not only on its way there. Raises OSError.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            file = open(part, "xb")  # noqa: SIM115 (closed below)
        except FileNotFoundError:  # rarely, and so it is not asked for each time
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(part, "xb")  # noqa: SIM115
        with file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:  # KeyboardInterrupt too
        with suppress(OSError):
            part.unlink()
        raise


# `pathlib` raises for an unknown user, for links in a circle and for names that are too long; `os.path` does not.


def expanded(path: str | os.PathLike[str]) -> Path:
    """`path` with `~` and `~user` followed, as far as there is such a user."""
    return Path(os.path.expanduser(path))


def real_path(path: str | os.PathLike[str]) -> Path:
    """`path`, absolute, with links followed as far as they lead anywhere."""
    return Path(os.path.realpath(path))


def name_below(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> str | None:
    """`path` as seen from `root`, with "/"; None where the names alone do not show that it lies there.

    No link is followed and no file looked at: pathlib would take its time over thousands of rows.
    """
    start, whole = os.path.join(os.fspath(root), ""), os.fspath(path)
    if not whole.startswith(start) or os.pardir in whole:
        return None
    return whole[len(start) :].replace(os.sep, "/")
