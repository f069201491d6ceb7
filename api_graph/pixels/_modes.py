"""Every Pillow mode to 8-bit RGB or RGBA; 16-bit samples are scaled, where Pillow would clip them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from api_graph.errors import BadInput

_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_LARGEST = {16: 2**16 - 1, 32: 2**31 - 1}


def to_rgb_or_rgba(image: Image.Image) -> Image.Image:
    """`image` as RGBA if it says anything about transparency, else as RGB."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _scaled_to_8_bits(image).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")  # Pillow undoes premultiplied alpha only there
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("RGB")


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
    bits = 16 if samples.max() <= _LARGEST[16] else 32
    return Image.fromarray(np.round(samples / _LARGEST[bits] * 255).astype(np.uint8))
