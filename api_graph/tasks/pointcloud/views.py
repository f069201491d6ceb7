"""The six directions from which PointCLIP's zero-shot recipe looks at a cloud."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIX_VIEWS: tuple[tuple[float, float, float], ...] = tuple(
    (x * math.pi / 2, y * math.pi / 2, math.pi / 2)
    for x, y in ((0, 0), (1, 0), (2, 0), (3, 0), (0, -1), (0, 1))
)  # fmt: skip
"""Euler angles about x, y and z, in radians."""


def rotations(angles: tuple[tuple[float, float, float], ...] = SIX_VIEWS) -> Tensor:
    """R = Rx · Ry · Rz of each view, float64 (V, 3, 3); points are columns: R p."""
    return torch.stack([_about(0, x) @ _about(1, y) @ _about(2, z) for x, y, z in angles])


def _about(axis: int, angle: float) -> Tensor:
    """Right-handed rotation about one axis, (3, 3)."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = torch.eye(3, dtype=torch.float64)
    turn[i, i] = turn[j, j] = math.cos(angle)
    turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
    return turn
