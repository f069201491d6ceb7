"""PNG files under ComfyUI's numbered names. Nothing here knows torch: processes that only write start at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from api_graph.files import whole_file

FOR_KEEPS, FOR_NOW = 4, 1
"""zlib's level for files that stay, and for previews. Its default, 6, takes twice as long to save another 8 %."""


@dataclass(frozen=True)
class NumberedPng:
    """A picture on its way to `folder`/`name`_00001_.png, or whatever number is the next.

    `pixels` are 8 bits, (H, W, 3), or (H, W) for grey; `texts` become text chunks. The folder is a text since
    pictures go from process to process, and pathlib takes its time over that.
    """

    folder: str
    name: str
    pixels: NDArray[np.uint8]
    texts: Mapping[str, str] = field(default_factory=dict)
    compression: int = FOR_KEEPS

    @property
    def series(self) -> tuple[str, str]:
        """What files have in common that are numbered together."""
        return self.folder, self.name.lower()


def write_in_turn(pngs: Sequence[NumberedPng]) -> list[str | OSError]:
    """`write_next` of each: their numbers follow their order."""
    return [write_next(png) for png in pngs]


def write_next(png: NumberedPng) -> str | OSError:
    """Write it, under a name that no other process gets, and return its path; or the error where that fails.

    Other processes may be asked to: an OSError finds its way back to the asker whole, what is raised might not.
    """
    try:
        path = next_free(Path(png.folder), png.name)
        try:
            save_png(path, Image.fromarray(png.pixels), png.texts, png.compression)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return str(path)
    except OSError as error:
        return error


def save_png(path: Path, picture: Image.Image, texts: Mapping[str, str], compression: int) -> None:
    """The picture in a file that appears under its name only when it is complete. Raises OSError."""
    chunks = PngInfo()
    for key, value in texts.items():  # tEXt where Latin-1 suffices, else iTXt (UTF-8)
        # A lone surrogate, which JSON can carry, has no UTF-8; it becomes "?".
        chunks.add_text(key, value.encode("utf-8", "replace").decode("utf-8"))
    with whole_file(path) as file:
        picture.save(file, format="PNG", pnginfo=chunks, compress_level=compression)


def next_free(folder: Path, name: str) -> Path:
    """Reserve the next `name`_00001_.png in `folder` by creating it empty. Missing folders are made. Raises OSError.

    The number follows the highest one in use. Two processes never get the same name.
    """
    numbered = re.compile(re.escape(name) + r"_(\d+)_?\.png", re.IGNORECASE)
    folder.mkdir(parents=True, exist_ok=True)
    matches = (numbered.fullmatch(entry) for entry in os.listdir(folder))
    number = max((int(match[1]) for match in matches if match), default=0)
    while True:
        number += 1
        path = folder / f"{name}_{number:05}_.png"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:  # another process was faster
            continue
        return path
