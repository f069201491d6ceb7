"""Two maps into one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.pixels.heatmap import combine, soft_or

A, B = torch.tensor([[[0.0, 0.5, 1.0]]]), torch.tensor([[[0.25, 0.5, 0.5]]])
unit = st.floats(0, 1, width=32)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("soft_or", [0.25, 0.75, 1.0]),
        ("product", [0.0, 0.25, 0.5]),
        ("mean", [0.125, 0.5, 0.75]),
        ("max", [0.25, 0.5, 1.0]),
    ],
)
def test_by_hand(mode, expected):
    assert combine(A, B, mode).tolist() == [[expected]]


@given(unit, unit)
def test_soft_or_is_the_complement_of_both_being_absent(a, b):
    result = soft_or(torch.tensor([[[a]]]), torch.tensor([[[b]]])).item()
    assert result == pytest.approx(1 - (1 - a) * (1 - b), abs=1e-6)
    assert result >= max(a, b) - 1e-6


def test_refusals():
    with pytest.raises(BadInput, match="same shape"):
        soft_or(A, A[..., :2])
    with pytest.raises(BadInput, match="Use one of soft_or, product, mean, max"):
        combine(A, B, "xor")  # type: ignore[arg-type]
