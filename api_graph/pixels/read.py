"""Read image files that nobody vouches for, and turn pictures into ComfyUI's tensors and back."""

from __future__ import annotations

import io
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels._check import checked_image, checked_maps, checked_picture
from api_graph.sockets import as_floats

MAX_PIXELS = 100_000_000
"""Larger images are refused unless `max_pixels` is raised; this many take 1.2 GB as a float tensor."""

Picture: TypeAlias = "Image.Image | str | os.PathLike[str] | bytes"
"""A PIL image, the path of a file, or what is in a file."""

# Raster formats only: EPS, PDF, WMF and the like would hand the file to another program or an old decoder.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
_HEIF = "HEIF"  # once pillow-heif is installed

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTED = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
"""What may say an orientation, among the things that a picture knows about itself."""
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_LARGEST_SAMPLE = {16: 2**16 - 1, 32: 2**31 - 1}
_VALUES_AT_ONCE = 2**20

_MOST_PIECES, _BYTES_PER_PIECE = 100_000, 64
"""Reads that a file may take, and bytes of the file for each more: pixels come in larger pieces."""
_MOST_TEXTS, _MOST_TEXT, _SHORT_TEXT = 256, 2**20, 512
"""Text chunks in a PNG, their bytes, and bytes of a compressed one that cannot be long inside."""
_PNG, _EXIF, _END = b"\x89PNG\r\n\x1a\n", b"Exif\0\0", b"\xff\xd9"
_TOO_MANY = "the file has too many pieces of metadata or comments"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:")  # a drive of Windows is one letter
_OTHER_ROWS = bytes.fromhex("5aa53c96") * 256


def read_image(path: str | os.PathLike[str] | bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in a file, or in its bytes, upright by its EXIF orientation; RGB, or RGBA if it has transparency.

    Of an animation or a multi-page file, the first frame. A JPEG that lacks its end marker alone is read, with a
    warning. Metadata without end is refused, and long texts in a PNG are passed over. The header's size is held
    against `max_pixels` before anything is decoded (Pillow's own ceiling, twice `PIL.Image.MAX_IMAGE_PIXELS`, stands as
    well). A missing, foreign, broken, cut or oversized file is one BadInput.
    """
    with opened(path) as image:
        if image.width * image.height > max_pixels:
            problem = f"an image of {image.width}×{image.height} pixels is over the limit of {max_pixels:,}"
            raise _unreadable(path, problem, "Make it smaller, or raise max_pixels if you trust it.")
        try:
            image.load()
        except OSError:
            if image.format not in ("JPEG", "MPO"):
                raise
            image = _without_end_marker(path)
        return to_rgb_or_rgba(upright(image))


@contextmanager
def opened(path: str | os.PathLike[str] | bytes) -> Iterator[Image.Image]:
    """The picture in a file, of which only the header has been read. Inside, what Pillow raises becomes BadInput."""
    try:
        if not isinstance(path, bytes) and not os.path.isfile(path):
            raise _not_a_file(path)
        with io.BytesIO(path) if isinstance(path, bytes) else io.FileIO(path) as file, _pillow_warnings_ignored():
            if file.seek(0, os.SEEK_END) == 0:
                raise _unreadable(path, "the file is empty", "Download or save it again.")
            Image.init()
            file.seek(0)
            if file.read(12)[4:8] == b"ftyp":  # HEIC and its kin
                _register_heif()
            file.seek(0)
            with _Bounded(_plain_png(file), path) as bounded:
                yield Image.open(bounded, formats=[name for name in (*_FORMATS, _HEIF) if name in Image.OPEN])
    except BadInput:
        raise
    except PermissionError as error:
        raise _unreadable(path, "the file may not be read", "Give it read permission.") from error
    except Image.UnidentifiedImageError as error:
        problem = "this is not an image that can be read, or its header is damaged"
        raise _unreadable(path, problem, _how_to_read(path)) from error
    except Image.DecompressionBombError as error:
        problem = f"the image has more pixels than Pillow will open ({error})"
        raise _unreadable(path, problem, "Make it smaller.") from error
    except Exception as error:  # Pillow's decoders answer broken data with nearly any exception
        problem = f"the file is damaged or cut short and cannot be decoded ({error})"
        raise _unreadable(path, problem, "Download or save it again.") from error


def pixels_in(content: bytes | Image.Image) -> int:
    """Pixels of a picture, or of one encoded in bytes, as its header says; 0 where it is none that can be read."""
    if isinstance(content, Image.Image):
        return content.width * content.height
    try:
        with _pillow_warnings_ignored(), Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            return picture.width * picture.height
    except Exception:  # as above
        return 0


def _register_heif() -> bool:
    """Let Pillow read HEIC and HEIF, if pillow-heif is there."""
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def _how_to_read(path: str | os.PathLike[str] | bytes) -> str:
    """The hint for a file that Pillow does not know."""
    head = _content(path, 12)
    if head[4:8] == b"ftyp" and head[8:12] != b"avif" and not _register_heif():
        return "HEIC and HEIF are read once pillow-heif is installed: pip install pillow-heif; or save it as JPEG."
    return f"Save it in one of {', '.join(_FORMATS)}."


def to_rgb_or_rgba(image: Image.Image) -> Image.Image:
    """A picture of any Pillow mode as RGBA if it says anything about transparency, else as RGB; 8 bits.

    Samples of 16 and 32 bits are scaled, where Pillow would clip them. Floats outside [0, 1] are a BadInput.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return _scaled_to_8_bits(image).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")  # Pillow undoes premultiplied alpha only there
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def to_tensor(picture: Image.Image, *, eight_bits: bool = False) -> tuple[Tensor, Tensor]:
    """A picture as ComfyUI's LoadImage gives it: IMAGE (1, H, W, 3) and MASK (1, H, W), float32 in [0, 1].

    The mask is 1 − alpha: zeros, of the picture's size, where there is no transparency. Colours are not
    blended with anything. With `eight_bits` IMAGE is uint8, as the picture has it.
    """
    picture = to_rgb_or_rgba(picture)
    pixels = torch.from_numpy(np.array(picture))  # (H, W, 3 or 4)
    if picture.mode == "RGBA":
        mask = 1 - as_floats(pixels[None, ..., 3])
        pixels = pixels[..., :3].contiguous()
    else:  # numpy's zeros take memory only where they are written to
        mask = torch.from_numpy(np.zeros((1, *pixels.shape[:2]), np.float32))
    return pixels[None] if eight_bits else as_floats(pixels[None]), mask


def to_pil(image: Tensor) -> list[Image.Image]:
    """Each image of (B, H, W, 3) floats as an RGB picture, clamped to [0, 1] and rounded to 8 bits, or of uint8."""
    return [Image.fromarray(to_levels(one)) for one in checked_picture(image)]


def to_levels(image: Tensor) -> NDArray[np.uint8]:
    """The 8 bits of one image, (1, H, W, 3) or (H, W, 3), or of one map (H, W), clamped and rounded likewise.

    Of uint8 they are what it has; nobody changes them.
    """
    if image.ndim == 2:
        one = checked_maps(image[None], "heatmap")[0]
    else:
        images = checked_picture(image[None] if image.ndim == 3 else image)
        if len(images) != 1:
            value = tuple(image.shape)
            raise BadInput("a PNG file holds one image", input="image", value=value, hint="Write each on its own.")
        one = images[0]
        if one.dtype == torch.uint8:
            return np.ascontiguousarray(one.cpu().numpy())
    levels = np.empty(tuple(one.shape), np.uint8)
    height = max(1, _VALUES_AT_ONCE // one[0].numel())
    for top in range(0, len(one), height):  # some rows at a time: as floats they take four times the memory
        part = one[top : top + height].nan_to_num(0).clamp_(0, 1).mul_(255).round_()
        # On a processor numpy takes a fifth of torch's time to change the type; from elsewhere bytes are less to copy.
        levels[top : top + height] = (part if part.device.type == "cpu" else part.to(torch.uint8).cpu()).numpy()
    return levels


def as_image_tensor(images: Picture | Sequence[Picture] | Tensor) -> Tensor:
    """A picture, a path, a list of those, or a (B, H, W, 3) float tensor, as one float32 (B, H, W, 3).

    Transparency is dropped. A PIL picture is taken as it lies: only files are turned upright. Pictures of
    different sizes are a BadInput, since a batch has one size.
    """
    if isinstance(images, Tensor):
        return checked_image(images, "images")
    if isinstance(images, (str, os.PathLike, Image.Image, bytes)):
        images = [images]
    if not isinstance(images, Sequence) or not images:
        raise BadInput(
            "there is no image", input="images", hint="Give a picture, a path, a list of those, or a tensor."
        )
    tensors = [to_tensor(_picture(item))[0] for item in images]
    sizes = sorted({(t.shape[2], t.shape[1]) for t in tensors})
    if len(sizes) > 1:
        raise BadInput(
            "the images of a batch need one size",
            input="images",
            value=[f"{w}×{h}" for w, h in sizes],
            hint="Give them one at a time, or as rows of a table.",
        )
    return torch.cat(tensors)


class _Bounded(io.BufferedReader):
    """A picture file that may be read in so many pieces, and no more: Pillow takes a comment byte by byte."""

    def __init__(self, raw: io.FileIO | io.BytesIO, path: str | os.PathLike[str] | bytes) -> None:
        super().__init__(raw)  # type: ignore[arg-type]  # what it needs BytesIO has
        self._path = path
        self._left = _MOST_PIECES + self.seek(0, os.SEEK_END) // _BYTES_PER_PIECE
        self._has_exif = False
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise _unreadable(self._path, _TOO_MANY, "Save it again, without them.")
        data = super().read(size)
        if data.startswith(_EXIF):
            if self._has_exif:  # Pillow joins all of a JPEG's, in quadratic time; the first says how the picture lies
                return bytes(len(_EXIF)) + data[len(_EXIF) :]
            self._has_exif = True
        return data


def _plain_png(file: io.FileIO | io.BytesIO) -> io.FileIO | io.BytesIO:
    """The file; a PNG without its texts and its colour profile, where Pillow would refuse it for those."""
    start, spans, dropped, texts = 8, [(0, 8)], 0, 0
    if file.read(8) == _PNG:
        for _ in range(_MOST_PIECES):
            head = file.read(8)
            if len(head) < 8:
                break
            length = int.from_bytes(head[:4], "big") + 12
            if head[4:] in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
                texts, dropped = texts + 1, dropped + length
                dropped += _MOST_TEXT if head[4:] != b"tEXt" and length > _SHORT_TEXT else 0  # it may be long inside
            else:
                spans.append((start, length))
            start = file.seek(start + length)
        else:
            raise _unreadable(str(getattr(file, "name", "bytes")), _TOO_MANY, "Save it again, without them.")
    kept = b""
    if dropped > _MOST_TEXT or texts > _MOST_TEXTS:
        kept = b"".join([file.read(length) for first, length in spans if file.seek(first) == first])
    file.seek(0)
    return io.BytesIO(kept) if kept else file


def _content(path: str | os.PathLike[str] | bytes, most: int = -1) -> bytes:
    if isinstance(path, bytes):
        return path if most < 0 else path[:most]
    with open(path, "rb") as file:
        return file.read(most)


def _without_end_marker(path: str | os.PathLike[str] | bytes) -> Image.Image:
    """The picture in a JPEG whose data ends without the marker. Raises BadInput where rows are missing.

    What is missing is seen by what is put in its place: were all rows there, it would make no difference.
    """
    data = _content(path).removesuffix(b"\xff")  # half of the marker
    images: list[Image.Image] = []
    for end in (_END, _OTHER_ROWS + _END):
        with _Bounded(io.BytesIO(data + end), path) as bounded:
            images.append(Image.open(bounded))
            images[-1].load()
    pixels = [np.asarray(image).reshape(image.height, -1) for image in images]
    wrong = (pixels[0] != pixels[1]).any(1).nonzero()[0]
    if len(wrong):
        missing = images[0].height - int(wrong[0])
        problem = f"the file is cut short: of its {images[0].height} rows the last {missing} are missing or damaged"
        raise _unreadable(path, problem, "Download or save it again.")
    message = f"{_said(path)}: the JPEG lacks its end marker; its pixels are all there"
    warnings.warn(message, ApiGraphWarning, stacklevel=3)
    return images[0]


def _picture(item: Picture) -> Image.Image:
    if isinstance(item, Image.Image):
        return item
    if isinstance(item, (str, os.PathLike, bytes)):
        return read_image(item)
    raise BadInput("this is no picture", input="images", value=item, hint="Give a PIL image or a path.")


def _not_a_file(path: str | os.PathLike[str]) -> BadInput:
    if isinstance(path, str) and _URL.match(path):
        hint = "Download it first, and give its path, or its bytes: urllib.request.urlopen(url).read()."
        return _unreadable(path, "this is a URL, and nothing is downloaded here", hint)
    if not os.path.exists(path):
        return _unreadable(path, "there is no such file", "Check the spelling and the folder.")
    return _unreadable(path, "this is a folder or a device, not a file", "Name one image.")


def _unreadable(path: str | os.PathLike[str] | bytes, problem: str, hint: str) -> BadInput:
    return BadInput(problem, input="path", value=_said(path), hint=hint)


def _said(path: str | os.PathLike[str] | bytes) -> str:
    return f"{len(path):,} bytes" if isinstance(path, bytes) else str(path)


def upright(image: Image.Image) -> Image.Image:
    """The picture turned and mirrored as its EXIF orientation says, which it then says no more: twice is as once."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # damaged EXIF says nothing; the pixels are still good
        return image
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    if method is None:
        return image
    turned = image.transpose(method)
    for metadata in _ORIENTED:
        turned.info.pop(metadata, None)
    return turned


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """A grey image of integers or floats wider than 8 bits, as mode L."""
    samples = np.asarray(image)
    if image.mode == "F":
        if not (samples.min() >= 0 and samples.max() <= 1):  # a NaN fails this too
            raise BadInput(
                "an image of 32-bit floats needs values in [0, 1]",
                input="image",
                value=(float(samples.min()), float(samples.max())),
                hint="Save it with 8 or 16 bits per sample.",
            )
        return Image.fromarray(np.round(samples * 255).astype(np.uint8))
    # Pillow's 32-bit mode "I" holds 16-bit files as well; only the values tell the two apart.
    samples = samples.astype(np.int64).clip(min=0)
    bits = 16 if samples.max() <= _LARGEST_SAMPLE[16] else 32
    return Image.fromarray(np.round(samples / _LARGEST_SAMPLE[bits] * 255).astype(np.uint8))


# `warnings.catch_warnings` saves and restores a list that all threads share, so that two overlapping uses leave the
# wrong list behind. Here the first thread in saves it, and the last one out restores it.
_quiet_lock = threading.Lock()
_quiet_threads = 0
_saved_filters: warnings.catch_warnings | None = None


@contextmanager
def _pillow_warnings_ignored() -> Iterator[None]:
    """While any thread is inside, warnings from Pillow's own modules about odd files are ignored, and no others."""
    global _quiet_threads, _saved_filters
    with _quiet_lock:
        _quiet_threads += 1
        if _quiet_threads == 1:
            _saved_filters = warnings.catch_warnings()
            _saved_filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            if _quiet_threads == 0 and _saved_filters is not None:
                _saved_filters.__exit__(None, None, None)
                _saved_filters = None
