"""One run at a time writes to an output folder.

The lock is the kernel's (`flock`) on DIR/.lock: it ends with the process that holds it, however that ends, and a file
that is left behind locks nothing. Over NFS, Linux asks the server, so that runs on two machines see each other, unless
the mount says `nolock` or `local_lock=flock`: there only runs on one machine do. On a file system without any locks,
filelock either refuses or leaves a marker file, which has to be removed by hand after a kill. For many machines use
`--shard`: each part has a folder and a lock of its own.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from api_graph.errors import BadInput
from api_graph.table.writing import WriteFailed, whole_file, write_errors

_LOCK = ".lock"
_HOLDER = ".lock.json"  # not in the lock itself: Windows lets nobody read a locked file


@contextmanager
def output_lock(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is made where it is missing. Raises BadInput where another run does, WriteFailed."""
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise _held(folder) from None
        except NotImplementedError as error:  # older versions of filelock
            raise WriteFailed(folder, "its file system has no locks") from error
    holder = folder / _HOLDER
    try:
        _write_holder(holder)
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def _write_holder(path: Path) -> None:
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with whole_file(path) as file:
        file.write(json.dumps(holder).encode())


def _held(folder: Path) -> BadInput:
    return BadInput(
        f"another run is writing to this folder{_who(folder / _HOLDER)}",
        input="--out",
        value=str(folder),
        hint="Wait until it ends, stop it, or name another folder.",
    )


def _who(path: Path) -> str:
    """ " (process 4711 on HOST, since ...)", where the one that holds the lock has already said so."""
    try:
        holder = json.loads(path.read_bytes())
        return f": process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return ""
