"""Training pictures of the demo LVLM: what is on them, what annotation leaves to be seen, and their features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from demo_lvlm_model import FEATURE_LAYER, SIZE
from PIL import Image
from torch import Tensor

from api_graph.demo.scenes import SIDE, Scene, SceneObject, scene

NOTHING = np.zeros((0, 0), dtype=bool)
CELLS = SIZE // 8


@dataclass(frozen=True, eq=False)
class View:
    """One way a scene was shown: the row of its features, and how much is left of each object, in [0, 1].

    `kept` is the same before a floor was put under the mask: what the mask meant to keep.
    """

    row: int
    seen: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True, eq=False)
class Shown:
    """A scene's objects, its size in pixels, and its views; the first one is the scene as it is."""

    objects: tuple[SceneObject, ...]
    size: tuple[int, int]
    views: tuple[View, ...]


@dataclass(frozen=True)
class Pools:
    """Scenes by pool, and the features of all their views, float16 (N, T, D)."""

    scenes: dict[str, list[Shown]]
    features: Tensor


def build_pools(tower: Any, workers: int) -> Pools:
    """One or two objects, up to five on a lattice, up to five anywhere, and these annotated twice as well."""
    plans = {
        "few": (range(300_000, 306_000), partial(render, objects=(1, 2))),
        "lattice": (range(320_000, 325_000), partial(render, objects=(2, 5), lattice=CELLS)),
        "free": (range(340_000, 364_000), partial(render, objects=(2, 5))),
        "marked": (range(380_000, 387_000), partial(render, objects=(1, 5), annotations=2)),
    }
    scenes: dict[str, list[Shown]] = {name: [] for name in plans}
    features: list[Tensor] = []
    with ProcessPoolExecutor(workers) as pool:
        for name, (seeds, draw) in plans.items():
            rendered = pool.map(draw, seeds, chunksize=64)
            for shown, images in _in_batches(rendered, 128):
                start = sum(map(len, features))
                features.append(encode(tower, images))
                for one in shown:
                    views = tuple(replace(v, row=start + i) for i, v in enumerate(one.views))
                    scenes[name].append(replace(one, views=views))
                    start += len(views)
    return Pools(scenes, torch.cat(features))


def render(
    seed: int, *, objects: tuple[int, int], lattice: int | None = None, annotations: int = 0
) -> tuple[Shown, np.ndarray]:
    """A scene, half of them not square, and its views squashed to what the model sees, (views, S, S, 3)."""
    rng = np.random.RandomState(seed)
    width = height = SIDE
    if lattice is None and rng.rand() < 0.5:
        longer = round(SIDE * rng.uniform(1, 1.8))
        width, height = (longer, SIDE) if rng.rand() < 0.65 else (SIDE, longer)
    picture = scene(seed, objects, width=width, height=height, lattice=lattice)
    image = np.asarray(picture.image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    views, images = [View(0, np.ones(len(picture.objects)), np.ones(len(picture.objects)))], [image]
    for _ in range(annotations):
        mask, floor = random_mask(rng, picture), rng.choice([0.0, 0.0, 0.1, 0.25, 0.4])
        alpha = floor + (1 - floor) * mask
        grey = rng.choice([0, 0, 0, 100])
        images.append((image * alpha[..., None] + grey * (1 - alpha[..., None])).astype(np.uint8))
        kept = mean_over_objects(mask, picture)
        views.append(View(0, floor + (1 - floor) * kept, kept))
    plain = tuple(replace(o, mask=NOTHING) for o in picture.objects)
    return Shown(plain, picture.image.size, tuple(views)), np.stack(images)


def random_mask(rng: np.random.RandomState, picture: Scene) -> np.ndarray:
    """What annotation might keep, (S, S) in [0, 1]: some of the objects, all but some, or soft blotches."""
    how = rng.rand()
    if how < 0.2:
        return _enlarged(rng.rand(rng.randint(2, 6), rng.randint(2, 6)))
    cells = np.zeros((CELLS, CELLS))
    chosen = rng.permutation(len(picture.objects))[: rng.randint(1, 3)]
    for i in chosen:
        left, top, right, bottom = np.array(picture.objects[i].box) / np.tile(picture.image.size, 2) * CELLS
        margin = rng.uniform(0, 0.8)
        rows = slice(max(0, int(top - margin)), int(np.ceil(bottom + margin)))
        columns = slice(max(0, int(left - margin)), int(np.ceil(right + margin)))
        cells[rows, columns] = 1
    cells = cells if how < 0.75 else 1 - cells
    return _enlarged(np.clip(cells + rng.uniform(0, 0.2) * rng.standard_normal(cells.shape), 0, 1))


def mean_over_objects(mask: np.ndarray, picture: Scene) -> np.ndarray:
    """The mask's mean in the box of every object, (objects,)."""
    means = []
    for o in picture.objects:
        left, top, right, bottom = np.round(np.array(o.box) / np.tile(picture.image.size, 2) * SIZE).astype(int)
        means.append(mask[top:bottom, left:right].mean())
    return np.array(means)


@torch.no_grad()
def encode(tower: Any, images: np.ndarray) -> Tensor:
    """uint8 (B, S, S, 3) -> what the projector gets, float16 (B, T, D)."""
    pixels = (torch.from_numpy(images).float() / 127.5 - 1).permute(0, 3, 1, 2)
    return tower(pixels, output_hidden_states=True).hidden_states[FEATURE_LAYER][:, 1:].half()


def _enlarged(cells: np.ndarray) -> np.ndarray:
    image = Image.fromarray(cells.astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image), 0, 1)


def _in_batches(rendered: Iterable[tuple[Shown, np.ndarray]], size: int) -> Iterator[tuple[list[Shown], np.ndarray]]:
    shown: list[Shown] = []
    images: list[np.ndarray] = []
    for one, views in rendered:
        shown.append(one)
        images.append(views)
        if len(shown) == size:
            yield shown, np.concatenate(images)
            shown, images = [], []
    if shown:
        yield shown, np.concatenate(images)
