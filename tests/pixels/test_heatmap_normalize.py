"""Normalisation: numbers by hand, constants, and what must never come out."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels.heatmap import minmax, normalize, sigmoid

finite = st.floats(-(2.0**120), 2.0**120, width=32)
maps = hnp.arrays("float32", st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)), elements=finite)


def test_minmax_by_hand_and_per_map():
    values = torch.tensor([[[1.0, 2.0], [3.0, 5.0]], [[-2.0, 0.0], [0.0, 2.0]]])
    expected = torch.tensor([[[0.0, 0.25], [0.5, 1.0]], [[0.0, 0.5], [0.5, 1.0]]])
    torch.testing.assert_close(minmax(values), expected)


def test_sigmoid_by_hand():
    """1, 2, 3 has mean 2 and unbiased std 1, so contrast 2 gives the sigmoid of -2, 0 and 2."""
    expected = [1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-2))]
    torch.testing.assert_close(sigmoid(torch.tensor([[[1.0, 2.0, 3.0]]]), 2.0), torch.tensor([[expected]]))


def test_none_leaves_the_values():
    values = torch.tensor([[[-3.0, 7.0]]])
    assert torch.equal(normalize(values, "none"), values)


def test_normalize_picks_the_mode():
    values = torch.rand(2, 3, 4)
    assert torch.equal(normalize(values, "minmax"), minmax(values))
    assert torch.equal(normalize(values, "sigmoid", 3.0), sigmoid(values, 3.0))
    with pytest.raises(BadInput, match=r"mode: unknown normalisation \(got 'softmax'\)"):
        normalize(values, "softmax")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["minmax", "sigmoid"])
@pytest.mark.parametrize("value", [0.0, -7.5, 1e30])
def test_a_constant_map_becomes_uniform_with_a_warning_and_leaves_the_others(mode, value):
    values = torch.stack([torch.arange(4.0).view(2, 2), torch.full((2, 2), value)])
    with pytest.warns(ApiGraphWarning, match="attention: map 1 of 2 is constant"):
        result = normalize(values, mode, input="attention")
    assert torch.equal(result[1], torch.full((2, 2), 0.5))
    assert torch.equal(result[0], normalize(values[:1], mode)[0])


def test_float_rounding_does_not_count_as_a_difference():
    with pytest.warns(ApiGraphWarning, match="constant"):
        assert torch.equal(minmax(torch.tensor([[[1.0, 1.0 + 2**-23]]])), torch.full((1, 1, 2), 0.5))


@pytest.mark.parametrize("mode", ["none", "minmax", "sigmoid"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(mode, bad):
    values = torch.zeros(2, 2, 2)
    values[1, 0, 1] = bad
    with pytest.raises(BadInput, match="map 1 holds NaN or infinite"):
        normalize(values, mode)


@pytest.mark.parametrize("shape", [(2,), (1, 2, 2, 2), (1, 0, 2), (0, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(BadInput, match="shape"):
        minmax(torch.zeros(shape))


@pytest.mark.parametrize("contrast", [-1.0, math.nan, math.inf])
def test_bad_contrast(contrast):
    with pytest.raises(BadInput, match="contrast"):
        sigmoid(torch.rand(1, 2, 2), contrast)


@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
@given(maps, st.sampled_from(["minmax", "sigmoid"]), st.floats(0, 100))
def test_results_lie_in_0_to_1_keep_the_order_and_the_input(array, mode, contrast):
    values = torch.from_numpy(array.copy())
    with torch.inference_mode():
        result = normalize(values, mode, contrast)
    assert torch.equal(values, torch.from_numpy(array))
    assert ((result >= 0) & (result <= 1)).all()
    order = values.flatten(1).argsort(dim=1, stable=True)
    assert (result.flatten(1).gather(1, order).diff(dim=1) >= 0).all()
