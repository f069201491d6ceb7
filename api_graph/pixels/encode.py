"""A picture's bytes: PNG, JPEG or WebP, with ComfyUI's metadata where the format has room for it.

Nothing here imports torch. The encoders let go of Python's lock: so many threads, so many pictures at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from api_graph.errors import BadInput
from api_graph.files import PictureFormat

Pixels = NDArray[np.uint8]
"""8 bits: (H, W) for grey, (H, W, 3), or (H, W, 4) with alpha."""

_MOST_PIXELS = {"png": 2**31 - 1, "jpeg": 65_535, "webp": 16_383}  # a side
_MODEL_TAG = 0x0110
"""Where ComfyUI's EXIF has the prompt; the others have the tags below it."""
_WEBP_METHOD = 0  # a quarter of the usual time, for files a quarter larger
_LEVEL = 1
_BYTES_AT_ONCE = 2**18
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # of PNG, by the number of channels
_SUB = 1
"""PNG's filter that takes each byte's left neighbour off it: one subtraction, and photographs pack well after it."""


class Compressor(Protocol):
    def compress(self, data: memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


def check_size(pixels: Pixels, format: PictureFormat) -> None:
    """Raise BadInput for a picture that is too large for its format."""
    most, (height, width) = _MOST_PIXELS[format.kind], pixels.shape[:2]
    if max(height, width) > most:
        problem = f"a {format.kind} file has at most {most:,} pixels a side"
        raise BadInput(problem, input="image", value=f"{width}×{height}", hint="Write it as png.")


def encode(file: IO[bytes], pixels: Pixels, format: PictureFormat, texts: Mapping[str, str], compression: int) -> None:
    """Write a picture to a file. JPEG has no place for `texts`; `compression` is zlib's, where PNG takes it."""
    if format.kind == "png":
        compressor = _fast_compressor()
        if compressor is None:
            Image.fromarray(pixels).save(file, format="PNG", pnginfo=_text_chunks(texts), compress_level=compression)
        else:
            _write_png(file, pixels, texts, compressor(_LEVEL))
    elif format.kind == "jpeg":
        Image.fromarray(pixels).save(file, format="JPEG", quality=format.quality)
    else:
        exif = Image.Exif()
        rest = [name for name in texts if name != "prompt"]
        for tag, name in [(_MODEL_TAG, "prompt")] * ("prompt" in texts) + [
            (_MODEL_TAG - 1 - i, name) for i, name in enumerate(rest)
        ]:
            exif[tag] = f"{name}:{texts[name]}".encode("utf-8", "replace")
        picture = Image.fromarray(pixels).convert("RGB")
        picture.save(file, format="WEBP", quality=format.quality, method=_WEBP_METHOD, exif=exif)


@cache
def _fast_compressor() -> Callable[[int], Compressor] | None:
    """Intel's zlib, where it is installed: it takes a tenth of the time for files a fifth larger."""
    try:
        made: Callable[[int], Compressor] = import_module("isal.isal_zlib").compressobj
    except ImportError:
        return None
    return made


def _text_chunks(texts: Mapping[str, str]) -> PngInfo:
    chunks = PngInfo()
    for key, value in texts.items():  # tEXt where Latin-1 suffices, else iTXt (UTF-8)
        # A lone surrogate, which JSON can carry, has no UTF-8; it becomes "?".
        chunks.add_text(key, value.encode("utf-8", "replace").decode("utf-8"))
    return chunks


def _write_png(file: IO[bytes], pixels: Pixels, texts: Mapping[str, str], compressor: Compressor) -> None:
    """A PNG whose rows are compressed some at a time: large pictures take no memory, and the rows stay in the cache."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    header = np.array([width, height], ">u4").tobytes() + bytes([8, _COLOUR_TYPES[channels], 0, 0, 0])
    file.write(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header))
    for kind, data, *_ in _text_chunks(texts).chunks:
        file.write(_chunk(kind, data))
    for rows in _filtered(pixels.reshape(height, width * channels), channels):
        if packed := compressor.compress(rows.data):
            file.write(_chunk(b"IDAT", packed))
    file.write(_chunk(b"IDAT", compressor.flush()) + _chunk(b"IEND", b""))


def _filtered(rows: Pixels, channels: int) -> Iterator[Pixels]:
    """Rows of bytes (H, W · channels), some at a time, each after its filter's number."""
    step = max(1, _BYTES_AT_ONCE // rows.shape[1])
    for top in range(0, len(rows), step):
        own = rows[top : top + step]
        filtered = np.empty((len(own), 1 + own.shape[1]), np.uint8)
        filtered[:, 0] = _SUB
        filtered[:, 1 : 1 + channels] = own[:, :channels]
        np.subtract(own[:, channels:], own[:, :-channels], out=filtered[:, 1 + channels :])
        yield filtered


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join([len(data).to_bytes(4, "big"), kind, data, zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big")])
