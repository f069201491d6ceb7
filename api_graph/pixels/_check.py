"""Checks of the tensors, numbers and words that the functions of this room are given."""

from __future__ import annotations

import sys
from typing import get_args

import torch
from torch import Tensor

from api_graph.errors import BadInput

_FROM_NUMPY = "Arrays become tensors with torch.from_numpy, pictures with pixels.read.to_tensor."


def checked_maps(maps: Tensor, input: str) -> Tensor:
    """`maps` as float32 (B, h, w), or a BadInput if it has another shape or is empty."""
    if not isinstance(maps, Tensor):
        raise BadInput(f"a tensor is needed, and this is a {type(maps).__name__}", input=input, hint=_FROM_NUMPY)
    if maps.ndim != 3 or maps[0:1].numel() == 0:
        raise BadInput(
            "a map needs the shape (B, h, w) with nothing empty",
            input=input,
            value=tuple(maps.shape),
            hint="Add or remove axes; a single map is map[None].",
        )
    return maps.float()


def checked_image(image: Tensor, input: str = "image") -> Tensor:
    """`image` as float32 (B, H, W, 3), or a BadInput if it is empty, an integer, or of another shape."""
    if not isinstance(image, Tensor):
        raise BadInput(f"a tensor is needed, and this is a {type(image).__name__}", input=input, hint=_FROM_NUMPY)
    if image.ndim != 4 or image.shape[-1] != 3 or image.numel() == 0:
        raise BadInput(
            "an image tensor needs the shape (B, H, W, 3) with nothing empty",
            input=input,
            value=tuple(image.shape),
            hint="Move the channels last and drop any alpha channel; a single image is image[None].",
        )
    if not image.is_floating_point():
        raise BadInput(
            "an image tensor needs floats in [0, 1]",
            input=input,
            value=str(image.dtype),
            hint="Divide it by 255.",
        )
    return image.float()


def check_sizes(image: Tensor, other: Tensor, input: str) -> None:
    """Raise BadInput unless `other` (N, H, W, ...) has the image's height and width, and as many entries, or one."""
    counts = {image.shape[0], other.shape[0]} - {1}
    if image.shape[1:3] != other.shape[1:3]:
        raise BadInput(
            f"its size (height, width) is not the image's {tuple(image.shape[1:3])}",
            input=input,
            value=tuple(other.shape[1:3]),
            hint="Resize it to the image, or use the image that it was made from.",
        )
    if len(counts) > 1:
        raise BadInput(
            f"a batch of {other.shape[0]} does not go with one of {image.shape[0]}",
            input=input,
            hint="Give as many, or a single one for all.",
        )


def value_range(maps: Tensor, input: str) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of each map, both (B, 1, 1); a BadInput if one is NaN or infinite."""
    # Reducing one axis takes a third of the time of two, and aminmax, which finds both at once, five times as long.
    # amin and amax pass a NaN on; an infinite value minus itself is NaN.
    flat = maps.flatten(1)
    low, high = flat.amin(1), flat.amax(1)
    wrong = (low - low + (high - high)).isnan()
    if bool(wrong.any()):
        raise BadInput(
            f"map {int(wrong.nonzero()[0])} holds NaN or infinite values",
            input=input,
            hint="Look at the step that made it: half precision overflows, and so does a division by zero.",
        )
    return low[:, None, None], high[:, None, None]


def in_range(number: float, low: float, high: float, input: str) -> float:
    """`number`, or a BadInput if it does not lie in [low, high]."""
    if not low <= number <= high:  # a NaN fails this too
        wanted = f"in [{low:g}, {high:g}]" if high < sys.float_info.max else f"of at least {low:g}"
        raise BadInput("the number is out of range", input=input, value=number, hint=f"Use one {wanted}.")
    return number


def check_choice(word: str, choices: object, input: str) -> None:
    """Raise a BadInput that lists the `choices`, a Literal of strings, if `word` is none of them."""
    if word not in get_args(choices):
        hint = f"Use one of {', '.join(get_args(choices))}."
        raise BadInput(f"unknown {input.replace('_', ' ')}", input=input, value=word, hint=hint)


def wide(tensor: Tensor) -> Tensor:
    """`tensor` in float64, for sums; in float32 where the device has nothing wider (Apple's MPS)."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)
