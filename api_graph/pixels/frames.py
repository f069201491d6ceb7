"""All frames of an animation, as ComfyUI's core loads a file."""

from __future__ import annotations

import os

import torch
from PIL import Image, ImageSequence
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels.read import MAX_PIXELS, opened, to_rgb_or_rgba, to_tensor, upright

_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
"""Formats whose frames follow one another in time. Of a multi-page TIFF, core gives the first page."""

_NO_MASK = (64, 64)


def read_frames(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, eight_bits: bool = False
) -> tuple[Tensor, Tensor]:
    """Every frame of a file as IMAGE (N, H, W, 3), colours as stored, and 1 − alpha as MASK (N, H, W).

    A file without transparency gives a mask of zeros, (N, 64, 64), which means none; GIFs and pictures with a palette
    always have one. With `eight_bits` IMAGE is uint8. Raises BadInput for a file that cannot be read, and where all
    frames together have more than `max_pixels`.
    """
    with opened(path) as image:
        count = int(getattr(image, "n_frames", 1)) if image.format in _ANIMATED else 1
        if count * image.width * image.height > max_pixels:
            raise BadInput(
                f"{count} frames of {image.width}×{image.height} pixels are over the limit of {max_pixels:,}",
                input="path",
                value=str(path),
                hint="Make it smaller, or cut it.",
            )
        transparent = image.mode in ("P", "PA", "LA", "RGBA") or "transparency" in image.info
        if count == 1:
            image.load()
            frames = [image]
        else:
            frames = [frame.copy() for frame in ImageSequence.Iterator(image)]
        read = [
            to_tensor(
                _with_alpha(upright(frame)) if transparent else to_rgb_or_rgba(upright(frame)), eight_bits=eight_bits
            )
            for frame in frames
        ]
    pictures = torch.cat([picture for picture, _ in read])
    if not transparent:
        return pictures, torch.zeros(len(pictures), *_NO_MASK)
    return pictures, torch.cat([mask for _, mask in read])


def _with_alpha(frame: Image.Image) -> Image.Image:
    return to_rgb_or_rgba(frame).convert("RGBA")
