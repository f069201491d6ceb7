"""Checks of the tensors, numbers and words that the functions of this room are given."""

from __future__ import annotations

import sys
import warnings
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from api_graph.errors import ApiGraphWarning, BadInput

NO_MASK = (64, 64)
"""Core's Load Image gives a mask of zeros of this size for a picture without transparency: there is none."""

_NONE = "this is the empty mask of 64×64 that Load Image gives for a picture without transparency: there is none"

_FROM_NUMPY = "Arrays become tensors with torch.from_numpy, pictures with pixels.read.to_tensor."


def checked_maps(maps: Tensor, input: str) -> Tensor:
    """Maps (B, h, w), (h, w) or (B, 1, h, w) as float32 (B, h, w); a BadInput for another shape, and if empty."""
    if not isinstance(maps, Tensor):
        raise BadInput(f"a tensor is needed, and this is a {type(maps).__name__}", input=input, hint=_FROM_NUMPY)
    if maps.ndim == 2:
        maps = maps[None]
    elif maps.ndim == 4 and maps.shape[1] == 1:
        maps = maps[:, 0]
    if maps.ndim != 3 or maps[0:1].numel() == 0:
        raise BadInput(
            "a map needs the shape (B, h, w) with nothing empty",
            input=input,
            value=tuple(maps.shape),
            hint="Add or remove axes.",
        )
    return maps.float()


def checked_image(image: Tensor, input: str = "image") -> Tensor:
    """`image` (B, H, W, 3) as float32, or (B, H, W, 4) over black: its colours times its alpha, clamped to [0, 1].

    A BadInput if it is empty, an integer, of another shape, or holds NaN or infinite values.
    """
    if not isinstance(image, Tensor):
        raise BadInput(f"a tensor is needed, and this is a {type(image).__name__}", input=input, hint=_FROM_NUMPY)
    channels_first = tuple(image.shape[1::2]) == (3, 4)  # (B, 3, H, 4) is more likely that than alpha, 3 pixels high
    if image.ndim != 4 or image.shape[-1] not in (3, 4) or channels_first or image.numel() == 0:
        raise BadInput(
            "an image tensor needs the shape (B, H, W, 3) with nothing empty",
            input=input,
            value=tuple(image.shape),
            hint="Move the channels last; a single image is image[None].",
        )
    if not image.is_floating_point():
        raise BadInput(
            "an image tensor needs floats in [0, 1]",
            input=input,
            value=str(image.dtype),
            hint="Divide it by 255.",
        )
    image = image.float()
    if not bool(image.sum().isfinite()):  # one pass, and no memory; a sum of good values may be too large all the same
        wrong = image[~image.isfinite()]
        if len(wrong):
            raise BadInput(
                "an image holds NaN or infinite values",
                input=input,
                value=float(wrong[0]),
                hint="Look at the step that made it: half precision overflows, and so does a division by zero.",
            )
    return image if image.shape[-1] == 3 else image[..., :3] * image[..., 3:].clamp(0, 1)


def checked_picture(image: Tensor, input: str = "image") -> Tensor:
    """`image` as it is where it is uint8 (B, H, W, 3), 8 bits as files have them; else `checked_image`."""
    if isinstance(image, Tensor) and image.dtype == torch.uint8 and image.numel():
        is_batch = image.ndim == 4 and image.shape[-1] == 3
        return image if is_batch else checked_image(image, input)
    return checked_image(image, input)


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
            value=other.shape[0],
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
            value=float(maps[~maps.isfinite()][0]),
            hint="Look at the step that made it: half precision overflows, and so does a division by zero.",
        )
    return low[:, None, None], high[:, None, None]


def fitted_masks(masks: Tensor, image: Tensor, input: str) -> Tensor | None:
    """Masks of objects as float32 (N, H, W) in [0, 1], on the device and of the size of an image (B, H, W, C).

    They come as (H, W), (N, h, w) or (N, 1, h, w), on whose numbers nothing is asked here. Another size is stretched
    bilinearly, with an ApiGraphWarning where the proportions are others. None for core's empty mask. NaN is a BadInput.
    """
    maps = checked_maps(masks, input).to(image.device)
    value_range(maps, input)
    if tuple(maps.shape[1:]) == NO_MASK and not bool(maps.any()):
        return None
    size = (image.shape[1], image.shape[2])
    (height, width), (own_height, own_width) = size, maps.shape[1:]
    if min(abs(own_width * height / width - own_height), abs(own_height * width / height - own_width)) > 1:
        _warn(f"the {input} ({own_width}×{own_height} pixels) has other proportions than the image", size)
    return _stretched(maps, size).clamp(0, 1)


def required_masks(masks: Tensor, image: Tensor, input: str) -> Tensor:
    """The same where there must be a mask: core's empty one is a BadInput."""
    found = fitted_masks(masks, image, input)
    if found is None:
        raise no_mask(input)
    return found


def fitted_heatmap(heatmap: Tensor, image: Tensor, input: str = "heatmap") -> Tensor:
    """A heatmap for each image, or one for all, as float32 on the images' device and of their size (B, H, W, C).

    One of another size, which was hardly made from this image, is stretched bilinearly with an ApiGraphWarning. NaN,
    core's empty mask and other numbers of maps are a BadInput.
    """
    maps, size = checked_maps(heatmap, input).to(image.device), (image.shape[1], image.shape[2])
    value_range(maps, input)
    own = tuple(maps.shape[1:])
    if own != size:
        if own == NO_MASK and not bool(maps.flatten(1).any(1).all()):
            raise no_mask(input)
        _warn(f"the {input} ({own[1]}×{own[0]} pixels) has another size than the image", size)
        maps = _stretched(maps, size)
    if len(maps) not in (1, len(image)):
        check_sizes(image, maps, input)
    return maps


def no_mask(input: str) -> BadInput:
    return BadInput(_NONE, input=input, value=NO_MASK, hint="Link a mask, or load a picture with transparency.")


def _stretched(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, h, w) of a size (height, width) as ComfyUI's core stretches them: bilinear, without antialiasing."""
    if tuple(maps.shape[1:]) == size:
        return maps
    return F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def _warn(problem: str, size: tuple[int, int]) -> None:
    height, width = size
    hint = "Use the image that it was made from, if it is not meant to be stretched"
    warnings.warn(f"{problem}; it is stretched to {width}×{height}. {hint}", ApiGraphWarning, stacklevel=4)


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
