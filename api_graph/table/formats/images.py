"""Pictures as a table of one column: those in a folder and the folders in it, or those that a glob matches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.folders import inside
from api_graph.table.row import Found, row_of

SUFFIXES = frozenset(
    f".{name}"
    for name in ("png", "jpg", "jpeg", "jfif", "webp", "gif", "bmp", "tif", "tiff", "ppm", "avif", "jp2", "mpo")
)
"""Endings of the pictures that `pixels.read` reads."""

_MAGIC = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"([0-9]+)")


class ImageNames:
    """The column `image`: names relative to `folder`, with "/", in the order in which people count (2 before 10).

    Hidden files and folders are left out. So are links that lead out of the folder, and links to folders: what these
    hold is listed where it lies. `pattern` (parts of a glob) leaves out what it does not match.
    """

    def __init__(self, folder: Path, pattern: Sequence[str] = ("**",)) -> None:
        self._folder = folder
        self._pattern = (*pattern, "*") if pattern[-1] == "**" else tuple(pattern)
        self._depth = None if "**" in pattern else len(pattern)

    def columns(self) -> tuple[str, ...]:
        """`image` alone."""
        return ("image",)

    def count(self) -> int:
        """How many pictures there are."""
        return sum(1 for _ in self._names())

    def __iter__(self) -> Iterator[Found]:
        return (row_of({"image": name}, name) for name in self._names())

    def _names(self) -> Iterator[str]:
        return (name for name in self._walk("", 1) if _matches(name.split("/"), self._pattern))

    def _walk(self, below: str, depth: int) -> Iterator[str]:
        for item in self._listed(below):
            name = below + item.name
            if item.is_dir(follow_symlinks=False):
                if self._depth is None or depth < self._depth:
                    yield from self._walk(f"{name}/", depth + 1)
            elif self._is_picture(item, name):
                yield name

    def _is_picture(self, item: os.DirEntry[str], name: str) -> bool:
        if os.path.splitext(name)[1].lower() not in SUFFIXES or not item.is_file():
            return False
        return not item.is_symlink() or inside(self._folder, name) is not None

    def _listed(self, below: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder / below) as items:
                return sorted((item for item in items if not item.name.startswith(".")), key=_natural)
        except OSError as error:
            where = str(self._folder / below)
            reason = error.strerror or error
            raise BadInput(
                f"the folder cannot be read ({reason})", input="ROWS", value=where, hint="Check its permissions."
            ) from error


def is_glob(source: str) -> bool:
    """Whether a path holds one of `*`, `?` and `[`."""
    return bool(_MAGIC.search(source))


def split_glob(source: Path) -> tuple[Path, tuple[str, ...]]:
    """The part of a glob that is fixed, and the parts that follow: `a/b/**/*.png` is `a/b` and (`**`, `*.png`)."""
    parts = source.parts
    fixed = next((i for i, part in enumerate(parts) if is_glob(part)), len(parts))
    return Path(*parts[:fixed]), parts[fixed:]


def _natural(item: os.DirEntry[str]) -> tuple[list[str | int], str]:
    """Texts and numbers by turns, and so comparable; the name itself tells "1" from "01"."""
    return [int(part) if i % 2 else part for i, part in enumerate(_NUMBER.split(item.name))], item.name


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a name, in parts, is one that a glob, in parts, stands for; `**` is any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
