"""Pictures that lie inside a table: in a cell of a Parquet file, in a tar, or in the memory of a Python program.

A row has the name of such a picture where another row has the name of a file. The bytes go along with the row until
its chunk is run; for that time the picture is a file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from api_graph.folders import can_be_a_path

if TYPE_CHECKING:
    from PIL.Image import Image

    from api_graph.table.rows import Row

PNG_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "P", "RGB", "RGBA"})
"""Modes of pictures in memory that can become files for their chunk."""

_DIGITS = 20
"""Hexadecimal digits of a picture's digest that its name has: as many as a row's key."""


def embedded_name(content: bytes | Image, called: object = None) -> str:
    """The name that a row has for a picture: its digest, and below that what it was `called`, if it was.

    Pictures with one name are one picture. Of a path only its last part is taken.
    """
    digest = _digest(content)
    name = PurePosixPath(called.replace("\\", "/")).name if isinstance(called, str) else ""
    return f"{digest}/{name}" if name and name != ".." and can_be_a_path(name) else digest


def _digest(content: bytes | Image) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()[:_DIGITS]
    # Of a picture in memory its pixels count: the bytes that Pillow writes depend on its version.
    digest = hashlib.sha256(f"{content.mode} {content.size} {content.getpalette()}\n".encode())
    digest.update(content.tobytes())
    return digest.hexdigest()[:_DIGITS]


def bytes_of(content: bytes | Image) -> int:
    """How much memory it takes."""
    if isinstance(content, bytes):
        return len(content)
    return content.width * content.height * len(content.getbands())


@contextmanager
def as_files(rows: Iterable[Row], folder: str | os.PathLike[str]) -> Iterator[Path | None]:
    """A folder below `folder` in which the rows' pictures are files, each under its name; None if they have none."""
    pictures: dict[str, bytes | Image] = {}
    for row in rows:
        pictures.update(row.pictures)
    if not pictures:
        yield None
        return
    os.makedirs(folder, exist_ok=True)
    with TemporaryDirectory(prefix="rows-", dir=folder) as own:
        for name, content in pictures.items():
            path = Path(own, name)
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                content.save(path, "png", compress_level=1)
        yield Path(own)


NO_PICTURES: Mapping[str, bytes | Image] = {}  # one for all rows
