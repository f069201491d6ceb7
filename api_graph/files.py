"""Files that users name: digests of their content for cache keys, whole writes, and paths that may be anything."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from stat import S_IFDIR, S_IFMT, S_IFREG
from typing import IO, Literal, NamedTuple

_CHUNK = 1 << 20
_SETTLED_NS = 2 * 10**9
"""A file that changed less than this before may change once more without a new time: some clocks tick in seconds."""
_MOST_DIGESTS = 65536
_ATTEMPTS = 3


PictureKind = Literal["png", "jpeg", "webp"]

QUALITY = 90
"""Of JPEG and WebP, where nobody says."""


class PictureFormat(NamedTuple):
    """How a picture is written: `png` as it is, `jpeg` and `webp` with a loss that `quality` (1..100) makes less."""

    kind: PictureKind = "png"
    quality: int = QUALITY

    @property
    def ending(self) -> str:
        """Of the file's name."""
        return ".jpg" if self.kind == "jpeg" else f".{self.kind}"


class SaveFormats(NamedTuple):
    """How a run writes images, and how heatmaps."""

    image: PictureFormat = PictureFormat()
    heatmap: PictureFormat = PictureFormat()


ALL_PNG = SaveFormats()


class FileState(NamedTuple):
    """By what a change of a file is seen. Unlike its size and its time of change, nobody sets inode and ctime."""

    path: str
    device: int
    inode: int
    size: int
    changed_ns: int
    status_ns: int

    @classmethod
    def of(cls, path: str, stat: os.stat_result) -> FileState:
        """The state of the file at `path`, from what `os.stat` says of it."""
        return cls(path, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


_digests: dict[FileState, str] = {}
_digests_lock = threading.Lock()
_noted: ContextVar[dict[FileState, str] | None] = ContextVar("noted", default=None)


@contextmanager
def files_noted() -> Iterator[dict[FileState, str]]:
    """The states in which `sha256_of` sees files meanwhile, in this thread, and their digests."""
    states: dict[FileState, str] = {}
    token = _noted.set(states)
    try:
        yield states
    finally:
        _noted.reset(token)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """sha256 of a file's bytes, in hexadecimal; computed again only when its `FileState` differs. Raises OSError."""
    where = os.path.abspath(path)
    state = FileState.of(where, os.stat(where))
    digest = _digests.get(state)
    if digest is None:
        digest, state = _hashed(where)
    states = _noted.get()
    if states is not None:
        states[state] = digest
    return digest


def _hashed(path: str) -> tuple[str, FileState]:
    """The digest of a file, and the state that it had before: read again where it changes meanwhile."""
    attempts = 0
    while True:
        attempts += 1
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            before = FileState.of(path, os.fstat(file.fileno()))
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            after = FileState.of(path, os.fstat(file.fileno()))
        if before == after or attempts == _ATTEMPTS:
            break
    if before == after and time.time_ns() - after.status_ns > _SETTLED_NS:
        with _digests_lock:
            while len(_digests) >= _MOST_DIGESTS:
                del _digests[next(iter(_digests))]
            _digests[before] = digest.hexdigest()
    return digest.hexdigest(), before


@contextmanager
def whole_file(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A file to write that becomes `path` at the end, if all went well: nobody sees half of it.

    Missing folders are made. With `sync` it is on the disk by then, and not only on its way there. A device or a pipe,
    such as /dev/stdout, is written itself: no file may take its place. Raises OSError.
    """
    try:
        plain = S_IFMT(os.stat(path).st_mode) in (S_IFREG, S_IFDIR) and os.path.dirname(path) != "/dev"
    except OSError:  # there is none yet
        plain = True
    if not plain:
        with open(path, "wb") as file:
            yield file
        return
    part = path.parent / f".{secrets.token_hex(8)}.part"
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
