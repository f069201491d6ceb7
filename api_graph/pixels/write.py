"""Write PNG files whole or not at all, with ComfyUI's metadata and ComfyUI's numbered names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._modes import to_rgb_or_rgba
from api_graph.pixels.png import FOR_KEEPS, NumberedPng, next_free, save_png, write_next
from api_graph.pixels.read import to_levels

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f]")


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
    path, texts = Path(path), _checked_texts(metadata or {})
    picture = to_rgb_or_rgba(image) if isinstance(image, Image.Image) else Image.fromarray(to_levels(image))
    with _disk_errors(path):
        save_png(path, picture, texts, compression)
    return path


def next_numbered(folder: str | os.PathLike[str], prefix: str) -> Path:
    """Reserve the next `<prefix>_00001_.png` in `folder`, ComfyUI's naming, by creating it empty.

    The number follows the highest one in use. Two processes never get the same name. `prefix` may hold a
    subfolder; one that leads out of `folder` is a BadInput.
    """
    target, name = _inside(folder, prefix)
    with _disk_errors(target):
        return next_free(Path(target), name)


def numbered_png(
    folder: str | os.PathLike[str],
    prefix: str,
    image: Tensor,
    *,
    metadata: Mapping[str, str] | None = None,
    compression: int = FOR_KEEPS,
) -> NumberedPng:
    """One image, (1, H, W, 3), (H, W, 3), or (H, W) for grey, ready to be written under the `next_numbered` name."""
    target, name = _inside(folder, prefix)
    return NumberedPng(str(target), name, to_levels(image), _checked_texts(metadata or {}), compression)


def write_numbered(
    folder: str | os.PathLike[str],
    prefix: str,
    image: Tensor,
    *,
    metadata: Mapping[str, str] | None = None,
    compression: int = FOR_KEEPS,
) -> Path:
    """Write the `numbered_png`; should that fail, which is a BadInput, no file is left."""
    png = numbered_png(folder, prefix, image, metadata=metadata, compression=compression)
    return Path(written(png, write_next(png)))


def written(png: NumberedPng, came: str | OSError) -> str:
    """What `write_next` gave for it: the file's path, or else a BadInput."""
    with _disk_errors(png.folder):
        if isinstance(came, OSError):
            raise came
    return came


def _checked_texts(metadata: Mapping[str, str]) -> Mapping[str, str]:
    for key in metadata:
        if not 1 <= len(key) <= 79 or not key.isascii() or _CONTROL_CHARACTERS.search(key):
            raise BadInput(
                "this cannot be a PNG keyword",
                input="metadata",
                value=key,
                hint="Use 1 to 79 ASCII characters.",
            )
    return metadata


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


@contextmanager
def _disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"cannot be written ({error.strerror or error})",
            input="path",
            value=str(path),
            hint="Free some space, or choose a folder that you may write to.",
        ) from error
