"""Rows of pictures in blocks that fit a processor's cache, and pictures of 8 bits.

A picture is float32 in [0, 1], as on ComfyUI's wires, or uint8 as files have it: (B, H, W, 3) both. What is worked out
from 8 bits is worked out in floats, block by block, and becomes 8 bits again. Each value depends on its own pixel
alone, so that neither the blocks nor what else is in a batch change any.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

CACHED = 2**16
"""Values of one channel that a block has on a processor: with what is made of them they stay in its cache."""
_ON_ACCELERATOR = 2**24


def values_at_once(device: torch.device) -> int:
    """How many values are worked on at a time: elsewhere than on a processor it is the launches that cost."""
    return CACHED if device.type == "cpu" else _ON_ACCELERATOR


def row_blocks(count: int, height: int, width: int, device: torch.device) -> Iterator[slice]:
    """The rows of `count` pictures, some at a time."""
    step = max(1, values_at_once(device) // max(1, count * width))
    return (slice(top, top + step) for top in range(0, height, step))


def levels_of(picture: Tensor) -> float:
    """What full brightness is: 255 in 8 bits, else 1."""
    return 255.0 if picture.dtype == torch.uint8 else 1.0


def put(block: Tensor, values: Tensor) -> None:
    """Write float `values`, which may be changed, to a block of a picture; in 8 bits they are rounded.

    Those of 8 bits lie in [0, 255].
    """
    if block.dtype != torch.uint8:
        block.copy_(values)
    elif block.device.type == "cpu":
        block.numpy()[:] = values.add_(0.5).numpy()  # in a fifth of torch's time
    else:
        block.copy_(values.add_(0.5).to(torch.uint8))
