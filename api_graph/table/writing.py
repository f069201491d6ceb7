"""Files of an output folder: there whole or not at all, and one clear error where a disk will not have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from api_graph import files
from api_graph.errors import RunStopped


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
    """Inside, an OSError is a WriteFailed that names `path`."""
    try:
        yield
    except OSError as error:
        raise WriteFailed(path, error.strerror or str(error)) from error


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """`files.whole_file`, on the disk at the end. Raises WriteFailed."""
    with write_errors(path), files.whole_file(path, sync=True) as file:
        yield file
