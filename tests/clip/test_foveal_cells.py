"""Which cells a region covers: boxes by both rules, the tolerance at a cell's edge, and shares of pixel masks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.clip.foveal_cells import Cells, cell_coverage, cells_of, unseen_mask_shares, unseen_share
from api_graph.clip.foveal_masks import FovealKernel, pixel_masks
from api_graph.geometry import Geometry

GRID = (14, 14)
SIDE = (224, 224)
SQUARE = Geometry.whole(40, 40)
QUARTERS = (4, 4)
"""Of SQUARE: cells of ten pixels."""


def mask_of(*boxes: tuple[int, int, int, int], width: int = 40, height: int = 40) -> torch.Tensor:
    """1 in the boxes (left, top, right, bottom), (1, H, W)."""
    mask = torch.zeros(1, height, width)
    for left, top, right, bottom in boxes:
        mask[:, top:bottom, left:right] = 1
    return mask


def covered(box: tuple[float, ...], size: tuple[int, int], rule: Any = "overlap") -> tuple[int, ...] | None:
    """Rows first to last and columns first to last, inclusive, on a 14×14 grid over the whole image."""
    found = cells_of(box, Geometry.whole(*size), GRID, rule)
    if found is None:
        return None
    return found.row, found.row + found.height - 1, found.column, found.column + found.width - 1


@pytest.mark.parametrize(
    ("box", "size", "correct", "reference"),
    [
        ((112, 112, 128, 128), SIDE, (7, 7, 7, 7), (6, 7, 6, 7)),
        ((320, 240, 640, 480), (640, 480), (7, 13, 7, 13), (6, 13, 6, 13)),
        ((61, 0, 122, 20), (427, 280), (0, 0, 2, 3), (0, 0, 1, 3)),
        ((113, 113, 127, 127), SIDE, (7, 7, 7, 7), (7, 7, 7, 7)),
        ((15, 15, 17, 17), SIDE, (0, 1, 0, 1), (0, 1, 0, 1)),
        ((0, 0, 224, 224), SIDE, (0, 13, 0, 13), (0, 13, 0, 13)),
        ((-50, 100, 20, 900), SIDE, (6, 13, 0, 1), (6, 13, 0, 1)),
        ((20, 20, 20, 20), SIDE, (1, 1, 1, 1), (1, 1, 1, 1)),
        ((16, 20, 16, 40), SIDE, (1, 2, 1, 1), (1, 2, 0, 0)),
        ((0, 0, 0, 0), SIDE, (0, 0, 0, 0), (0, 0, 0, 0)),
        ((224, 0, 230, 10), SIDE, None, None),
        ((-9, 0, 0, 10), SIDE, None, None),
        ((300, 300, 400, 400), SIDE, None, None),
        ((224, 224, 224, 224), SIDE, None, None),
    ],
)
def test_which_cells_a_box_covers(box: Any, size: Any, correct: Any, reference: Any) -> None:
    assert covered(box, size) == correct
    assert covered(box, size, "reference") == reference


@given(st.tuples(*[st.floats(0, 223)] * 4), st.integers(1, 20), st.integers(1, 20))
def test_cells_are_those_that_share_an_area(corners: tuple[float, ...], gh: int, gw: int) -> None:
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    if right - left < 0.01 or bottom - top < 0.01:
        return
    found = cells_of((left, top, right, bottom), Geometry.whole(*SIDE), (gh, gw))
    assert found is not None
    for row in range(gh):
        for column in range(gw):
            across = min(right, (column + 1) * 224 / gw) - max(left, column * 224 / gw)
            down = min(bottom, (row + 1) * 224 / gh) - max(top, row * 224 / gh)
            inside = found.row <= row < found.row + found.height and found.column <= column < found.column + found.width
            if min(across, down) > 1e-3:
                assert inside
            elif min(across, down) <= 0:
                assert not inside


# ------------------------------------------------------------------------------------------ the tolerance


def columns(left: float, right: float, width: int = 40, count: int = 4, rule: Any = "overlap") -> list[int]:
    """The columns that a box from `left` to `right` covers, of `count` over the width; rows must behave alike."""
    across = cells_of((left, 0, right, 1), Geometry.whole(width, 1), (1, count), rule)
    down = cells_of((0, left, 1, right), Geometry.whole(1, width), (count, 1), rule)
    assert across is not None and down is not None
    assert (across.column, across.width, across.row, across.height) == (down.row, down.height, 0, 1)
    return list(range(across.column, across.column + across.width))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (2, 10, [0]),
        # A right edge over the edge at 10 by 0.5 and by 2 millionths of a cell, which is ten pixels wide.
        (2, 10.000005, [0]),
        (2, 10.00002, [0, 1]),
        (2, 9.999995, [0]),
        # A left edge before the edge at 10, likewise.
        (10, 18, [1]),
        (9.999995, 18, [1]),
        (9.99998, 18, [0, 1]),
        (10.000005, 18, [1]),
        # Both at once: what reaches over by less than the tolerance is no cell's, and one cell is left.
        (9.999995, 20.000005, [1]),
        (9.99998, 20.00002, [0, 1, 2]),
        # A box of no width, or of less than the tolerance, has one cell: the one behind the edge, the last at the end.
        (10, 10, [1]),
        (9.999995, 10, [1]),
        (9.999995, 10.000005, [1]),
        (10.000001, 10.000002, [1]),
        (39.999995, 40, [3]),
        (39.999995, 39.999995, [3]),
        (0, 0.000005, [0]),
    ],
)
def test_an_edge_may_reach_over_by_a_millionth_of_a_cell(left: float, right: float, expected: list[int]) -> None:
    assert columns(left, right) == expected


def test_the_tolerance_counts_cells_and_not_pixels() -> None:
    """Cells of 1000 pixels: 0.5 millionths of one are 0.0005 pixels, 2 millionths 0.002 pixels."""
    assert columns(2, 1000.0005, width=4000) == [0]
    assert columns(2, 1000.002, width=4000) == [0, 1]
    assert columns(999.9995, 1500, width=4000) == [1]
    assert columns(999.998, 1500, width=4000) == [0, 1]


def test_the_official_rule_has_no_tolerance() -> None:
    assert columns(2, 10.000005, rule="reference") == [0, 1]
    assert columns(9.999995, 18, rule="reference") == [0, 1]
    assert columns(10, 18, rule="reference") == [0, 1]
    assert columns(10.000005, 18, rule="reference") == [1]


def test_rounding_alone_takes_no_further_cell() -> None:
    """In floats 0.1 + 0.2 is more than 0.3, and 29 · (1/3) · 3 differs from 29 in none of its thirds' cells."""
    assert columns(0.0, 0.1 + 0.2, width=1, count=10) == [0, 1, 2]
    assert columns(1 - 0.7, 0.7, width=1, count=10) == [3, 4, 5, 6]
    for cell in range(29):
        assert columns(cell / 3, (cell + 1) / 3, width=29, count=87) == [cell]


@given(
    st.integers(1, 6),
    st.tuples(st.integers(0, 6), st.integers(-6, 6)),
    st.tuples(st.integers(0, 6), st.integers(-6, 6)),
)
def test_cells_at_the_tolerances_edge(count: int, one: tuple[int, int], other: tuple[int, int]) -> None:
    """Edges at whole cells and some 0.4 millionths aside, never on the tolerance itself, by exact fractions."""
    tolerance, step = Fraction(1, 10**6), Fraction(4, 10**7)
    low, high = sorted(min(max(whole + part * step, Fraction(0)), Fraction(count)) for whole, part in (one, other))
    if low >= count or high == 0 < low:
        return
    # A cell is covered where the box reaches into it by more than the tolerance, from the left and from the right.
    expected = [i for i in range(count) if i + 1 - low > tolerance and high - i > tolerance]
    found = cells_of((float(low), 0, float(high), 1), Geometry.whole(count, 1), (1, count))
    assert found is not None
    if expected:
        assert list(range(found.column, found.column + found.width)) == expected
    else:  # too narrow for any: one cell, which it touches
        assert found.width == 1 and low - 1 - tolerance <= found.column <= high + tolerance


def test_a_rectangle_around_two() -> None:
    assert Cells(0, 0, 1, 1).enclosing(Cells(2, 1, 1, 3)) == Cells(0, 0, 3, 4)
    assert Cells(2, 1, 1, 3).enclosing(Cells(0, 0, 1, 1)) == Cells(0, 0, 3, 4)
    assert Cells(1, 2, 3, 4).slices == (slice(1, 4), slice(2, 6))


# ------------------------------------------------------------------------------------------ shares


def test_coverage_is_a_share_of_the_cell() -> None:
    shares = cell_coverage(mask_of((0, 0, 10, 10), (10, 0, 15, 10), (20, 0, 30, 1)), SQUARE, QUARTERS)[0]
    assert shares[0].tolist() == pytest.approx([1.0, 0.5, 0.1, 0.0])
    assert not shares[1:].any()


def test_cells_on_the_padding_count_what_lies_inside_the_image() -> None:
    """40×20 padded to a square: the cells' first row shows nothing, the second only the image's upper rows."""
    geometry = Geometry.of_resize(40, 20, (40, 40), "longest")
    shares = cell_coverage(torch.ones(1, 20, 40), geometry, (4, 4))[0]
    assert shares.tolist() == [[0.0] * 4, [1.0] * 4, [1.0] * 4, [0.0] * 4]
    # 40×30 padded: of the first and the last row of cells, half lies inside the image, and all of that is covered.
    shares = cell_coverage(torch.ones(1, 30, 40), Geometry.of_resize(40, 30, (40, 40), "longest"), (4, 4))[0]
    assert shares.tolist() == [[1.0] * 4] * 4


@pytest.mark.parametrize(
    ("mask", "coverage", "inside"),
    [
        ((0, 0, 5, 10), 0.5, 1),  # half of the first cell, exactly
        ((0, 0, 5, 10), 0.51, 0),
        ((0, 0, 5, 9), 0.5, 0),  # 45 of 100 pixels
        ((0, 0, 7, 7), 0.49, 1),  # 49 of 100
        ((0, 0, 10, 10), 1.0, 1),
        ((0, 0, 10, 9), 1.0, 0),
        ((0, 0, 15, 10), 0.5, 2),  # the first whole, the second half
        ((0, 0, 1, 1), 0.0, 1),  # anything at all
        ((9, 9, 11, 11), 0.01, 4),  # one pixel of each of four cells
        ((9, 9, 11, 11), 0.0101, 0),
    ],
)
def test_a_cell_belongs_to_a_mask_that_covers_enough_of_it(
    mask: tuple[int, int, int, int], coverage: float, inside: int
) -> None:
    flat = FovealKernel(alpha=1.0, sigma=1e6, scale="none")  # 1 in every cell of the region
    found = pixel_masks(mask_of(mask), SQUARE, QUARTERS, flat, coverage=coverage, on_empty="zero")
    assert int(found.count_nonzero()) == inside


def test_pixels_that_lie_in_two_cells_are_parted() -> None:
    """Three pixels in two cells of 1.5: the middle one lies half in each."""
    middle = mask_of((1, 0, 2, 1), width=3, height=1)
    assert cell_coverage(middle, Geometry.whole(3, 1), (1, 2))[0, 0].tolist() == pytest.approx([1 / 3, 1 / 3])


def test_the_unseen_share_of_a_box_and_of_a_mask() -> None:
    """Of 80 pixels across the model sees those from 20 to 60."""
    cropped = Geometry(80, 40, 20.0, 0.0, 60.0, 40.0)
    assert unseen_share((10, 0, 50, 40), cropped) == pytest.approx(1 / 4)
    assert unseen_share((20, 0, 60, 40), cropped) == 0
    assert unseen_share((0, 0, 20, 40), cropped) == 1
    assert unseen_share((-100, -5, 40, 90), cropped) == pytest.approx(1 / 2)  # what is outside the image is no loss
    assert unseen_share((70, 5, 70, 30), cropped) == 0  # nothing has no share
    masks = torch.cat((mask_of((10, 0, 50, 40), width=80), mask_of((0, 0, 20, 40), width=80), mask_of(width=80)))
    assert unseen_mask_shares(masks, cropped) == pytest.approx([1 / 4, 1, 0])
    padded = Geometry.of_resize(80, 40, (40, 40), "longest")
    assert unseen_mask_shares(masks, padded) == pytest.approx([0, 0, 0])
