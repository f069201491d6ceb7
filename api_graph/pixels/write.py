"""Write PNG files whole or not at all, with ComfyUI's metadata and ComfyUI's numbered names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.files import whole_file
from api_graph.pixels._modes import to_rgb_or_rgba
from api_graph.pixels.read import to_pil

FOR_KEEPS, FOR_NOW = 4, 1
"""zlib's level for files that stay, and for previews. Its default, 6, takes twice as long to save another 8 %."""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f]")


def write_png(
    path: str | os.PathLike[str],
    image: Tensor | Image.Image,
    *,
    metadata: Mapping[str, str] | None = None,
    compression: int = FOR_KEEPS,
) -> Path:
    """Write one image, (1, H, W, 3), (H, W, 3) or a picture, and return its path; missing folders are made.

    The file appears under its name only when it is complete. `metadata` becomes text chunks, as ComfyUI's
    SaveImage writes `prompt` and `workflow`. A folder that cannot be written and a full disk are a BadInput.
    """
    path = Path(path)
    picture, text = _one_picture(image), _text_chunks(metadata or {})
    with _disk_errors(path), whole_file(path) as file:
        picture.save(file, format="PNG", pnginfo=text, compress_level=compression)
    return path


def next_numbered(folder: str | os.PathLike[str], prefix: str) -> Path:
    """Reserve the next `<prefix>_00001_.png` in `folder`, ComfyUI's naming, by creating it empty.

    The number follows the highest one in use. Two processes never get the same name. `prefix` may hold a
    subfolder; one that leads out of `folder` is a BadInput.
    """
    target, name = _inside(Path(folder), prefix)
    numbered = re.compile(re.escape(name) + r"_(\d+)_?\.png", re.IGNORECASE)
    with _disk_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        matches = (numbered.fullmatch(entry) for entry in os.listdir(target))
        number = max((int(match[1]) for match in matches if match), default=0)
        while True:
            number += 1
            path = target / f"{name}_{number:05}_.png"
            try:
                path.touch(exist_ok=False)
            except FileExistsError:  # another process was faster
                continue
            return path


def write_numbered(
    folder: str | os.PathLike[str],
    prefix: str,
    image: Tensor | Image.Image,
    *,
    metadata: Mapping[str, str] | None = None,
    compression: int = FOR_KEEPS,
) -> Path:
    """`write_png` under the `next_numbered` name; if writing fails, the reserved name is given back."""
    path = next_numbered(folder, prefix)
    try:
        return write_png(path, image, metadata=metadata, compression=compression)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _one_picture(image: Tensor | Image.Image) -> Image.Image:
    if isinstance(image, Image.Image):
        return to_rgb_or_rgba(image)
    pictures = to_pil(image[None] if image.ndim == 3 else image)
    if len(pictures) != 1:
        raise BadInput(
            "a PNG file holds one image",
            input="image",
            value=tuple(image.shape),
            cure="Write each on its own.",
        )
    return pictures[0]


def _text_chunks(metadata: Mapping[str, str]) -> PngInfo:
    """PNG text chunks: tEXt where Latin-1 suffices, else iTXt (UTF-8)."""
    chunks = PngInfo()
    for key, value in metadata.items():
        if not 1 <= len(key) <= 79 or not key.isascii() or _CONTROL_CHARACTERS.search(key):
            raise BadInput(
                "this cannot be a PNG keyword",
                input="metadata",
                value=key,
                cure="Use 1 to 79 ASCII characters.",
            )
        # A lone surrogate, which JSON can carry, has no UTF-8; it becomes "?".
        chunks.add_text(key, value.encode("utf-8", "replace").decode("utf-8"))
    return chunks


def _inside(folder: Path, prefix: str) -> tuple[Path, str]:
    """The folder and the name that `prefix` stands for; a BadInput if it leads out, links followed."""
    prefix = prefix.replace("\\", "/")
    name = prefix.rpartition("/")[2]
    if name in ("", ".", "..") or _CONTROL_CHARACTERS.search(prefix):
        raise BadInput("a file name is needed", input="prefix", value=prefix, cure="Write for example heatmaps/cat.")
    if prefix == name:
        return folder, name
    root = folder.resolve()
    target = (root / prefix).parent.resolve()
    if not target.is_relative_to(root):
        raise BadInput(
            "the prefix leads out of the output folder",
            input="prefix",
            value=prefix,
            cure="Use a path inside it, without '..'.",
        )
    return target, name


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"cannot be written ({error.strerror or error})",
            input="path",
            value=str(path),
            cure="Free some space, or choose a folder that you may write to.",
        ) from error
