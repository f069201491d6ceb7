"""Heatmaps that say nothing of the question: as bright as the one they stand for, wherever it looked."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.controls import control_heatmap

MAP = torch.tensor([[[0.0, 0.5, 1.0], [0.25, 2.0, -1.0]]])  # clamped: 0, ½, 1, ¼, 1, 0


def test_uniform_is_the_mean_of_what_the_blend_uses() -> None:
    found = control_heatmap(MAP, "uniform")
    assert torch.equal(found, torch.full((1, 2, 3), 2.75 / 6))
    white = torch.ones(1, 2, 3, 3)
    assert alpha_blend(white, found).mean().item() == pytest.approx(alpha_blend(white, MAP).mean().item(), abs=1e-7)


def test_none_is_the_heatmap() -> None:
    assert torch.equal(control_heatmap(MAP), MAP.clamp(0, 1))
    same = torch.rand(2, 4, 5)
    assert torch.equal(control_heatmap(same, image=torch.zeros(1, 4, 5, 3)), same)


def test_a_map_of_another_image_is_stretched() -> None:
    found = control_heatmap(torch.tensor([[[0.0, 1.0]]]), image=torch.zeros(1, 1, 4, 3))
    assert torch.allclose(found, torch.tensor([[[0.0, 0.25, 0.75, 1.0]]]))  # at ⅛ − ¼, ⅜ .. of two pixels, held at ends


def test_the_centre_of_a_width_is_the_formula() -> None:
    found = control_heatmap(torch.zeros(1, 3, 4), "centre", width=0.5)
    for row, y in enumerate((-1 / 3, 0.0, 1 / 3)):
        for column, x in enumerate((-3 / 8, -1 / 8, 1 / 8, 3 / 8)):
            expected = math.exp(-(x * x + y * y) / (2 * 0.25))
            assert found[0, row, column].item() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.02, 0.999), st.integers(3, 60), st.integers(3, 60))
def test_the_centre_has_the_mean_of_the_heatmap(mean: float, height: int, width: int) -> None:
    if mean < 1.5 / (height * width):  # less than the middle pixel alone
        return
    found = control_heatmap(torch.full((1, height, width), mean), "centre")
    assert found.mean().item() == pytest.approx(mean, abs=1e-5)
    assert torch.allclose(found, found.flip(1)) and torch.allclose(found, found.flip(2))
    assert found.max() == found[0, height // 2, width // 2]


def test_each_of_a_batch_is_as_alone_and_extremes_are_finite() -> None:
    maps = torch.stack([torch.zeros(5, 7), torch.ones(5, 7), torch.rand(5, 7)])
    for kind in ("uniform", "centre"):
        found = control_heatmap(maps, kind)
        assert found.isfinite().all() and float(found.min()) >= 0 and float(found.max()) <= 1
        for one, alone in zip(found, maps, strict=True):
            assert torch.equal(one, control_heatmap(alone[None], kind)[0])
    assert control_heatmap(maps[1:2], "centre").min() > 0.9999


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "middle"}, "kind"),
        ({"width": -0.1}, "width"),
        ({"heatmap": torch.full((1, 2, 2), torch.nan)}, "NaN"),
        ({"heatmap": torch.zeros(1, 2, 2, 3)}, "shape"),
        ({"image": torch.zeros(2, 2)}, "shape"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        control_heatmap(**{"heatmap": MAP, **arguments})  # type: ignore[arg-type]
