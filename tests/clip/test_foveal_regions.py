"""Foveal masks of pixel masks and of attribution maps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.clip.foveal_masks import FovealKernel, cell_coverage, foveal_mask, map_masks, pixel_masks
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution

WHOLE = Geometry.whole(40, 40)
GRID = (4, 4)


def mask_of(*boxes: tuple[int, int, int, int], width: int = 40, height: int = 40) -> torch.Tensor:
    """1 in the boxes (left, top, right, bottom), (1, H, W)."""
    mask = torch.zeros(1, height, width)
    for left, top, right, bottom in boxes:
        mask[:, top:bottom, left:right] = 1
    return mask


def test_coverage_is_a_share_of_the_cell() -> None:
    shares = cell_coverage(mask_of((0, 0, 10, 10), (10, 0, 15, 10), (20, 0, 30, 1)), WHOLE, GRID)[0]
    assert shares[0].tolist() == pytest.approx([1.0, 0.5, 0.1, 0.0])
    assert not shares[1:].any()


def test_cells_on_the_padding_count_what_lies_inside_the_image() -> None:
    """40×20 padded to a square: the cells' first row shows nothing, the second only the image's upper rows."""
    geometry = Geometry.of_resize(40, 20, (40, 40), "longest")
    shares = cell_coverage(torch.ones(1, 20, 40), geometry, (4, 4))[0]
    assert shares.tolist() == [[0.0] * 4, [1.0] * 4, [1.0] * 4, [0.0] * 4]


def test_a_rectangle_is_its_box() -> None:
    mask = mask_of((10, 0, 40, 30))
    expected = foveal_mask((10, 0, 40, 30), (40, 40), GRID)
    for shape in ("mask", "centroid", "box"):
        assert torch.allclose(pixel_masks(mask, WHOLE, GRID, shape=shape)[0], expected)


def test_an_l_is_zero_outside_itself() -> None:
    """Cells (0,0), (1,0), (2,0), (2,1): around (1, ½); the mean is (5/4, 1/4)."""
    mask = mask_of((0, 0, 10, 30), (10, 20, 20, 30))
    bump = FovealKernel(alpha=1.0, sigma=1.0, scale="none")
    cells = [(0, 0), (1, 0), (2, 0), (2, 1)]
    for shape, (row, column) in (("mask", (1, 0.5)), ("centroid", (1.25, 0.25))):
        expected = torch.zeros(4, 4)
        for i, j in cells:
            expected[i, j] = math.exp(-((i - row) ** 2 + (j - column) ** 2) / 2)
        assert torch.allclose(pixel_masks(mask, WHOLE, GRID, bump, shape=shape)[0], expected)  # type: ignore[arg-type]
    inside = pixel_masks(mask, WHOLE, GRID, FovealKernel(alpha=0.3))[0]
    assert float(inside.max()) == pytest.approx(0.3) and int(inside.count_nonzero()) == 4
    box = pixel_masks(mask, WHOLE, GRID, shape="box")[0]
    assert torch.equal(box, foveal_mask((0, 0, 20, 30), (40, 40), GRID))


def test_coverage_decides_which_cells_belong() -> None:
    mask = mask_of((0, 0, 14, 10))
    assert int(pixel_masks(mask, WHOLE, GRID).count_nonzero()) == 1
    assert int(pixel_masks(mask, WHOLE, GRID, coverage=0.4).count_nonzero()) == 2
    speck = mask_of((0, 0, 1, 1))
    assert int(pixel_masks(speck, WHOLE, GRID, coverage=0.0).count_nonzero()) == 1
    with pytest.raises(BadInput, match="sees nothing of mask 1"):
        pixel_masks(speck, WHOLE, GRID)


@pytest.mark.parametrize("shape", ["mask", "box"])
def test_empty_masks(shape: Any) -> None:
    masks = torch.cat((mask_of((0, 0, 20, 20)), mask_of()))
    with pytest.raises(BadInput, match=r"region: the model sees nothing of mask 2\b"):
        pixel_masks(masks, WHOLE, GRID, shape=shape)
    found = pixel_masks(masks, WHOLE, GRID, shape=shape, on_empty="zero")
    assert found[0].any() and not found[1].any()


def test_a_centre_crop_says_what_is_lost() -> None:
    geometry = Geometry.of_resize(80, 40, (40, 40), "shortest")  # x from 20 to 60 is seen
    with pytest.warns(ApiGraphWarning, match="does not see 25% of mask 1"):
        found = pixel_masks(mask_of((10, 0, 50, 40), width=80), geometry, GRID)
    assert torch.allclose(found[0], foveal_mask((0, 0, 30, 40), (40, 40), GRID))


@given(st.tuples(*[st.integers(0, 4)] * 4), st.integers(1, 5))
def test_a_mirrored_mask_is_mirrored(corners: tuple[int, ...], sigma: int) -> None:
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    mask = mask_of((10 * left, 10 * top, 10 * right, 10 * bottom), (0, 0, 10, 10))
    bump = FovealKernel(sigma=float(sigma))
    found, mirrored = (pixel_masks(m, WHOLE, GRID, bump, shape="centroid") for m in (mask, mask.flip(2)))
    assert torch.allclose(found.flip(2), mirrored, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "disc"}, "shape: unknown shape"),
        ({"masks": torch.zeros(1, 5, 40)}, r"mask: the mask's size .*\(40, 40\) \(got \(5, 40\)\)"),
        ({"grid": (0, 4)}, "grid"),
    ],
)
def test_bad_masks(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pixel_masks(**{"masks": mask_of((0, 0, 20, 20)), "geometry": WHOLE, "grid": GRID, **options})


def test_a_map_is_the_fovea_itself() -> None:
    values = torch.tensor([[[1.0, 3.0], [2.0, 5.0]]])
    same = map_masks(Attribution(values, (WHOLE,)), (WHOLE,), (2, 2), FovealKernel(alpha=0.4))
    assert torch.allclose(same, 0.4 * (values - 1) / 4)
    raw = map_masks(Attribution(values, (WHOLE,)), (WHOLE,), (2, 2), FovealKernel(alpha=0.4, scale="none"))
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
    attribution = Attribution(torch.rand(2, 2, 2), (WHOLE, WHOLE))
    assert map_masks(attribution, (WHOLE,), GRID).shape == (2, 4, 4)
    assert map_masks(attribution, (WHOLE, WHOLE), GRID).shape == (2, 4, 4)
    with pytest.raises(BadInput, match="2 maps do not go with 3 images"):
        map_masks(attribution, (WHOLE,) * 3, GRID)
    with pytest.raises(BadInput, match="attribution: the map belongs to an image of another size"):
        map_masks(attribution, (Geometry.whole(80, 40),), GRID)
    with pytest.raises(BadInput, match="attribution: map 0 holds NaN"):
        map_masks(attribution.with_values(torch.full((2, 2, 2), math.nan)), (WHOLE,), GRID)
