"""Images as users have them: what can be read in one way alone is taken, and the rest is told what to do instead."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput, inputs_named
from api_graph.pixels.read import Picture, read_image, to_pil, upright

Pixels: TypeAlias = "Tensor | NDArray[Any]"
"""RGB of one image (H, W, 3), or of several (B, H, W, 3): uint8, or floats in [0, 1]."""

Images: TypeAlias = "Picture | Pixels | Sequence[Images]"
"""One image or a list of them: PIL images, paths, bytes of files, arrays and tensors."""

_SLACK = 1e-3  # of arithmetic in half precision
_TO_FLOATS = "Divide by the largest value that it can have, such as 65535 for 16 bits, for floats in [0, 1]."
_TO_LEVELS = "If its values are 0 to 255, make it uint8: tensor.to(torch.uint8), or array.astype('uint8')."


def as_pictures(images: Images) -> list[Image.Image]:
    """PIL images, upright, of one image or a list of them.

    Floats are rounded to 8 bits, so that a loaded file gives its own pixels back. Raises BadInput for an empty list,
    for a file that cannot be read, for a URL, and for arrays that `image_batch` refuses.
    """
    if isinstance(images, Tensor | np.ndarray):
        return to_pil(image_batch(images))
    if isinstance(images, Image.Image):
        return [upright(images.copy())]
    if isinstance(images, str | os.PathLike | bytes | bytearray | memoryview):
        with inputs_named(path="images"):
            return [read_image(bytes(images) if isinstance(images, bytearray | memoryview) else images)]
    if isinstance(images, Sequence) and images:
        return [picture for image in images for picture in as_pictures(image)]
    raise BadInput(
        "expected images",
        input="images",
        value=images,
        hint="Give PIL images, paths, bytes of files, or arrays (H, W, 3).",
    )


def is_single(images: Images) -> bool:
    """Whether this is one image, and no list or batch of them."""
    if isinstance(images, Tensor | np.ndarray):
        return images.ndim < 4
    return not isinstance(images, Sequence) or isinstance(images, str | bytes | bytearray | memoryview)


def image_batch(array: Pixels) -> Tensor:
    """One image (H, W, 3), or several (B, H, W, 3), as (B, H, W, 3) of uint8 or floats.

    Values are 8 bits (uint8), or floats in [0, 1]; floats may have alpha as a fourth channel. Raises BadInput for any
    other kind of numbers, for channels that come first, and for floats outside [0, 1].
    """
    tensor = _tensor(array) if isinstance(array, np.ndarray) else array
    shape = tuple(tensor.shape)
    _check_shape(shape)
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        unsigned = tensor.dtype in (torch.uint16, torch.uint32, torch.uint64)
        raise _ambiguous(str(tensor.dtype).removeprefix("torch."), shape, _TO_FLOATS if unsigned else _TO_LEVELS)
    if tensor.dtype == torch.uint8 and shape[-1] == 4:
        hint = "Give array[..., :3] to leave transparency out, or PIL.Image.fromarray(array)."
        raise _wrong("an array of 8 bits has three channels", shape, hint)
    if tensor.is_floating_point():
        _check_range(tensor)
    return tensor[None] if tensor.ndim == 3 else tensor


def _tensor(array: NDArray[Any]) -> Tensor:
    """The array as a tensor, which shares its memory where torch can."""
    kind = array.dtype
    if kind.kind not in "uif":
        raise _wrong(f"an array of {kind} is no image", array.shape, "Give uint8, or floats in [0, 1].")
    if kind.kind == "u" and kind.itemsize > 1:
        raise _ambiguous(str(kind), array.shape, _TO_FLOATS)
    if kind.kind == "f" and kind.itemsize > 8:
        array = array.astype(np.float64)
    elif not kind.isnative or not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = np.array(array, kind.newbyteorder("="))  # torch takes none of these, or warns
    return torch.from_numpy(array)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) not in (3, 4) or 0 in shape:
        hint = "Give (H, W, 3), or (B, H, W, 3) for several; np.stack([grey] * 3, -1) makes colours of grey."
        raise _wrong("an image has the axes (H, W, 3), with nothing empty", shape, hint)
    first, last = shape[-3] in (3, 4), shape[-1] in (3, 4)
    if first and last:
        hint = "Give a PIL image: PIL.Image.fromarray(array)."
        raise _wrong("either end could be the channels of this shape", shape, hint)
    if first:
        axes = "(1, 2, 0)" if len(shape) == 3 else "(0, 2, 3, 1)"
        hint = f"Move them: tensor.permute{axes}, or array.transpose{axes}."
        raise _wrong("the channels come first, and an image has them last", shape, hint)
    if not last:
        hint = "Give (H, W, 3) or (B, H, W, 3); np.concatenate([grey] * 3, -1) makes three of one."
        raise _wrong("an image has three channels, in the last axis", shape, hint)


def _check_range(tensor: Tensor) -> None:
    low, high = (float(value) for value in tensor.aminmax())
    if low >= -_SLACK and high <= 1 + _SLACK:
        return
    if low != low:
        raise _wrong("the array holds NaN", tuple(tensor.shape), "Look at the step that made it.")
    levels = low >= -_SLACK and high <= 255 + _SLACK
    first = "Divide by 255 if they are levels" if levels else "Undo a normalisation by mean and deviation"
    raise BadInput(
        "an image of floats has values in [0, 1]",
        input="images",
        value=f"{low:.4g} to {high:.4g}",
        hint=f"{first}, or clamp to [0, 1] if they overshoot.",
    )


def _ambiguous(kind: str, shape: tuple[int, ...], hint: str) -> BadInput:
    return _wrong(f"values of {kind} could mean several ranges", shape, hint)


def _wrong(problem: str, shape: tuple[int, ...], hint: str) -> BadInput:
    return BadInput(problem, input="images", value=shape, hint=hint)
