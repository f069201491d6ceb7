"""COCO's run lengths of a mask: over its columns, beginning with a run of zeros; plain, or packed into a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from api_graph.errors import BadInput

_LARGEST_MASK = 100_000_000
"""Pixels of a run-length mask."""


def encode_rle(mask: NDArray[np.bool_]) -> list[int]:
    """The plain run lengths of a mask, bool (H, W)."""
    flat = np.concatenate([[False], mask.T.ravel(), [False]])
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(turns, prepend=0).tolist()
    rest = mask.size - (int(turns[-1]) if turns.size else 0)
    return [*runs, rest] if rest else runs


def decode_rle(counts: str | bytes | Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask, bool (H, W), of run lengths over its columns, beginning with a run of zeros; `size` is (H, W).

    `counts` is COCO's packed text, or the plain list. Raises BadInput where the runs do not fill the mask.
    """
    height, width = size
    if height < 1 or width < 1 or height * width > _LARGEST_MASK:
        raise BadInput("a mask needs a size [height, width] above 0", input="size", value=list(size))
    packed = isinstance(counts, (str, bytes))
    runs = np.asarray(_unpacked(counts) if packed else list(counts), dtype=np.int64)
    if runs.ndim != 1 or (runs < 0).any() or (runs > height * width).any() or runs.sum() != height * width:
        raise BadInput(
            f"the runs do not add up to {height} × {width} pixels", input="counts", hint="Check counts and size."
        )
    ones = np.arange(runs.size) % 2 == 1
    return np.repeat(ones, runs).reshape(width, height).T  # column by column


def _unpacked(text: str | bytes) -> list[int]:
    """COCO's packing: five bits a character, least first, bit 6 says that more follow; from the fourth run on, a run is
    written as its difference to the one two before it.
    """
    characters = (text.encode("ascii", "replace") if isinstance(text, str) else text).strip()
    runs: list[int] = []
    value = shift = 0
    for character in characters:
        bits = character - 48
        if not 0 <= bits < 64 or shift > 30:
            raise BadInput("this is no packed run-length text", input="counts", value=chr(character))
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            signed = value - (1 << shift) if bits & 16 else value
            runs.append(signed + runs[-2] if len(runs) > 2 else signed)
            value = shift = 0
    if shift:
        raise BadInput("the packed run-length text is cut short", input="counts")
    return runs
