"""What a preprocessing of the user's own does to an image, measured: which rectangle of it the model is shown.

Pictures whose levels grow from left to right, and from top to bottom, say of each pixel of the result where it was
taken from; a black and a white one say what is padding and undo the normalisation. The map that fits along each axis,
x = left + (column + ½)·step, is a crop, a padding or a squash. Whatever is no such map is refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry, ResizeMode

Transform = Callable[[Image.Image], Tensor]

_LEVELS = 255
_FEWEST = 4  # pixels to fit a line to
_DRAWS = 3  # a transform that draws at random is hardly the same so often
_RANDOM = ("Random", "ColorJitter", "AutoAugment", "RandAugment", "TrivialAugment", "AugMix", "ElasticTransform")
_WHAT_WORKS = (
    "Give an evaluation transform: a resize, a centre crop or padding, and a normalisation. open_clip's "
    "create_model_and_transforms returns it last; the one before it is for training."
)


def measured(transform: Transform, size: tuple[int, int]) -> ResizeMode | Callable[[int, int], Geometry]:
    """How `transform` brings pictures to a model's `size` (height, width): a mode of open_clip's, if it is one.

    Else a function from a picture's width and height to its geometry, which measures each size once. Raises BadInput
    for what is random, gives another size, turns or mirrors pictures, or is no even map of a rectangle.
    """
    probe = _Probe(transform, size)
    probe.refuse_random()
    side = max(size)
    shapes = [(2 * side, side), (side, 2 * side), (3 * side + 1, 2 * side + 5), (side // 2 + 3, side // 2 + 7)]
    found = {shape: probe.rectangle(*shape) for shape in [*shapes, (1280, 960)]}
    seen = {shape: one for shape, one in found.items() if one is not None}  # a fixed crop may miss small pictures
    if not seen:
        raise _refused("it shows nothing of a picture")
    for mode in get_args(ResizeMode):
        if all(_agree(one, Geometry.of_resize(*shape, size, mode), size) for shape, one in seen.items()):
            return mode
    return lru_cache(maxsize=4096)(probe.geometry)


@dataclass(frozen=True)
class _Probe:
    transform: Transform
    size: tuple[int, int]

    def geometry(self, width: int, height: int) -> Geometry:
        """The rectangle of a picture of this size that the model is shown; a BadInput if that is nothing of it."""
        found = self.rectangle(width, height)
        if found is None:
            raise _refused(f"it shows nothing of a picture of {width}×{height}")
        return found

    def rectangle(self, width: int, height: int) -> Geometry | None:
        """The same; None if it is nothing of the picture."""
        black, white = (self.seen(np.full((height, width), level)) for level in (0, _LEVELS))
        response = (white - black).sum(0)  # (h, w); of padding, 0
        inside = response.abs() > response.abs().max() / 2
        if not bool(inside.any()):
            return None
        if not torch.equal(inside, inside.any(1)[:, None] & inside.any(0)):
            raise _refused("it does not show a rectangle of the picture")
        across, down = _ramp(width, height), _ramp(height, width).T
        safe = torch.where(inside, response, 1.0)
        x = _fitted((self.seen(across) - black).sum(0) / safe, inside, width)
        y = _fitted(((self.seen(down) - black).sum(0) / safe).T, inside.T, height)
        rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
        # Where too few pixels show, the scale is the other side's: who pads or crops keeps the proportions.
        step = x[1] if x else y[1] if y else max(width / len(columns), height / len(rows))
        left, across_step = x or (-int(columns[0]) * step, step)
        top, down_step = y or (-int(rows[0]) * step, step)
        right, bottom = left + self.size[1] * across_step, top + self.size[0] * down_step
        return Geometry(width, height, left, top, right, bottom)

    def seen(self, levels: np.ndarray) -> Tensor:
        """What becomes of a grey picture (H, W) of levels in [0, 255]: (3, h, w), float64 on the CPU."""
        picture = Image.fromarray(levels.astype(np.uint8)).convert("RGB")
        try:
            with _random_states_kept(), torch.inference_mode(False):
                given = self.transform(picture)
        except Exception as error:
            raise _refused(f"it fails on a picture of {picture.width}×{picture.height}: {error}") from error
        if not isinstance(given, Tensor) or not given.is_floating_point():
            raise _refused(f"it gives a {getattr(given, 'dtype', type(given).__name__)} instead of a tensor of floats")
        if tuple(given.shape) != (3, *self.size):
            raise _refused(f"it gives {tuple(given.shape)}, and the model takes {(3, *self.size)}")
        if not bool(given.isfinite().all()):
            raise _refused("it gives NaN or infinite values")
        return given.detach().double().cpu()

    def refuse_random(self) -> None:
        """Raise BadInput where a transform is called random, or is not the same twice."""
        parts = [self.transform, *getattr(self.transform, "transforms", ())]
        named = [type(part).__name__ for part in parts if type(part).__name__.startswith(_RANDOM)]
        if named:
            raise _refused(f"it draws at random ({', '.join(named)})")
        height, width = self.size[0] + 31, self.size[1] + 67
        slope = np.add.outer(np.arange(height) / height, 2 * np.arange(width) / width) * _LEVELS / 3
        first = self.seen(slope)
        if any(not torch.equal(first, self.seen(slope)) for _ in range(_DRAWS)):
            raise _refused("it gives another result each time")


def _ramp(length: int, lines: int) -> np.ndarray:
    """Levels (lines, length) from 0 to 255 along each line. Each rounds at another place: their mean does not."""
    rounding = np.arange(lines) * 0.618034 % 1
    return np.floor(np.linspace(0, _LEVELS, length) + rounding[:, None])


def _fitted(shown: Tensor, inside: Tensor, length: int) -> tuple[float, float] | None:
    """Where the frame (h, w) begins along its second axis, and how long its pixels are, in those of the source.

    None where too little of the source shows. `shown` are shares of the source's length, where `inside`. Raises
    BadInput unless they grow evenly, and alike in all rows.
    """
    rows, columns = inside.any(1), inside.any(0).nonzero()[:, 0]
    if length <= 2 or len(columns) < _FEWEST:
        return None
    place = shown[rows][:, columns] * (length - 1) + 0.5  # (rows, columns)
    mean = place.mean(0)
    index = columns.double() + 0.5
    step, start = _line(index, mean)
    for _ in range(2):  # near the picture's edges the filter is cut off
        kept = (mean > 2.5 * abs(step) + 1) & (mean < length - 2.5 * abs(step) - 1)
        if int(kept.sum()) < 4:
            break
        step, start = _line(index[kept], mean[kept])
    off = (mean - (start + index * step)).abs()
    allowed = 1 + abs(step) + 1.5 * length / _LEVELS
    edge = 2 * abs(step) + 1
    wrong = (off > allowed + edge) | ((off > allowed) & (mean > 2 * edge) & (mean < length - 2 * edge))
    uneven = (place - mean).abs().quantile(0.9, dim=0) > allowed
    if step <= 0:
        raise _refused("it mirrors or turns the picture")
    if bool(wrong.any()) or bool(uneven.any()):
        raise _refused("it turns or bends pictures, or changes their levels unevenly")
    return start, step


def _line(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Slope and intercept of the least-squares line."""
    centred = x - x.mean()
    spread = float((centred * centred).sum())
    slope = float((centred * y).sum()) / spread if spread else 0.0
    return slope, float(y.mean()) - slope * float(x.mean())


def _agree(one: Geometry, other: Geometry, size: tuple[int, int]) -> bool:
    """Whether two rectangles are the same up to a pixel of the model, and what 256 levels can tell."""
    height, width = size
    across = (other.right - other.left) / width + one.width / _LEVELS / 2
    down = (other.bottom - other.top) / height + one.height / _LEVELS / 2
    far = max(abs(one.left - other.left), abs(one.right - other.right)) > across
    return not far and max(abs(one.top - other.top), abs(one.bottom - other.bottom)) <= down


def _refused(problem: str) -> BadInput:
    return BadInput(
        f"where the model looks cannot be told from this preprocess: {problem}", input="preprocess", hint=_WHAT_WORKS
    )


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """What draws at random inside goes on drawing, and the program's own numbers stay as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        for seed in (random.seed, np.random.seed):
            seed(None)
        torch.seed()
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
