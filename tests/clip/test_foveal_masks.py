"""Foveal masks: the golden numbers of the specification, what holds for every box; pixel masks, and maps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.clip.foveal_masks import FovealKernel, box_masks, foveal_mask, map_masks, pixel_masks
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution
from tests.clip.test_foveal_cells import GRID, QUARTERS, SIDE, SQUARE, mask_of


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


def slow_kernel(height: int, width: int, alpha: float, sigma: float) -> list[list[float]]:
    """The formula, cell by cell, in Python's floats."""
    r = [
        [math.exp(-((i - (height - 1) / 2) ** 2 + (j - (width - 1) / 2) ** 2) / (2 * sigma**2)) for j in range(width)]
        for i in range(height)
    ]
    low, high = min(map(min, r)), max(map(max, r))
    return [[alpha * (x - low + 1e-6) / (high - low + 1e-6) for x in row] for row in r]


@given(st.integers(1, 16), st.integers(1, 16), st.floats(-2, 8), st.floats(0.3, 1e4))
def test_the_kernel_is_the_formula(height: int, width: int, alpha: float, sigma: float) -> None:
    expected = torch.tensor(slow_kernel(height, width, alpha, sigma))
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


def test_a_box_on_the_padding_covers_nothing() -> None:
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


# ------------------------------------------------------------------------------------------ pixel masks and maps


def test_a_rectangle_is_its_box() -> None:
    mask = mask_of((10, 0, 40, 30))
    expected = foveal_mask((10, 0, 40, 30), (40, 40), QUARTERS)
    for shape in ("mask", "centroid", "box"):
        assert torch.allclose(pixel_masks(mask, SQUARE, QUARTERS, shape=shape)[0], expected)


def test_an_l_is_zero_outside_itself() -> None:
    """Cells (0,0), (1,0), (2,0), (2,1): around (1, ½); the mean is (5/4, 1/4)."""
    mask = mask_of((0, 0, 10, 30), (10, 20, 20, 30))
    kernel = FovealKernel(alpha=1.0, sigma=1.0, scale="none")
    cells = [(0, 0), (1, 0), (2, 0), (2, 1)]
    for shape, (row, column) in (("mask", (1, 0.5)), ("centroid", (1.25, 0.25))):
        expected = torch.zeros(4, 4)
        for i, j in cells:
            expected[i, j] = math.exp(-((i - row) ** 2 + (j - column) ** 2) / 2)
        assert torch.allclose(pixel_masks(mask, SQUARE, QUARTERS, kernel, shape=shape)[0], expected)  # type: ignore[arg-type]
    inside = pixel_masks(mask, SQUARE, QUARTERS, FovealKernel(alpha=0.3))[0]
    assert float(inside.max()) == pytest.approx(0.3) and int(inside.count_nonzero()) == 4
    box = pixel_masks(mask, SQUARE, QUARTERS, shape="box")[0]
    assert torch.equal(box, foveal_mask((0, 0, 20, 30), (40, 40), QUARTERS))


def test_coverage_decides_which_cells_belong() -> None:
    mask = mask_of((0, 0, 14, 10))
    assert int(pixel_masks(mask, SQUARE, QUARTERS).count_nonzero()) == 1
    assert int(pixel_masks(mask, SQUARE, QUARTERS, coverage=0.4).count_nonzero()) == 2
    speck = mask_of((0, 0, 1, 1))
    assert int(pixel_masks(speck, SQUARE, QUARTERS, coverage=0.0).count_nonzero()) == 1
    with pytest.raises(BadInput, match="sees nothing of mask 1"):
        pixel_masks(speck, SQUARE, QUARTERS)


@pytest.mark.parametrize("shape", ["mask", "box"])
def test_empty_masks(shape: Any) -> None:
    masks = torch.cat((mask_of((0, 0, 20, 20)), mask_of()))
    with pytest.raises(BadInput, match=r"region: the model sees nothing of mask 2\b"):
        pixel_masks(masks, SQUARE, QUARTERS, shape=shape)
    found = pixel_masks(masks, SQUARE, QUARTERS, shape=shape, on_empty="zero")
    assert found[0].any() and not found[1].any()


def test_a_centre_crop_says_what_is_lost_of_a_mask() -> None:
    geometry = Geometry.of_resize(80, 40, (40, 40), "shortest")  # x from 20 to 60 is seen
    with pytest.warns(ApiGraphWarning, match="does not see 25% of mask 1"):
        found = pixel_masks(mask_of((10, 0, 50, 40), width=80), geometry, QUARTERS)
    assert torch.allclose(found[0], foveal_mask((0, 0, 30, 40), (40, 40), QUARTERS))


@given(st.tuples(*[st.integers(0, 4)] * 4), st.integers(1, 5))
def test_a_mirrored_mask_is_mirrored(corners: tuple[int, ...], sigma: int) -> None:
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    mask = mask_of((10 * left, 10 * top, 10 * right, 10 * bottom), (0, 0, 10, 10))
    kernel = FovealKernel(sigma=float(sigma))
    found, mirrored = (pixel_masks(m, SQUARE, QUARTERS, kernel, shape="centroid") for m in (mask, mask.flip(2)))
    assert torch.allclose(found.flip(2), mirrored, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "disc"}, "shape: unknown shape"),
        ({"masks": torch.zeros(1, 5, 40)}, r"mask: the mask's size .*\(40, 40\) \(got \(5, 40\)\)"),
        ({"grid": (0, 4)}, "grid"),
    ],
)
def test_bad_pixel_masks(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pixel_masks(**{"masks": mask_of((0, 0, 20, 20)), "geometry": SQUARE, "grid": QUARTERS, **options})


def test_a_map_is_the_fovea_itself() -> None:
    values = torch.tensor([[[1.0, 3.0], [2.0, 5.0]]])
    same = map_masks(Attribution(values, (SQUARE,)), (SQUARE,), (2, 2), FovealKernel(alpha=0.4))
    assert torch.allclose(same, 0.4 * (values - 1) / 4)
    raw = map_masks(Attribution(values, (SQUARE,)), (SQUARE,), (2, 2), FovealKernel(alpha=0.4, scale="none"))
    assert torch.allclose(raw, 0.4 * values)


def test_a_map_goes_through_both_geometries() -> None:
    """The map's model saw x from 20 to 60 of 80, in 2×4 cells of ten pixels; the other all of it, in 8 columns."""
    cropped = Geometry(80, 40, 20.0, 0.0, 60.0, 40.0)
    values = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])
    attribution = Attribution(values, (cropped,))
    found = map_masks(attribution, (Geometry.whole(80, 40),), (2, 8), FovealKernel(alpha=1.0))
    expected = torch.zeros(1, 2, 8)
    expected[:, :, 2:6] = (values - 1) / 7
    assert torch.allclose(found, expected, atol=1e-6)
    back = map_masks(attribution, (cropped,), (1, 2), FovealKernel(alpha=1.0, scale="none"))
    # Two cells to one: Pillow's triangle reaches over three of the columns, whose means are 3, 4, 5 and 6.
    assert torch.allclose(back[0, 0], torch.tensor([3 * 3 + 3 * 4 + 5, 4 + 3 * 5 + 3 * 6]) / 7)


def test_maps_and_images_belong_together() -> None:
    attribution = Attribution(torch.rand(2, 2, 2), (SQUARE, SQUARE))
    assert map_masks(attribution, (SQUARE,), QUARTERS).shape == (2, 4, 4)
    assert map_masks(attribution, (SQUARE, SQUARE), QUARTERS).shape == (2, 4, 4)
    with pytest.raises(BadInput, match="2 maps do not go with 3 images"):
        map_masks(attribution, (SQUARE,) * 3, QUARTERS)
    with pytest.raises(BadInput, match="attribution: the map belongs to an image of another size"):
        map_masks(attribution, (Geometry.whole(80, 40),), QUARTERS)
    with pytest.raises(BadInput, match="attribution: map 0 holds NaN"):
        map_masks(attribution.with_values(torch.full((2, 2, 2), math.nan)), (SQUARE,), QUARTERS)
