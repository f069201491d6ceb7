"""Foveal masks: the golden numbers of the specification, the cell rules, and what holds for every box."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.clip.foveal_cells import Cells, cells_of
from api_graph.clip.foveal_masks import box_masks, foveal_mask
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.geometry import Geometry

GRID = (14, 14)
SIDE = (224, 224)


def of_cells(height: int, width: int, **options: Any) -> torch.Tensor:
    """The mask of a box over exactly height × width cells at row 3, column 2, without the zeros around it."""
    rows, columns = max(14, height + 3), max(14, width + 2)
    box = (2 * 16, 3 * 16, (2 + width) * 16, (3 + height) * 16)
    mask = foveal_mask(box, (columns * 16, rows * 16), (rows, columns), **options)
    region = (slice(3, 3 + height), slice(2, 2 + width))
    outside = mask.clone()
    outside[region] = 0
    assert not outside.any()
    return mask[region]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1), [[0.2]]),
        ((2, 2), [[0.2, 0.2], [0.2, 0.2]]),
        ((1, 2), [[0.2, 0.2]]),
        ((1, 3), [[0.003922, 0.2, 0.003922]]),
        ((2, 3), [[0.003922, 0.2, 0.003922]] * 2),
        ((3, 3), [[0.001980, 0.100988, 0.001980], [0.100988, 0.2, 0.100988], [0.001980, 0.100988, 0.001980]]),
    ],
)
def test_golden_numbers(size: tuple[int, int], expected: list[list[float]]) -> None:
    assert torch.allclose(of_cells(*size), torch.tensor(expected), rtol=0, atol=1e-6)


def test_golden_rows_of_the_whole_image() -> None:
    """The specification gives them to four or five digits."""
    mask = foveal_mask((0, 0, 640, 480), (640, 480), GRID)
    first = [4.77e-5, 0.02856, 0.05233, 0.07136, 0.08564, 0.09516, 0.09992]
    middle = [0.0999, 0.1285, 0.1523, 0.1714, 0.1857, 0.1952, 0.2000]
    assert torch.allclose(mask[0], torch.tensor(first + first[::-1]), rtol=0, atol=1e-5)
    assert float(mask[0, 0]) == pytest.approx(4.77e-5, abs=1e-8)
    assert torch.allclose(mask[6], torch.tensor(middle + middle[::-1]), rtol=0, atol=5e-5)


def slow_bump(height: int, width: int, alpha: float, sigma: float) -> list[list[float]]:
    """The formula, cell by cell, in Python's floats."""
    r = [
        [math.exp(-((i - (height - 1) / 2) ** 2 + (j - (width - 1) / 2) ** 2) / (2 * sigma**2)) for j in range(width)]
        for i in range(height)
    ]
    low, high = min(map(min, r)), max(map(max, r))
    return [[alpha * (x - low + 1e-6) / (high - low + 1e-6) for x in row] for row in r]


@given(st.integers(1, 16), st.integers(1, 16), st.floats(-2, 8), st.floats(0.3, 1e4))
def test_the_bump_is_the_formula(height: int, width: int, alpha: float, sigma: float) -> None:
    expected = torch.tensor(slow_bump(height, width, alpha, sigma))
    assert torch.allclose(of_cells(height, width, alpha=alpha, sigma=sigma), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("sigma", "mean"),
    [(100, 0.1238), (10, 0.1163), (5, 0.0943), (2, 0.0273), (1, 0.0082), (1e3, 0.1256), (1e4, 0.1775)],
)
def test_what_sigma_does(sigma: float, mean: float) -> None:
    """Golden means of the whole image's mask: from 20 to 500 σ cancels, above it the mask goes flat."""
    assert float(foveal_mask((0, 0, *SIDE), SIDE, GRID, sigma=sigma).mean()) == pytest.approx(mean, abs=6e-5)


def test_without_minmax_the_gaussian_stays() -> None:
    mask = of_cells(1, 3, alpha=2.0, sigma=1.0, scale="none")
    assert torch.allclose(mask, 2 * torch.tensor([[math.exp(-0.5), 1.0, math.exp(-0.5)]]))


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


@given(st.tuples(*[st.integers(0, 96)] * 4), st.sampled_from(["minmax", "none"]))
def test_a_mirrored_box_has_a_mirrored_mask(corners: tuple[int, ...], scale: Any) -> None:
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    if left == right or top == bottom:
        return
    options: dict[str, Any] = {"sigma": 3.0, "scale": scale}
    mask = foveal_mask((left, top, right, bottom), (96, 96), (6, 8), **options)
    mirrored = foveal_mask((96 - right, top, 96 - left, bottom), (96, 96), (6, 8), **options)
    assert torch.allclose(mirrored, mask.flip(1), atol=1e-7)
    turned = foveal_mask((top, left, bottom, right), (96, 96), (8, 6), **options)
    assert torch.allclose(turned, mask.T, atol=1e-7)


@given(st.floats(0.01, 8), st.floats(0.5, 500))
def test_values_lie_between_0_and_alpha(alpha: float, sigma: float) -> None:
    mask = foveal_mask((30, 50, 170, 140), SIDE, GRID, alpha=alpha, sigma=sigma)
    assert float(mask.min()) >= 0
    assert float(mask.max()) == pytest.approx(alpha, rel=1e-5)
    assert mask.dtype == torch.float32 and mask.shape == GRID


BOXES = torch.tensor([[0, 0, 48, 48], [16, 16, 80, 64], [160, 160, 224, 224]]).double()


def test_several_boxes() -> None:
    geometry = Geometry.whole(*SIDE)
    each = box_masks(BOXES, geometry, GRID)
    for box, mask in zip(BOXES, each, strict=True):
        assert torch.equal(mask, foveal_mask(box, SIDE, GRID))
    joined = box_masks(BOXES, geometry, GRID, join="max")
    assert torch.equal(joined, torch.stack([*each]).amax(0, keepdim=True))
    assert float(joined.max()) == pytest.approx(0.2)
    around = box_masks(BOXES, geometry, GRID, join="enclosing")
    assert torch.equal(around[0], foveal_mask((0, 0, 224, 224), SIDE, GRID))
    assert Cells(0, 0, 1, 1).enclosing(Cells(2, 1, 1, 3)) == Cells(0, 0, 3, 4)


def test_a_centre_crop_moves_the_cells_and_says_what_is_lost() -> None:
    """448×224 on a square model: the crop is x from 112 to 336."""
    geometry = Geometry.of_resize(448, 224, (224, 224), "shortest")
    boxes = torch.tensor([[112, 0, 128, 16]]).double()
    assert torch.equal(box_masks(boxes, geometry, GRID)[0], foveal_mask((0, 0, 16, 16), SIDE, GRID))
    boxes = torch.tensor([[320, 0, 368, 16]]).double()  # a third of it is seen
    with pytest.warns(ApiGraphWarning, match="does not see 67% of box 1"):
        mask = box_masks(boxes, geometry, GRID)
    assert torch.equal(mask[0], foveal_mask((208, 0, 224, 16), SIDE, GRID))
    with pytest.raises(BadInput, match="region: the model sees nothing of box 1"):
        box_masks(torch.tensor([[0, 0, 100, 50]]).double(), geometry, GRID)


def test_padding_is_no_place_for_a_box() -> None:
    """448×224 padded to a square: rows from −112 to 336."""
    geometry = Geometry.of_resize(448, 224, (224, 224), "longest")
    whole = box_masks(torch.tensor([[-50, -50, 900, 900]]).double(), geometry, GRID)[0]
    assert whole[:3].count_nonzero() == whole[-3:].count_nonzero() == 0
    assert whole[4:10].count_nonzero() == 6 * 14
    with pytest.raises(BadInput, match="sees nothing"):
        box_masks(torch.tensor([[0, -90, 50, -10]]).double(), geometry, GRID)


def test_what_covers_nothing() -> None:
    with pytest.raises(BadInput, match=r"box: .*sees nothing of box 1.*on_empty='zero'"):
        foveal_mask((300, 0, 400, 10), SIDE, GRID)
    assert not foveal_mask((300, 0, 400, 10), SIDE, GRID, on_empty="zero").any()
    for join in ("each", "max", "enclosing"):
        masks = box_masks(
            torch.tensor([[300, 0, 400, 10]]).double(), Geometry.whole(*SIDE), GRID, join=join, on_empty="zero"
        )
        assert masks.shape == (1, 14, 14) and not masks.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"box": (0, 0, 1)}, "box: a box has four numbers"),
        ({"box": (0, 0, float("nan"), 1)}, "box: the box has a number that is not finite"),
        ({"box": (9, 0, 1, 1)}, "box: the box has a negative width"),
        ({"image_size": (0, 5)}, "image_size: the image is empty"),
        ({"grid": (0, 5)}, "grid: "),
        ({"alpha": float("inf")}, "alpha: it is not finite"),
        ({"alpha": float("nan")}, "alpha: it is not finite"),
        ({"sigma": 0.0}, "sigma: it is not above 0"),
        ({"sigma": float("nan")}, "sigma: it is not above 0"),
        ({"cells": "ceil"}, "cells: unknown rule"),
        ({"scale": "max"}, "scale: unknown scale"),
        ({"on_empty": "skip"}, "on_empty: unknown choice"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        foveal_mask(**{"box": (0, 0, 9, 9), "image_size": SIDE, "grid": GRID, **arguments})


def test_boxes_are_joined_in_known_ways() -> None:
    with pytest.raises(BadInput, match="join: unknown way"):
        box_masks(BOXES, Geometry.whole(*SIDE), GRID, join="sum")  # type: ignore[arg-type]
