"""Rendered scenes with known objects, boxes and masks: what the demo model is trained and judged on.

A scene is a function of its seed alone. Training, validation and test scenes come from ranges of seeds that
never meet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from api_graph.demo.shapes import SHAPES, shape_alpha
from api_graph.errors import BadInput

TRAINING_SEEDS = range(1_000_000)
VALIDATION_SEEDS = range(10_000_000, 11_000_000)
"""For choosing between training runs."""
TEST_SEEDS = range(20_000_000, 21_000_000)
"""For figures that are reported; never for choosing."""

COLOURS = {
    "red": (215, 35, 35),
    "orange": (245, 135, 20),
    "yellow": (245, 220, 40),
    "green": (40, 160, 60),
    "cyan": (60, 210, 220),
    "blue": (40, 75, 215),
    "purple": (145, 50, 175),
    "white": (245, 245, 245),
}
SIZES = {"small": 0.22, "large": 0.33}
"""An object's diameter over the scene's shorter side."""

SIDE = 160
"""Default width and height of a scene, in pixels."""
GAP = 2
"""Boxes of two objects are at least this many pixels apart: objects never overlap."""
MOST_OBJECTS = 5


@dataclass(frozen=True, eq=False)
class SceneObject:
    """What an object is, its box (left, top, right, bottom; the last two exclusive), its mask (H, W) bool."""

    shape: str
    colour: str
    size: str
    box: tuple[int, int, int, int]
    mask: np.ndarray

    @property
    def name(self) -> str:
        """Colour and shape, as in "red circle"."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is in it."""

    image: Image.Image
    objects: tuple[SceneObject, ...]

    def unique_objects(self) -> tuple[SceneObject, ...]:
        """The objects that their colour and shape alone tell apart from every other one."""
        count = Counter(o.name for o in self.objects)
        return tuple(o for o in self.objects if count[o.name] == 1)


def scene(
    seed: int,
    objects: tuple[int, int] = (3, 5),
    *,
    width: int = SIDE,
    height: int = SIDE,
    clutter: tuple[int, int] = (0, 10),
    lattice: int | None = None,
) -> Scene:
    """Draw the scene of `seed`: a textured background, clutter, and objects over it that do not overlap.

    `objects` and `clutter` are the least and the largest number of each. `lattice` = n puts the objects'
    centres on the inner corners of an n×n grid, give or take a pixel in 160; else they are free. Raises
    BadInput for more than five objects and for a side below 80 pixels.
    """
    _check(objects, width, height)
    # RandomState, not Generator: NumPy keeps its stream frozen between releases.
    rng = np.random.RandomState(seed)
    canvas = Image.fromarray(_background(rng, width, height))
    _draw_clutter(rng, canvas, rng.randint(clutter[0], clutter[1] + 1))
    count = rng.randint(objects[0], objects[1] + 1)
    drawn = tuple(_draw_object(rng, canvas, *position) for position in _positions(rng, count, width, height, lattice))
    return Scene(canvas, drawn)


def _check(objects: tuple[int, int], width: int, height: int) -> None:
    if not 0 <= objects[0] <= objects[1] <= MOST_OBJECTS:
        raise BadInput(
            f"the number of objects must be (least, most) within 0 and {MOST_OBJECTS}",
            input="objects",
            value=objects,
        )
    if min(width, height) < SIDE // 2:
        raise BadInput(
            "the scene is too small to draw in",
            input="width, height",
            value=(width, height),
            hint=f"Use at least {SIDE // 2} pixels on each side.",
        )


def _background(rng: np.random.RandomState, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8: a greyish tone with soft blotches and fine grain."""
    tone = rng.uniform(50, 150) + rng.uniform(-18, 18, 3)
    cells = rng.randint(2, 9)
    blotches = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
    blotches = np.asarray(blotches.resize((width, height), Image.Resampling.BICUBIC))
    grain = rng.standard_normal((height, width)) * rng.uniform(0, 8)
    shade = blotches * rng.uniform(0, 40) + grain  # (H, W)
    return np.clip(tone + shade[..., None], 0, 255).astype(np.uint8)


def _draw_clutter(rng: np.random.RandomState, canvas: Image.Image, count: int) -> None:
    """Thin strokes and dots of any colour, drawn before the objects."""
    draw = ImageDraw.Draw(canvas)
    width, height = canvas.size
    unit = min(width, height) / SIDE
    for _ in range(count):
        colour = tuple(rng.randint(0, 256, 3).tolist())
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if rng.rand() < 0.5:
            dx, dy = rng.uniform(-30, 30, 2) * unit
            draw.line((x, y, x + dx, y + dy), fill=colour, width=round(rng.uniform(1, 3) * unit))
        else:
            r = rng.uniform(1, 3) * unit
            draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _positions(
    rng: np.random.RandomState, count: int, width: int, height: int, lattice: int | None
) -> list[tuple[str, float, float, float]]:
    """Size, diameter and centre of every object, drawn anew until their boxes keep their distance."""
    shorter = min(width, height)
    while True:
        positions: list[tuple[str, float, float, float]] = []
        for _ in range(60):
            if len(positions) == count:
                return positions
            size = "small" if rng.rand() < 0.5 else "large"
            diameter = SIZES[size] * shorter * rng.uniform(0.9, 1.1)
            # A turned object reaches a little further than its diameter.
            reach = 0.55 * diameter + GAP
            x, y = rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)
            if lattice:
                x, y = _snap(rng, x, width, lattice), _snap(rng, y, height, lattice)
            if all(max(abs(x - a), abs(y - b)) >= reach + 0.55 * d + 1 for _, d, a, b in positions):
                positions.append((size, diameter, x, y))


def _snap(rng: np.random.RandomState, position: float, length: int, cells: int) -> float:
    pitch = length / cells
    corner = min(max(round(position / pitch), 1), cells - 1)
    return corner * pitch + rng.uniform(-1, 1) * length / SIDE


def _draw_object(
    rng: np.random.RandomState, canvas: Image.Image, size: str, diameter: float, x: float, y: float
) -> SceneObject:
    shape = SHAPES[rng.randint(len(SHAPES))]
    colour = list(COLOURS)[rng.randint(len(COLOURS))]
    alpha = shape_alpha(shape, diameter, degrees=rng.uniform(-8, 8))
    layer = Image.new("L", canvas.size)
    layer.paste(alpha, (round(x - alpha.width / 2), round(y - alpha.height / 2)))
    paint = np.clip(np.array(COLOURS[colour]) + rng.uniform(-15, 15, 3), 0, 255).astype(int)
    canvas.paste(tuple(paint.tolist()), mask=layer)
    mask = np.asarray(layer) >= 128
    return SceneObject(shape, colour, size, tight_box(mask), mask)


def tight_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest (left, top, right, bottom) around a mask (H, W), right and bottom exclusive."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
