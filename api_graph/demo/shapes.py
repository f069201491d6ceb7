"""The eight shapes of the demo scenes: outlines in the square [-1, 1]², drawn antialiased."""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 4
RING_HOLE = 0.5
"""Radius of a ring's hole over the ring's radius."""

SHAPES = ("circle", "square", "triangle", "star", "cross", "diamond", "ring", "heart")


@functools.cache
def outline(shape: str) -> np.ndarray:
    """Corners of a shape, (N, 2) x, y in [-1, 1], y downwards; it touches all four sides of that square."""
    points = np.asarray(_OUTLINES[shape](), dtype=float)
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - low) / (high - low) * 2 - 1


def shape_alpha(shape: str, diameter: float, degrees: float = 0.0) -> Image.Image:
    """An 8-bit coverage mask, just large enough, of a shape `diameter` pixels wide turned by `degrees`."""
    turn = math.radians(degrees)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    corners = outline(shape) @ rotation * (diameter / 2)  # (N, 2), pixels around the centre
    half = math.ceil(np.abs(corners).max())
    canvas = Image.new("L", (2 * half * SUPERSAMPLING, 2 * half * SUPERSAMPLING))
    draw = ImageDraw.Draw(canvas)
    draw.polygon(_on_canvas(corners, half), fill=255)
    if shape == "ring":
        draw.polygon(_on_canvas(corners * RING_HOLE, half), fill=0)
    return canvas.reduce(SUPERSAMPLING)


def _on_canvas(corners: np.ndarray, half: int) -> list[tuple[float, float]]:
    return [(x, y) for x, y in ((corners + half) * SUPERSAMPLING).tolist()]


def _around(radii: list[float], corners: int) -> list[tuple[float, float]]:
    """A polygon around the origin, its first corner at the top, whose radii repeat in turn."""
    angles = [2 * math.pi * i / corners for i in range(corners)]
    return [(radii[i % len(radii)] * math.sin(a), -radii[i % len(radii)] * math.cos(a)) for i, a in enumerate(angles)]


def _cross() -> list[tuple[float, float]]:
    arm = 0.34
    quarter = [(arm, -1.0), (arm, -arm), (1.0, -arm)]
    right = quarter + [(x, -y) for x, y in reversed(quarter)]
    return right + [(-x, y) for x, y in reversed(right)]


def _heart() -> list[tuple[float, float]]:
    angles = [2 * math.pi * i / 48 for i in range(48)]
    down = [5 * math.cos(2 * a) + 2 * math.cos(3 * a) + math.cos(4 * a) - 13 * math.cos(a) for a in angles]
    return [(16 * math.sin(a) ** 3, y) for a, y in zip(angles, down, strict=True)]


_OUTLINES = {
    "circle": lambda: _around([1.0], 48),
    "square": lambda: [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": lambda: [(0, -1), (1, 1), (-1, 1)],
    "star": lambda: _around([1.0, 0.42], 10),
    "cross": _cross,
    "diamond": lambda: _around([1.0], 4),
    "ring": lambda: _around([1.0], 48),
    "heart": _heart,
}
