"""Write pictures, and pages, whole or not at all, with ComfyUI's metadata and ComfyUI's numbered names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.files import PictureFormat, whole_file
from api_graph.pixels.encode import check_size, encode
from api_graph.pixels.read import to_levels, to_rgb_or_rgba

PNG = PictureFormat()
FOR_KEEPS, FOR_NOW = 4, 1
"""zlib's level for files that stay, and for previews. Its default, 6, takes twice as long to save another 8 %."""

_PICTURES = (".png", ".jpg", ".webp")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f]")
_KEYWORD = re.compile(r"[\x20-\x7f]{1,79}")


def write_png(
    path: str | os.PathLike[str],
    image: Tensor | Image.Image,
    *,
    metadata: Mapping[str, str] | None = None,
    compression: int = FOR_KEEPS,
) -> Path:
    """Write one image, (1, H, W, 3), (H, W, 3), (H, W) for grey, or a picture, and return its path.

    The file appears under its name only when it is complete; missing folders are made. `metadata` becomes text chunks,
    as ComfyUI's SaveImage writes `prompt` and `workflow`. A folder that cannot be written and a full disk are a
    BadInput.
    """
    path, texts = Path(path), metadata or {}
    if not all(map(_KEYWORD.fullmatch, texts)):
        raise _no_keyword(texts)
    pixels = np.asarray(to_rgb_or_rgba(image)) if isinstance(image, Image.Image) else to_levels(image)
    try:
        with whole_file(path) as file:
            encode(file, pixels, PNG, texts, compression)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def next_numbered(folder: str | os.PathLike[str], prefix: str) -> Path:
    """Reserve the next `<prefix>_00001_.png` in `folder`, ComfyUI's naming, by creating it empty.

    The number follows the highest one in use. Two processes never get the same name. `prefix` may hold a
    subfolder; one that leads out of `folder` is a BadInput.
    """
    target, name = _inside(folder, prefix)
    try:
        return _next_free(Path(target), name)
    except OSError as error:
        raise _unwritable(target, error) from error


def write_numbered(
    folder: str | os.PathLike[str],
    prefix: str,
    image: Tensor,
    *,
    metadata: Mapping[str, str] | None = None,
    format: PictureFormat = PNG,
    compression: int = FOR_KEEPS,
) -> Path:
    """Write one image, (1, H, W, 3), (H, W, 3), or (H, W) for grey, under the `next_numbered` name; returns its path.

    `metadata` is what the file embeds, if its format can. A failure is a BadInput, and leaves no file.
    """
    target, name = _inside(folder, prefix)
    texts = metadata or {}
    if not all(map(_KEYWORD.fullmatch, texts)):
        raise _no_keyword(texts)
    pixels = to_levels(image)
    check_size(pixels, format)
    with _next_file(target, name, format.ending) as (path, file):
        encode(file, pixels, format, texts, compression)
    return path


def write_numbered_text(folder: str | os.PathLike[str], prefix: str, text: str, ending: str) -> Path:
    """Write `text` in UTF-8 as the next `<prefix>_00001_<ending>` of `folder`, and return its path.

    A lone surrogate becomes "?". A failure is a BadInput, and leaves no file.
    """
    target, name = _inside(folder, prefix)
    with _next_file(target, name, ending) as (path, file):
        file.write(text.encode("utf-8", "replace"))
    return path


@contextmanager
def _next_file(folder: str | os.PathLike[str], name: str, ending: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """The `_next_free` file, to be written whole. A failure leaves none; that of the file system is a BadInput."""
    try:
        path = _next_free(Path(folder), name, ending)
        try:
            with whole_file(path) as file:
                yield path, file
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(folder, error) from error


def _next_free(folder: Path, name: str, ending: str = ".png") -> Path:
    """Reserve the next `name`_00001_.png in `folder` by creating it empty. Missing folders are made. Raises OSError.

    The number follows the highest one in use, of pictures in whichever format. Two processes never get the same name.
    """
    endings = "|".join(map(re.escape, _PICTURES if ending in _PICTURES else (ending,)))
    numbered = re.compile(re.escape(name) + rf"_(\d+)_?(?:{endings})", re.IGNORECASE)
    folder.mkdir(parents=True, exist_ok=True)
    matches = (numbered.fullmatch(entry) for entry in os.listdir(folder))
    number = max((int(match[1]) for match in matches if match), default=0)
    while True:
        number += 1
        path = folder / f"{name}_{number:05}_{ending}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:  # another process was faster
            continue
        return path


def _inside(folder: str | os.PathLike[str], prefix: str) -> tuple[str | os.PathLike[str], str]:
    """The folder and the name that `prefix` stands for; a BadInput if it leads out, links followed."""
    prefix = prefix.replace("\\", "/")
    name = prefix.rpartition("/")[2]
    if name in ("", ".", "..") or _CONTROL_CHARACTERS.search(prefix):
        raise BadInput("a file name is needed", input="prefix", value=prefix, hint="Write for example heatmaps/cat.")
    if prefix == name:
        return folder, name
    root = Path(folder).resolve()
    target = (root / prefix).parent.resolve()
    if not target.is_relative_to(root):
        raise BadInput(
            "the prefix leads out of the output folder",
            input="prefix",
            value=prefix,
            hint="Use a path inside it, without '..'.",
        )
    return target, name


def _unwritable(path: str | os.PathLike[str], error: OSError) -> BadInput:
    return BadInput(
        f"cannot be written ({error.strerror or error})",
        input="path",
        value=str(path),
        hint="Free some space, or choose a folder that you may write to.",
    )


def _no_keyword(texts: Mapping[str, str]) -> BadInput:
    wrong = next(key for key in texts if not _KEYWORD.fullmatch(key))
    problem = "this cannot be a PNG keyword"
    return BadInput(problem, input="metadata", value=wrong, hint="Use 1 to 79 ASCII characters.")
