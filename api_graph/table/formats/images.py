"""Pictures as a table with one column: all in a folder and its subfolders, or those that a glob matches."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.folders import inside
from api_graph.table.rows import RowContent, row_content

_HEIF = frozenset({".heic", ".heif", ".hif"})
_HAS_HEIF = find_spec("pillow_heif") is not None

SUFFIXES = frozenset(
    f".{name}"
    for name in ("png", "jpg", "jpeg", "jfif", "webp", "gif", "bmp", "tif", "tiff", "ppm", "avif", "jp2", "mpo")
) | (_HEIF if _HAS_HEIF else frozenset())
"""Endings of the pictures that `pixels.read` reads."""

_RAW = "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
_OTHER = (
    "ai apng cdr cur dcm dds dib djvu emf eps exr fits hdr icns ico indd j2k j2c jpe jpf jpx jxl jxr kra nii pbm pcx "
    "pdf pgm pic pnm psb psd qoi sgi svg svgz tga wdp wmf xcf"
)
_VIDEOS = "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv webm wmv"
_PASSED_OVER = frozenset(f".{name}" for name in f"{_RAW} {_OTHER} {_VIDEOS}".split()) | (_HEIF - SUFFIXES)
"""Endings of pictures and videos that are no rows, but might be meant as such."""

_MAGIC = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"([0-9]+)")


class ImageNames:
    """The column `image`: names relative to `folder`, with "/", in natural order (2 before 10).

    Hidden files and folders are left out, and so are links that lead out of the folder. Links to folders are not
    followed: their files are listed where they really are. `pattern` is a glob, split at "/": only what it matches is
    listed.
    """

    columns = ("image",)

    def __init__(self, folder: Path, pattern: Sequence[str] = ("**",)) -> None:
        self._folder = folder
        self.pattern = (*pattern, "*") if pattern[-1] == "**" else tuple(pattern)
        self._depth = None if "**" in pattern else len(pattern)

    def count(self) -> int:
        """Number of pictures."""
        return sum(1 for _ in self.names())

    def __iter__(self) -> Iterator[RowContent]:
        return (row_content({"image": name}, name) for name in self.names())

    def names(
        self, is_skipped: Callable[[str], bool] = lambda _: False, passed_over: Counter[str] | None = None
    ) -> Iterator[str]:
        """The names of the pictures. `is_skipped` says of a folder below, by its name, whether to leave it out.

        `passed_over` counts by ending what looks like a picture or a video, and is none that can be read.
        """
        for name in self._walk("", 1, is_skipped):
            if _matches(name.split("/"), self.pattern):
                ending = os.path.splitext(name)[1].lower()
                if ending in SUFFIXES:
                    yield name
                elif passed_over is not None:
                    passed_over[ending] += 1

    def _walk(self, below: str, depth: int, is_skipped: Callable[[str], bool]) -> Iterator[str]:
        for item in self._listed(below):
            name = below + item.name
            if item.is_dir(follow_symlinks=False):
                if (self._depth is None or depth < self._depth) and not is_skipped(name):
                    yield from self._walk(f"{name}/", depth + 1, is_skipped)
            elif self._may_be_a_picture(item, name):
                yield name

    def _may_be_a_picture(self, item: os.DirEntry[str], name: str) -> bool:
        ending = os.path.splitext(name)[1].lower()
        if (ending not in SUFFIXES and ending not in _PASSED_OVER) or not item.is_file():
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


def passed_over_in_words(counts: Mapping[str, int]) -> str:
    """How many pictures and videos are no rows, by ending, the most first, and what helps."""
    most_first = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    said = f"passed over: {', '.join(f'{number:,} {ending}' for ending, number in most_first)}."
    if not _HEIF.isdisjoint(counts):
        said += " HEIC is read once pillow-heif is installed: pip install pillow-heif."
    if not _HEIF.issuperset(counts):
        said += " Other pictures are read once they are saved as JPEG or PNG; videos are not."
    return said


def is_glob(source: str) -> bool:
    """Whether a path contains `*`, `?` or `[`."""
    return bool(_MAGIC.search(source))


def split_glob(source: Path) -> tuple[Path, tuple[str, ...]]:
    """Split a glob into its fixed folder and the rest: `a/b/**/*.png` is `a/b` and (`**`, `*.png`)."""
    parts = source.parts
    fixed = next((i for i, part in enumerate(parts) if is_glob(part)), len(parts))
    return Path(*parts[:fixed]), parts[fixed:]


def _natural(item: os.DirEntry[str]) -> tuple[list[str | int], str]:
    """Texts and numbers alternate, so keys are comparable; the name itself puts "01" before "1"."""
    return [int(part) if i % 2 else part for i, part in enumerate(_NUMBER.split(item.name))], item.name


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a glob matches a name, both split at "/"; `**` stands for any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
