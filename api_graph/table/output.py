"""The output folder of a table run: one run at a time writes to it, files appear whole, each row has its own folder.

The lock is the kernel's (`flock`) on DIR/.lock. It ends with the process that holds it, however that process ends. A
lock file that is left behind locks nothing. Over NFS, Linux asks the server, so machines see each other's locks; with
the mount options `nolock` and `local_lock=flock` only runs on the same machine do. On a file system without locks,
filelock either refuses, or creates a marker file that has to be removed by hand after a kill. To run on many machines
use `--shard`: each shard has a folder and a lock of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from api_graph import files
from api_graph.errors import BadInput, RunStopped

WRITTEN = ("files", "shards")
"""Folders that a run makes in its output folder."""

_LOCK = ".lock"
_HOLDER = ".lock.json"  # a second file, because on Windows nobody can read a locked one


class WriteFailed(RunStopped):
    """The output folder cannot be written, so the run cannot go on. What was written before is kept."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(path, reason)  # an exception is pickled by its arguments

    def __str__(self) -> str:
        hint = "Free some space, or make it writable, and run the same command again: what is finished is kept."
        return f"{self.path} cannot be written ({self.reason}). {hint}"


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into a WriteFailed that names `path`."""
    try:
        yield
    except OSError as error:
        raise WriteFailed(path, error.strerror or str(error)) from error


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """`files.whole_file`, synced to the disk at the end. Raises WriteFailed."""
    with write_errors(path), files.whole_file(path, sync=True) as file:
        yield file


def utc_now() -> str:
    """The time in ISO 8601, in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def row_folder(root: Path, key: str) -> Path:
    """The folder of one row's files, `root`/files/3f/3f9a...; even with a million rows no folder grows too large."""
    return root.joinpath("files", key[:2], key)


def clear_row_folders(root: Path, keys: Iterable[str]) -> None:
    """Remove what earlier attempts at these rows have left. Raises WriteFailed."""
    for key in keys:
        folder = row_folder(root, key)
        with write_errors(folder):
            if folder.exists():
                shutil.rmtree(folder)


@contextmanager
def output_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, which is created if missing.

    Raises BadInput while another run holds it, WriteFailed if it cannot be written.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise _locked(folder) from None
        except NotImplementedError as error:  # older versions of filelock
            raise WriteFailed(folder, "its file system has no locks") from error
    holder = folder / _HOLDER
    try:
        with whole_file(holder) as file:
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": utc_now()}).encode())
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def _locked(folder: Path) -> BadInput:
    try:
        holder = json.loads((folder / _HOLDER).read_bytes())
        who = f": process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, LookupError, TypeError):  # the other run has not written it yet
        who = ""
    return BadInput(
        f"another run is writing to this folder{who}",
        input="--out",
        value=str(folder),
        hint="Wait until it ends, stop it, or name another folder.",
    )
