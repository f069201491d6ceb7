"""Write PNG files, and pages, whole or not at all, with ComfyUI's metadata and ComfyUI's numbered names.

Nothing here imports torch: processes that only write start at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from api_graph.errors import BadInput
from api_graph.files import whole_file

if TYPE_CHECKING:
    from torch import Tensor

FOR_KEEPS, FOR_NOW = 4, 1
"""zlib's level for files that stay, and for previews. Its default, 6, takes twice as long to save another 8 %."""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f]")
_KEYWORD = re.compile(r"[\x20-\x7f]{1,79}")


@dataclass(frozen=True)
class NumberedPng:
    """A picture on its way to `folder`/`name`_00001_.png, or whatever number is the next.

    `pixels` are 8 bits, (H, W, 3), or (H, W) for grey; `texts` become text chunks. The folder is a text and not a
    Path: pictures go from process to process, and a Path takes longer to send.
    """

    folder: str
    name: str
    pixels: NDArray[np.uint8]
    texts: Mapping[str, str] = field(default_factory=dict)
    compression: int = FOR_KEEPS


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
    from api_graph.pixels.read import to_levels, to_rgb_or_rgba  # with torch

    path, texts = Path(path), metadata or {}
    if not all(map(_KEYWORD.fullmatch, texts)):
        raise _no_keyword(texts)
    picture = to_rgb_or_rgba(image) if isinstance(image, Image.Image) else Image.fromarray(to_levels(image))
    try:
        _save(path, picture, texts, compression)
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


def numbered_png(
    folder: str | os.PathLike[str],
    prefix: str,
    image: Tensor,
    *,
    metadata: Mapping[str, str] | None = None,
    compression: int = FOR_KEEPS,
) -> NumberedPng:
    """One image, (1, H, W, 3), (H, W, 3), or (H, W) for grey, ready to be written under the `next_numbered` name."""
    from api_graph.pixels.read import to_levels  # with torch

    target, name = _inside(folder, prefix)
    texts = metadata or {}
    if not all(map(_KEYWORD.fullmatch, texts)):
        raise _no_keyword(texts)
    return NumberedPng(str(target), name, to_levels(image), texts, compression)


def write_numbered(
    folder: str | os.PathLike[str],
    prefix: str,
    image: Tensor,
    *,
    metadata: Mapping[str, str] | None = None,
    compression: int = FOR_KEEPS,
) -> Path:
    """Write the `numbered_png` and return its path. A failure is a BadInput, and leaves no file."""
    png = numbered_png(folder, prefix, image, metadata=metadata, compression=compression)
    return Path(written(png, write_next(png)))


def write_numbered_text(folder: str | os.PathLike[str], prefix: str, text: str, suffix: str) -> Path:
    """Write `text` in UTF-8 as the next `<prefix>_00001_<suffix>` of `folder`, and return its path.

    A lone surrogate becomes "?". A failure is a BadInput, and leaves no file.
    """
    target, name = _inside(folder, prefix)
    try:
        path = _next_free(Path(target), name, suffix)
        try:
            with whole_file(path) as file:
                file.write(text.encode("utf-8", "replace"))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(target, error) from error
    return path


def write_in_turn(pngs: Sequence[NumberedPng]) -> list[str | OSError]:
    """`write_next` of each, so that their numbers follow their order."""
    return [write_next(png) for png in pngs]


def write_next(png: NumberedPng) -> str | OSError:
    """Write `png` under a name that no other process gets, and return its path, or the OSError where that fails.

    It may run in another process: an error that is returned arrives whole, one that is raised might not.
    """
    try:
        path = _next_free(Path(png.folder), png.name)
        try:
            _save(path, Image.fromarray(png.pixels), png.texts, png.compression)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return str(path)
    except OSError as error:
        return error


def written(png: NumberedPng, outcome: str | OSError) -> str:
    """The path that `write_next` gave for `png`; a BadInput where it gave an error."""
    if isinstance(outcome, OSError):
        raise _unwritable(png.folder, outcome) from outcome
    return outcome


def _save(path: Path, picture: Image.Image, texts: Mapping[str, str], compression: int) -> None:
    """The picture in a file that appears under its name only when it is complete. Raises OSError."""
    chunks = PngInfo()
    for key, value in texts.items():  # tEXt where Latin-1 suffices, else iTXt (UTF-8)
        # A lone surrogate, which JSON can carry, has no UTF-8; it becomes "?".
        chunks.add_text(key, value.encode("utf-8", "replace").decode("utf-8"))
    with whole_file(path) as file:
        picture.save(file, format="PNG", pnginfo=chunks, compress_level=compression)


def _next_free(folder: Path, name: str, suffix: str = ".png") -> Path:
    """Reserve the next `name`_00001_.png, or one with another suffix, in `folder` by creating it empty.

    Missing folders are made. The number follows the highest one in use. Two processes never get the same name. Raises
    OSError.
    """
    numbered = re.compile(re.escape(name) + r"_(\d+)_?" + re.escape(suffix), re.IGNORECASE)
    folder.mkdir(parents=True, exist_ok=True)
    matches = (numbered.fullmatch(entry) for entry in os.listdir(folder))
    number = max((int(match[1]) for match in matches if match), default=0)
    while True:
        number += 1
        path = folder / f"{name}_{number:05}_{suffix}"
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
