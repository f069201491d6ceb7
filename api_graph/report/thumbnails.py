"""Small pictures that are part of the page itself, made from untrusted files."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from api_graph.table.tars import opened_file

SIDE = 192
_LARGEST_FILE = 12 * 1024
_QUALITIES = (75, 50, 25)  # a lower one is for pictures that would be too large, such as noise
_MOST_PIXELS = 100_000_000
# Raster formats only: for EPS, PDF, WMF and the like Pillow would call another program or an old decoder.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


class NoPicture(Exception):
    """There is no picture to show; the text says why, in a few words."""


def thumbnail(path: Path) -> Thumbnail:
    """The picture in a file, upright, at most SIDE pixels wide and high. Raises NoPicture."""
    try:
        with opened_file(path) as file:
            picture = _small(Image.open(file, formats=_known_formats()))
    except NoPicture:
        raise
    except FileNotFoundError:
        raise NoPicture("the file is gone") from None
    except PermissionError:
        raise NoPicture("the file may not be read") from None
    except Image.UnidentifiedImageError:
        raise NoPicture("not a picture") from None
    except Image.DecompressionBombError:
        raise NoPicture("too large") from None
    except Exception:  # Pillow's decoders may raise any exception for broken data
        raise NoPicture("damaged") from None
    data = _encoded(picture)
    return Thumbnail(f"data:image/webp;base64,{base64.b64encode(data).decode()}", *picture.size)


def _known_formats() -> list[str]:
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _small(image: Image.Image) -> Image.Image:
    if image.width * image.height > _MOST_PIXELS:
        raise NoPicture("too large")
    image.draft("RGB", (2 * SIDE, 2 * SIDE))  # JPEG can be decoded at a fraction of its size, which is much faster
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to 8
        image = image.convert("I").point(lambda level: level * (1 / 256)).convert("L")
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE, SIDE))
    image = _upright(image)
    image.info.clear()  # the place where a photo was taken, its colour profile and the like are not for the page
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the EXIF data are damaged; the pixels may still be good
        return image


def _encoded(picture: Image.Image) -> bytes:
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality)
        data = buffer.getvalue()
        if len(data) <= _LARGEST_FILE:
            break
    return data
