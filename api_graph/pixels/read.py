"""Read image files that nobody vouches for, and turn pictures into ComfyUI's tensors and back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import checked_image, checked_maps
from api_graph.pixels._modes import to_rgb_or_rgba
from api_graph.pixels._quiet import pillow_warnings_ignored

MAX_PIXELS = 100_000_000
"""Larger images are refused unless `max_pixels` is raised; this many take 1.2 GB as a float tensor."""

Picture: TypeAlias = "Image.Image | str | os.PathLike[str]"

# Raster formats only: EPS, PDF, WMF and the like would hand the file to another program or an old decoder.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")

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


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in a file, upright by its EXIF orientation, as RGB, or as RGBA where it has transparency.

    Of an animation or a multi-page file, the first frame. The header's size is held against `max_pixels`
    before anything is decoded (Pillow's own ceiling, twice `PIL.Image.MAX_IMAGE_PIXELS`, stands as well). A
    missing, foreign, broken, cut or oversized file is one BadInput.
    """
    try:
        if not os.path.isfile(path):
            raise _not_a_file(path)
        with open(path, "rb") as file, pillow_warnings_ignored():
            return _decode(file, path, max_pixels)
    except BadInput:
        raise
    except PermissionError as error:
        raise BadInput(
            "the file may not be read", input="path", value=str(path), hint="Give it read permission."
        ) from error
    except Image.DecompressionBombError as error:
        raise BadInput(
            f"the image has more pixels than Pillow will open ({error})",
            input="path",
            value=str(path),
            hint="Make it smaller.",
        ) from error
    except Exception as error:  # Pillow's decoders answer broken data with nearly any exception
        raise BadInput(
            f"the file is damaged or cut short and cannot be decoded ({error})",
            input="path",
            value=str(path),
            hint="Download or save it again.",
        ) from error


def to_tensor(picture: Image.Image) -> tuple[Tensor, Tensor]:
    """A picture as ComfyUI's LoadImage gives it: IMAGE (1, H, W, 3) and MASK (1, H, W), float32 in [0, 1].

    The mask is 1 − alpha: zeros, of the picture's size, where there is no transparency. Colours are not
    blended with anything.
    """
    picture = to_rgb_or_rgba(picture)
    pixels = torch.from_numpy(np.array(picture)).float() / 255  # (H, W, 3 or 4)
    alpha = pixels[..., 3] if picture.mode == "RGBA" else torch.ones(pixels.shape[:2])
    return pixels[None, ..., :3].contiguous(), 1 - alpha[None]


def to_pil(image: Tensor) -> list[Image.Image]:
    """Each image of (B, H, W, 3) floats as an RGB picture, clamped to [0, 1] and rounded to 8 bits."""
    return [Image.fromarray(one) for one in _eight_bits(checked_image(image))]


def to_levels(image: Tensor) -> NDArray[np.uint8]:
    """The 8 bits of one image, (1, H, W, 3) or (H, W, 3), or of one map (H, W), clamped and rounded likewise."""
    if image.ndim == 2:
        return _eight_bits(checked_maps(image[None], "heatmap"))[0]
    images = checked_image(image[None] if image.ndim == 3 else image)
    if len(images) != 1:
        raise BadInput(
            "a PNG file holds one image",
            input="image",
            value=tuple(image.shape),
            hint="Write each on its own.",
        )
    return _eight_bits(images)[0]


def _eight_bits(values: Tensor) -> NDArray[np.uint8]:
    levels = values.nan_to_num(0).clamp_(0, 1).mul_(255).round_()
    # On a processor numpy takes a fifth of torch's time to change the type; from elsewhere bytes are less to copy.
    if levels.device.type != "cpu":
        levels = levels.to(torch.uint8).cpu()
    return levels.numpy().astype(np.uint8, copy=False)


def as_image_tensor(images: Picture | Sequence[Picture] | Tensor) -> Tensor:
    """A picture, a path, a list of those, or a (B, H, W, 3) float tensor, as one float32 (B, H, W, 3).

    Transparency is dropped. A PIL picture is taken as it lies: only files are turned upright. Pictures of
    different sizes are a BadInput, since a batch has one size.
    """
    if isinstance(images, Tensor):
        return checked_image(images, "images")
    if isinstance(images, (str, os.PathLike, Image.Image)):
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


def as_pictures(images: object) -> list[Image.Image]:
    """PIL images, upright, of one image or a list of them: PIL images, paths, or float tensors in [0, 1].

    A tensor is (H, W, 3) or (B, H, W, 3). Its values are rounded to 8 bits, so that a loaded file gives its own pixels
    back. Raises BadInput for anything else, for an empty list, and for a file that cannot be read.
    """
    if isinstance(images, Tensor):
        return to_pil(images.unsqueeze(0) if images.ndim == 3 else images)
    if isinstance(images, Image.Image):
        return [ImageOps.exif_transpose(images)]
    if isinstance(images, str | os.PathLike):
        return [read_image(images)]
    if isinstance(images, Sequence) and images:
        return [picture for image in images for picture in as_pictures(image)]
    raise BadInput(
        "expected images",
        input="images",
        value=images,
        hint="Give PIL images, paths or a (B, H, W, 3) tensor.",
    )


def _picture(item: Picture) -> Image.Image:
    if isinstance(item, Image.Image):
        return item
    if isinstance(item, (str, os.PathLike)):
        return read_image(item)
    raise BadInput("this is no picture", input="images", value=item, hint="Give a PIL image or a path.")


def _not_a_file(path: str | os.PathLike[str]) -> BadInput:
    if not os.path.exists(path):
        return BadInput(
            "there is no such file", input="path", value=str(path), hint="Check the spelling and the folder."
        )
    return BadInput("this is a folder or a device, not a file", input="path", value=str(path), hint="Name one image.")


def _decode(file: IO[bytes], path: str | os.PathLike[str], max_pixels: int) -> Image.Image:
    if os.fstat(file.fileno()).st_size == 0:
        raise BadInput("the file is empty", input="path", value=str(path), hint="Download or save it again.")
    Image.init()
    try:
        image = Image.open(file, formats=[name for name in _FORMATS if name in Image.OPEN])
    except Image.UnidentifiedImageError as error:
        raise BadInput(
            "this is not an image that can be read, or its header is damaged",
            input="path",
            value=str(path),
            hint=f"Save it in one of {', '.join(_FORMATS)}.",
        ) from error
    if image.width * image.height > max_pixels:
        raise BadInput(
            f"an image of {image.width}×{image.height} pixels is over the limit of {max_pixels:,}",
            input="path",
            value=str(path),
            hint="Make it smaller, or raise max_pixels if you trust it.",
        )
    image.load()
    return to_rgb_or_rgba(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # damaged EXIF says nothing; the pixels are still good
        return image
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)
