"""The mean filter against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from api_graph.errors import BadInput
from api_graph.pixels.heatmap import mean_filter


def brute_force(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """The mean of every window, taken one at a time."""
    reach = kernel_size // 2
    padded = np.pad(heatmap.astype(np.float64), ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel_size, kernel_size), axis=(1, 2))
    return windows.mean(axis=(3, 4))


def test_by_hand():
    """A 9 in a corner: its own window holds it 4 times, its neighbours' twice, the diagonal one's once."""
    heatmap = torch.zeros(1, 4, 4)
    heatmap[0, 0, 0] = 9.0
    expected = torch.zeros(1, 4, 4)
    expected[0, :2, :2] = torch.tensor([[4.0, 2.0], [2.0, 1.0]])
    torch.testing.assert_close(mean_filter(heatmap, 3), expected)


@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_equals_a_brute_force_window_mean(batch, height, width, reach, seed):
    heatmap = np.random.default_rng(seed).random((batch, height, width), dtype=np.float32)
    given_map = torch.from_numpy(heatmap.copy())
    result = mean_filter(given_map, 2 * reach + 1)
    np.testing.assert_allclose(result.numpy(), brute_force(heatmap, 2 * reach + 1), rtol=0, atol=1e-6)
    assert torch.equal(given_map, torch.from_numpy(heatmap)) and result.dtype == torch.float32


def test_size_1_is_the_identity():
    heatmap = torch.rand(2, 5, 6)
    assert torch.equal(mean_filter(heatmap, 1), heatmap)


@given(st.floats(0, 1, width=32), st.integers(0, 200))
def test_a_constant_stays_itself(value, reach):
    heatmap = torch.full((1, 33, 47), value)
    torch.testing.assert_close(mean_filter(heatmap, 2 * reach + 1), heatmap, rtol=1e-7, atol=0)


def test_a_large_image_loses_no_precision():
    """A float32 cumulative sum over 4,000 columns would be off in the fourth digit."""
    row = torch.rand(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    expected = brute_force(row.expand(1, 3, 4000).numpy(), 3)[:, 1:2]
    np.testing.assert_allclose(mean_filter(row, 3).numpy(), expected, rtol=0, atol=1e-7)


def test_a_kernel_far_beyond_the_map_is_worked_out_without_padding():
    """Nearly all of a huge window lies in the replicated corners."""
    heatmap = torch.tensor([[[0.0, 0.0], [0.0, 4.0]]])
    assert torch.allclose(mean_filter(heatmap, 10**9 + 1), torch.ones(1, 2, 2))


@pytest.mark.parametrize("kernel_size", [3, 15, 31, 101])
def test_a_picture_of_several_blocks(kernel_size):
    """Both ways of cutting maps into blocks: many small maps, and columns of a large one."""
    random = np.random.default_rng(kernel_size)
    for shape in ((400, 24, 24), (2, 601, 467)):
        heatmap = random.random(shape, dtype=np.float32)
        result = mean_filter(torch.from_numpy(heatmap), kernel_size).numpy()
        at = [0, shape[0] - 1]
        exact = np.stack([uniform_filter(heatmap[i].astype(np.float64), kernel_size, mode="nearest") for i in at])
        np.testing.assert_allclose(result[at], exact, rtol=0, atol=3e-7)


def test_means_stay_in_the_range_of_their_map():
    heatmap = torch.rand(3, 40, 50) ** 8 + torch.tensor([0.0, 1e6, -3.0])[:, None, None]
    result = mean_filter(heatmap, 7)
    for own, mean in zip(heatmap, result, strict=True):
        assert own.min() <= mean.min() and mean.max() <= own.max()


@pytest.mark.parametrize(("size", "hint"), [(4, "3 or 5"), (0, "1, 3, 5"), (-3, "1, 3, 5")])
def test_bad_sizes(size, hint):
    with pytest.raises(BadInput, match=f"kernel_size: .*odd.*Use {hint}"):
        mean_filter(torch.zeros(1, 3, 3), size)
