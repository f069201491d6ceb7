"""COCO's run-length masks, packed and plain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from api_graph.bench.readers.run_lengths import decode_rle, encode_rle
from api_graph.errors import BadInput
from api_graph.tasks.examples import LabelledImage


def test_plain_counts_run_down_the_columns() -> None:
    # zeros 2, ones 3, zeros 1: columns (0, 0), (1, 1), (1, 0)
    assert decode_rle([2, 3, 1], (2, 3)).tolist() == [[False, True, True], [False, True, False]]


def test_packed_counts_by_hand() -> None:
    # 2 -> "2", 3 -> "3"; 100 = 4 + 3·32: "T" (0x30 + 32 + 4), then "3".
    # The fourth run on is a difference to the one two before: 5 - 3 = 2 -> "2"; -90 = 6 + 29·32 - 1024 -> "V" "M";
    # 6 - 5 = 1 -> "1".
    assert decode_rle("23T32VM1", (2, 63)).T.ravel().tolist() == (
        [False] * 2 + [True] * 3 + [False] * 100 + [True] * 5 + [False] * 10 + [True] * 6
    )


def packed(counts: list[int]) -> str:
    """COCO's rleToString, from its description."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
            if not more:
                break
    return text


@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_a_mask_comes_back_from_its_runs(mask: np.ndarray) -> None:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    counts = [0, *counts] if flat[0] else counts
    size = (mask.shape[0], mask.shape[1])
    assert (decode_rle(counts, size) == mask).all()
    assert (decode_rle(packed(counts), size) == mask).all()
    assert encode_rle(mask) == counts


@pytest.mark.parametrize(
    ("counts", "size", "said"),
    [
        ([2, 3], (2, 3), "do not add up to 2 × 3"),
        ([7, -1], (2, 3), "do not add up"),
        ("2\x07", (2, 3), "no packed run-length text"),
        ("2T", (2, 3), "cut short"),
        ("2é", (2, 3), "do not add up|no packed"),
        ("oooooooooo", (2, 3), "no packed"),
        ([], (0, 3), "size"),
        ([10**12], (10**6, 10**6), "size"),
    ],
)
def test_malformed_runs(counts: list[int] | str, size: tuple[int, int], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        decode_rle(counts, size)


def test_the_region_of_a_mask() -> None:
    mask = np.zeros((5, 7), dtype=bool)
    assert LabelledImage(Path("a"), 0, mask=lambda: mask).region() == ()
    mask[1, 3] = mask[4, 2] = True
    assert LabelledImage(Path("a"), 0, mask=lambda: mask).region() == ((2.0, 1.0, 4.0, 5.0),)
