"""Every cell goes back to where the model saw it."""

from __future__ import annotations

import math
import warnings
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import ApiGraphWarning, BadInput, each_kind_once
from api_graph.geometry import Geometry
from api_graph.pixels.resize import Interpolation, to_pixels
from api_graph.sockets import Attribution

INTERPOLATIONS = get_args(Interpolation)
TWO_BY_TWO = torch.tensor([[[2.0, 3.0], [4.0, 6.0]]])


def laid(values: torch.Tensor, *geometry: Geometry, interpolation: Interpolation = "nearest") -> torch.Tensor:
    return to_pixels(Attribution(values, geometry), interpolation=interpolation)


def test_a_centre_crop_leaves_the_minimum_at_both_sides():
    """The model saw the middle 4 of 8 columns, each cell 2×2 pixels."""
    with pytest.warns(ApiGraphWarning, match=r"did not see 50\.0% of the source image"):
        heatmap = laid(TWO_BY_TWO, Geometry(8, 4, 2, 0, 6, 4))
    top, bottom = [2, 2, 2, 2, 3, 3, 2, 2], [2, 2, 4, 4, 6, 6, 2, 2]
    assert heatmap.tolist() == [[top, top, bottom, bottom]]


def test_a_run_is_told_once_and_of_what_helps() -> None:
    """Whatever each picture's share is."""
    with pytest.warns(ApiGraphWarning) as told, each_kind_once():
        for width in (8, 10, 12):
            laid(TWO_BY_TWO, Geometry(width, 4, 2, 0, 6, 4))
    assert len(told) == 1 and "behind a Resize mode node" in str(told[0].message)


def test_padding_costs_the_outer_cells_their_outer_half():
    """A 4×2 source in the middle of a padded 4×4 square: each row of cells covers one row of pixels."""
    assert laid(TWO_BY_TWO, Geometry(4, 2, 0, -1, 4, 3)).tolist() == [[[2, 2, 3, 3], [4, 4, 6, 6]]]


def test_bilinear_by_hand_through_a_crop():
    """Pixel centres lie at 1/4, 3/4, 5/4, 7/4 cells; within half a cell of the edge only its cell counts."""
    with pytest.warns(ApiGraphWarning):
        heatmap = laid(TWO_BY_TWO[:, :1], Geometry(6, 1, 1, 0, 5, 1), interpolation="bilinear")
    torch.testing.assert_close(heatmap, torch.tensor([[[2.0, 2.0, 2.25, 2.75, 3.0, 2.0]]]))


def test_a_geometry_per_image():
    values = TWO_BY_TWO.expand(2, 2, 2)
    with pytest.warns(ApiGraphWarning, match=r"50\.0%"):
        heatmap = laid(values, Geometry.whole(4, 2), Geometry(4, 2, 0, 0, 2, 2))
    assert heatmap.tolist() == [[[2, 2, 3, 3], [4, 4, 6, 6]], [[2, 3, 2, 2], [4, 6, 2, 2]]]


@pytest.mark.parametrize("values", [[[-3.0, -1.0], [2.0, 0.5]], [[-3.0, -1.0], [-2.0, -0.5]]])
def test_below_zero_unseen_pixels_have_the_minimum_and_seen_ones_their_values(values):
    """The model saw the middle 4 of 8 columns, each cell 2×2 pixels."""
    with pytest.warns(ApiGraphWarning, match=r"50\.0%"):
        heatmap = laid(torch.tensor([values]), Geometry(8, 4, 2, 0, 6, 4))
    top, bottom = ([-3, -3, left, left, right, right, -3, -3] for left, right in values)
    assert heatmap.tolist() == [[top, top, bottom, bottom]]


def test_bilinear_by_hand_below_zero():
    """Pixel centres lie at 1/4, 3/4, 5/4, 7/4 cells, the cells' at 1/2 and 3/2."""
    values = torch.tensor([[[-2.0, 2.0]], [[-5.0, -1.0]]])
    heatmap = laid(values, Geometry.whole(4, 1), Geometry.whole(4, 1), interpolation="bilinear")
    torch.testing.assert_close(heatmap, torch.tensor([[[-2.0, -1.0, 1.0, 2.0]], [[-5.0, -4.0, -2.0, -1.0]]]))


def test_each_map_of_a_batch_has_its_own_minimum_where_nothing_was_seen():
    values, left_half = torch.tensor([[[-3.0, -1.0]], [[4.0, -7.0]], [[5.0, 6.0]]]), Geometry(4, 1, 0, 0, 2, 1)
    with pytest.warns(ApiGraphWarning, match=r"50\.0%"):
        heatmap = laid(values, left_half, left_half, left_half)
    assert heatmap.tolist() == [[[-3, -1, -3, -3]], [[4, -7, -7, -7]], [[5, 6, 5, 5]]]


def test_an_overshoot_below_zero_is_cut_at_the_maps_own_range():
    """Beside a step, cubic convolution goes beyond both of its sides, here beyond -4 and -1."""
    values = torch.tensor([[[-4.0, -4.0, -1.0, -1.0]]])
    heatmap = laid(values, Geometry.whole(16, 1), interpolation="bicubic")
    assert (heatmap.min(), heatmap.max()) == (-4, -1)
    assert (heatmap == -4).sum() > 1 and (heatmap == -1).sum() > 1


def test_an_image_the_model_saw_whole_brings_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert laid(TWO_BY_TWO, Geometry.of_resize(50, 50, (8, 8), "shortest")).shape == (1, 50, 50)


@pytest.mark.parametrize("interpolation", [name for name in INTERPOLATIONS if name != "nearest"])
@pytest.mark.parametrize("size", [(97, 61), (13, 7), (5, 60), (24, 24)])
def test_over_the_whole_source_it_is_pillows_resize(interpolation, size):
    values = np.random.default_rng(0).random((24, 24), dtype=np.float32)
    resized = Image.fromarray(values).resize((size[1], size[0]), Image.Resampling[interpolation.upper()])
    expected = np.asarray(resized).clip(values.min(), values.max())
    heatmap = laid(torch.from_numpy(values)[None], Geometry.whole(size[1], size[0]), interpolation=interpolation)
    np.testing.assert_allclose(heatmap[0].numpy(), expected, rtol=0, atol=1e-6)


@st.composite
def geometries(draw):
    """A source and a rectangle that lies over, in, or beside it."""
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    left, top = draw(st.floats(-30, 30)), draw(st.floats(-30, 30))
    return Geometry(width, height, left, top, left + draw(st.floats(0.5, 60)), top + draw(st.floats(0.5, 60)))


grids = st.tuples(st.integers(1, 9), st.integers(1, 9))


@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
@given(geometries(), grids, st.sampled_from(INTERPOLATIONS), st.floats(-5, 5, width=32))
def test_a_constant_stays_constant(geometry, grid, interpolation, value):
    heatmap = laid(torch.full((1, *grid), value), geometry, interpolation=interpolation)
    assert heatmap.shape == (1, geometry.height, geometry.width)
    assert (heatmap == value).all()


@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
@given(geometries(), grids, st.sampled_from(INTERPOLATIONS), st.integers(0, 2**32 - 1))
def test_values_stay_in_the_maps_range_and_the_input_as_it_was(geometry, grid, interpolation, seed):
    values = torch.randn(1, *grid, generator=torch.Generator().manual_seed(seed))
    before = values.clone()
    with torch.inference_mode():
        heatmap = laid(values, geometry, interpolation=interpolation)
    assert heatmap.min() >= values.min() and heatmap.max() <= values.max() and heatmap.dtype == torch.float32
    assert torch.equal(values, before)


@st.composite
def axes(draw):
    """Pixels, cells, one cell, its start, its size: a pixel or more, its middle among the pixel centres."""
    pixels, cells = draw(st.integers(1, 40)), draw(st.integers(2, 9))
    cell, size = draw(st.integers(0, cells - 1)), draw(st.floats(1, 50))
    start = draw(st.floats(0.5, pixels - 0.5)) - size / 2
    return pixels, cells, cell, start, size


@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
@settings(max_examples=300)
@given(axes(), axes(), st.sampled_from(INTERPOLATIONS))
def test_a_cells_peak_lies_inside_its_source_rectangle(across, down, interpolation):
    (width, gw, column, left, cell_w), (height, gh, row, top, cell_h) = across, down
    edges = left - column * cell_w, top - row * cell_h
    geometry = Geometry(width, height, *edges, edges[0] + gw * cell_w, edges[1] + gh * cell_h)
    values = torch.zeros(1, gh, gw)
    values[0, row, column] = 1.0
    heatmap = laid(values, geometry, interpolation=interpolation)[0]
    assert heatmap.max() > 0
    y, x = divmod(int(heatmap.argmax()), width)
    # Two pixel centres may lie almost equally near to the middle of a cell that is hardly larger than a pixel.
    near_x, near_y = (1e-6 if size >= 2 else 0.5 for size in (cell_w, cell_h))
    assert left - near_x <= x + 0.5 <= left + cell_w + near_x
    assert top - near_y <= y + 0.5 <= top + cell_h + near_y


@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
def test_a_peak_between_two_pixels_of_a_tiny_cell():
    """Found by the property test: the peak's pixel is 0.03 pixels outside a cell of one pixel."""
    geometry = Geometry(2, 1, -1.46875, 0.0, 2.53125, 2.0)
    values = torch.tensor([[[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]])
    heatmap = laid(values, geometry, interpolation="lanczos")[0, 0]
    torch.testing.assert_close(heatmap[0], heatmap[1], atol=0.05, rtol=0)


def test_reference_stretches_over_the_whole_source():
    geometry = Geometry(8, 4, 2, 0, 6, 4)
    attribution = Attribution(torch.tensor([[[0.0, 0.5], [0.25, 1.0]]]), (geometry,))
    heatmap = to_pixels(attribution, geometry="reference", interpolation="nearest")
    top, bottom = [0.0] * 4 + [127 / 255] * 4, [63 / 255] * 4 + [1.0] * 4
    torch.testing.assert_close(heatmap, torch.tensor([[top, top, bottom, bottom]]))


@pytest.mark.parametrize(
    ("values", "geometry", "options", "problem"),
    [
        (
            torch.rand(2, 2, 2),
            [Geometry.whole(4, 2), Geometry.whole(2, 4)],
            {},
            "one size.*2×4.*4×2",
        ),
        (TWO_BY_TWO, [Geometry(4, 2, 3, 0, 3, 2)], {}, "empty rectangle"),
        (TWO_BY_TWO, [Geometry(4, 2, 0, 0, math.nan, 2)], {}, "empty rectangle"),
        (TWO_BY_TWO, [Geometry.whole(4, 2)], {"interpolation": "area"}, "Use one of nearest, box"),
        (TWO_BY_TWO, [Geometry.whole(4, 2)], {"geometry": "stretch"}, "Use correct or reference"),
        (TWO_BY_TWO, [Geometry.whole(4, 2)], {"geometry": "reference"}, "Normalise"),
        (TWO_BY_TWO / 0, [Geometry.whole(4, 2)], {}, "infinite"),
    ],
)
def test_refusals(values, geometry, options, problem):
    with pytest.raises(BadInput, match=problem):
        to_pixels(Attribution(values, tuple(geometry)), **options)
