"""Two maps into one: the paper's soft OR, and plainer ways to compare it with."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from api_graph.errors import BadInput

Combination = Literal["soft_or", "product", "mean", "max"]


def combine(a: Tensor, b: Tensor, mode: Combination = "soft_or") -> Tensor:
    """Combine maps of equal shape (B, h, w) cell by cell: `soft_or` (eq. 7), `product`, `mean` or `max`."""
    _check_same_shape(a, b)
    if mode == "soft_or":
        return soft_or(a, b)
    if mode == "product":
        return a * b
    if mode == "mean":
        return (a + b) / 2
    if mode == "max":
        return torch.maximum(a, b)
    raise BadInput(
        "unknown combination",
        input="mode",
        value=mode,
        hint=f"Use one of {', '.join(get_args(Combination))}.",
    )


def soft_or(a: Tensor, b: Tensor) -> Tensor:
    """Keep what either map keeps: Ψ = Ψ₁ + Ψ₂ − Ψ₁·Ψ₂ (API eq. 7). In [0, 1] where both maps are."""
    _check_same_shape(a, b)
    return a + b - a * b


def _check_same_shape(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise BadInput(
            "two maps can be combined only where they have the same shape",
            input="a, b",
            value=(tuple(a.shape), tuple(b.shape)),
            hint="Make both from the same model and the same images.",
        )
