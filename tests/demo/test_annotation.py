"""Annotated images and the demo LVLM: the true box helps it, and another object's box misleads it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from api_graph.bench.scenes.answering import answers_right
from api_graph.demo.questions import AskedScene, asked_scenes
from api_graph.demo.scenes import TEST_SEEDS
from api_graph.geometry import Geometry
from api_graph.lvlm import LvlmModel, load_lvlm
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.sockets import Attribution

STRENGTH = 0.8
COUNT = 150


@pytest.fixture(scope="module")
def model() -> LvlmModel:
    return load_lvlm("demo", device="cpu")


@pytest.fixture(scope="module")
def asked() -> list[AskedScene]:
    """What colour is it? Five objects among 40 strokes of clutter."""
    return asked_scenes(TEST_SEEDS, "colour", COUNT, objects=(5, 5), clutter=(40, 40), targeted=True)


def box_as_map(size: tuple[int, int], box: Sequence[int]) -> Attribution:
    """A box as a map of 10×10 cells, 1 in those that it touches."""
    inside = torch.zeros(1, 1, size[1], size[0])
    left, top, right, bottom = box
    inside[..., top:bottom, left:right] = 1
    return Attribution(F.adaptive_max_pool2d(inside, (10, 10))[0], (Geometry.whole(*size),))


def annotated(asked: Sequence[AskedScene], *, other: bool) -> list[tuple[Image.Image]]:
    """Each scene with the box of the object asked about, or of another one, as its alpha channel."""
    return [(_blended(a, _other_box(a) if other else _target_box(a)),) for a in asked]


def _target_box(asked: AskedScene) -> Sequence[int]:
    assert asked.question.target is not None
    return asked.question.target.box


def _other_box(asked: AskedScene) -> Sequence[int]:
    return next(o.box for o in asked.scene.objects if o is not asked.question.target)


def _blended(asked: AskedScene, box: Sequence[int]) -> Image.Image:
    picture = asked.scene.image
    heatmap: Tensor = to_pixels(box_as_map(picture.size, box))
    return to_pil(alpha_blend(to_tensor(picture)[0], heatmap, strength=STRENGTH))[0]


def test_the_true_box_helps_and_another_one_misleads(model, asked) -> None:
    original = sum(answers_right(model, asked))
    oracle = sum(answers_right(model, asked, annotated(asked, other=False)))
    wrong = sum(answers_right(model, asked, annotated(asked, other=True)))
    assert oracle > original > wrong + COUNT // 3, (oracle, original, wrong)
