"""Masks and heatmaps of other steps, brought to an image as ComfyUI's core does it."""

from __future__ import annotations

import warnings

from torch import Tensor
from torch.nn import functional as F

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels._check import check_sizes, checked_maps, value_range

NO_MASK = (64, 64)
"""Core's Load Image gives a mask of zeros of this size for a picture without transparency: there is none."""

_NONE = "this is the empty mask of 64×64 that Load Image gives for a picture without transparency: there is none"


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
