"""Heatmap to mask: cuts worked out by hand, Otsu against its definition, edges against distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from api_graph.errors import BadInput
from api_graph.pixels.threshold import heatmap_to_mask, otsu_threshold

ROW = torch.tensor([[[0.0, 0.2, 0.5, 0.6, 1.0]]])


def inside(heatmap: torch.Tensor, *args: object, **values: object) -> list[float]:
    return heatmap_to_mask(heatmap, *args, **values).flatten().tolist()  # pyright: ignore[reportArgumentType]


def test_a_fixed_cut_takes_what_lies_at_it() -> None:
    assert inside(ROW, "fixed", 0.5) == [0, 0, 1, 1, 1]


def test_a_share_is_of_the_maps_own_range() -> None:
    assert inside(ROW * 4 - 2, "share", 0.5) == [0, 0, 1, 1, 1]  # from −2 to 2: the cut lies at 0
    assert inside(ROW, "share", 1.0) == [0, 0, 0, 0, 1]
    assert inside(ROW, "share", 0.0) == [1, 1, 1, 1, 1]


def test_a_quantile_leaves_its_share_of_the_pixels_outside() -> None:
    heatmap = torch.arange(100.0).reshape(1, 10, 10) / 100
    assert heatmap_to_mask(heatmap, "quantile", 0.9).sum() == 10


def test_hysteresis_joins_what_touches_a_high_part() -> None:
    heatmap = torch.tensor([[[0.0, 0.5, 0.9, 0.5, 0.1, 0.5, 0.0, 1.0]]])
    assert inside(heatmap, "hysteresis", 0.8, 0.4) == [0, 1, 1, 1, 0, 0, 0, 1]
    corners = torch.tensor([[[1.0, 0.0], [0.0, 0.5]]])
    assert inside(corners, "hysteresis", 0.8, 0.4) == [1, 0, 0, 1]  # over corners too


def test_peak_keeps_the_part_around_the_highest_value() -> None:
    heatmap = torch.tensor([[[0.9, 0.8, 0.0, 1.0, 0.7]]])
    assert inside(heatmap, "fixed", 0.5, keep="peak") == [0, 0, 0, 1, 1]
    assert inside(heatmap * 0.4, "fixed", 0.5, keep="peak") == [0, 0, 0, 0, 0]


def test_growing_rounds_corners() -> None:
    dot = torch.zeros(1, 7, 7)
    dot[0, 3, 3] = 1
    grown = heatmap_to_mask(dot, "fixed", 0.5, grow=2)[0]
    rows, columns = np.indices((7, 7))
    assert torch.equal(grown, torch.from_numpy((rows - 3) ** 2 + (columns - 3) ** 2 <= 4).float())  # 13 pixels
    square = torch.zeros(1, 9, 9)
    square[0, 2:7, 2:7] = 1
    assert heatmap_to_mask(square, "fixed", 0.5, grow=-1)[0].nonzero().tolist() == [
        [y, x] for y in (3, 4, 5) for x in (3, 4, 5)
    ]


def test_a_region_at_the_pictures_edge_does_not_shrink_from_it() -> None:
    half = torch.zeros(1, 6, 6)
    half[0, :, :3] = 1
    assert heatmap_to_mask(half, "fixed", 0.5, grow=-1).sum(1).tolist() == [[6, 6, 0, 0, 0, 0]]


def test_feather_is_a_gaussian_over_the_edge() -> None:
    step = torch.zeros(1, 5, 81)
    step[..., 40:] = 1
    soft = heatmap_to_mask(step, "fixed", 0.5, feather=4.0)[0, 2]
    # A step behind a Gaussian is its distribution function; the edge lies half a pixel before pixel 40.
    x = (torch.arange(81.0) - 39.5) / 4
    assert torch.allclose(soft, (1 + torch.erf(x / 2**0.5)) / 2, atol=2e-3)


@given(arrays(np.float32, (5, 6), elements=st.integers(0, 20).map(float)).filter(lambda a: float(np.ptp(a)) > 0))
def test_otsu_splits_values_best(values: np.ndarray) -> None:
    """By the definition: no other split leaves less variance within the two classes."""

    def within(cut: float) -> float:
        return sum(float(((part - part.mean()) ** 2).sum()) for part in (values[values <= cut], values[values > cut]))

    cuts = np.unique(values)[:-1].tolist()
    assert within(otsu_threshold(values)) == pytest.approx(min(map(within, cuts)), abs=1e-3)
    high = heatmap_to_mask(torch.from_numpy(values)[None], "otsu")[0]
    assert torch.equal(high, torch.from_numpy(values > otsu_threshold(values)).float())


@pytest.mark.parametrize("method", ["share", "otsu", "hysteresis"])
def test_a_constant_map_has_no_cut(method: str) -> None:
    with pytest.raises(BadInput, match="constant"):
        inside(torch.full((1, 4, 4), 0.5), method)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"method": "triangle"}, "method"),
        ({"keep": "largest"}, "keep"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"feather": -1}, "feather"),
        ({"method": "hysteresis", "threshold": 0.3, "low": 0.5}, "low"),
        ({"heatmap": torch.full((1, 2, 2), torch.nan)}, "heatmap"),
        ({"heatmap": torch.zeros(2, 2)}, "heatmap"),
    ],
)
def test_what_is_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput) as refused:
        inside(**{"heatmap": ROW, **values})  # pyright: ignore[reportArgumentType]
    assert refused.value.input == named
