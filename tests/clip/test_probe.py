"""A preprocess of the user's own is measured: crop, padding, squash, or refused. Expected rectangles are by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms as T

from api_graph import clip
from api_graph.clip import ClipModel
from api_graph.clip.model import Preprocess
from api_graph.clip.probe import measured
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.tasks.features import seeing
from tests.clip.small_models import random_clip

NORMALISED = T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.25))


def composed(*parts: Any) -> Any:
    return T.Compose([*parts, T.ToTensor(), NORMALISED])


def in_pillow(change: Callable[[Image.Image], Image.Image]) -> Any:
    """A function, as users write them."""
    return lambda picture: T.ToTensor()(change(picture.convert("RGB")))


def padded(picture: Image.Image) -> Image.Image:
    """To a square with the picture at the top left, as open_clip never does it; then 48 by 48."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), "grey")
    square.paste(picture)
    return square.resize((48, 48), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(48, 48), (40, 56), (33, 33)])
def test_open_clip_s_own_transforms_are_recognised(mode: Any, size: tuple[int, int]) -> None:
    for fill in (0, 127):
        assert measured(Preprocess(size, resize_mode=mode, fill_color=fill).transform(), size) == mode


@pytest.mark.parametrize(
    ("transform", "mode"),
    [
        (composed(T.Resize(48), T.CenterCrop(48)), "shortest"),
        (composed(T.Resize((48, 48))), "squash"),
        (composed(T.Resize((48, 48), T.InterpolationMode.NEAREST)), "squash"),
        (composed(T.Resize((48, 48)), T.Grayscale(3)), "squash"),
        (in_pillow(lambda picture: picture.resize((48, 48))), "squash"),
        (lambda picture: 1 - T.ToTensor()(picture.resize((48, 48))), "squash"),
    ],
)
def test_the_same_by_other_means_is_recognised(transform: Any, mode: str) -> None:
    assert measured(transform, (48, 48)) == mode


sides = st.integers(60, 300)


@settings(max_examples=10, deadline=None)
@given(sides, sides)
def test_other_rectangles_are_measured(width: int, height: int) -> None:
    """Resize(64) and CenterCrop(48) shows three quarters of the shorter side; a fixed crop what it names."""
    shorter = min(width, height)
    x, y = (width - 0.75 * shorter) / 2, (height - 0.75 * shorter) / 2
    cases: list[tuple[Any, tuple[float, float, float, float]]] = [
        (composed(T.Resize(64), T.CenterCrop(48)), (x, y, width - x, height - y)),
        (in_pillow(padded), (0, 0, max(width, height), max(width, height))),
        (in_pillow(lambda p: p.crop((5, 10, 53, 58))), (5, 10, 53, 58)),
        (composed(T.CenterCrop(48)), (width / 2 - 24, height / 2 - 24, width / 2 + 24, height / 2 + 24)),
    ]
    for transform, expected in cases:
        found = measured(transform, (48, 48))
        assert not isinstance(found, str)
        geometry = found(width, height)
        assert (geometry.width, geometry.height) == (width, height)
        across = (expected[2] - expected[0]) / 48
        for edge, wanted in zip((geometry.left, geometry.top, geometry.right, geometry.bottom), expected, strict=True):
            assert abs(edge - wanted) < 0.75 * across + 0.5  # of a pixel of the model: Resize rounds as well


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (300, 4), (3000, 2000)])
def test_any_size_has_a_rectangle(size: tuple[int, int]) -> None:
    found = measured(in_pillow(padded), (48, 48))
    assert not isinstance(found, str)
    geometry = found(*size)
    side = max(size)
    assert abs(geometry.left) < side / 40 and abs(geometry.right - side) < side / 10 + 1
    assert geometry.right > geometry.left and geometry.bottom > geometry.top


@pytest.mark.parametrize(
    ("transform", "problem"),
    [
        (composed(T.RandomResizedCrop(48)), r"draws at random \(RandomResizedCrop\)"),
        (composed(T.Resize((48, 48)), T.RandomHorizontalFlip()), r"draws at random \(RandomHorizontalFlip\)"),
        (composed(T.Resize((48, 48)), T.ColorJitter(0.5)), r"draws at random \(ColorJitter\)"),
        (lambda p: composed(T.RandomResizedCrop(48))(p), "another result each time"),
        (lambda p: T.ToTensor()(p.resize((48, 48))) * (0.5 + random.random()), "another result each time"),
        (lambda p: T.ToTensor()(p.resize((48, 48))) + float(np.random.rand()), "another result each time"),
        (in_pillow(lambda p: p.resize((48, 48)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)), "mirrors or turns"),
        (in_pillow(lambda p: p.resize((48, 48)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)), "mirrors or turns"),
        (in_pillow(lambda p: p.resize((48, 48)).transpose(Image.Transpose.ROTATE_90)), "turns"),
        (in_pillow(lambda p: p.resize((48, 48)).transpose(Image.Transpose.TRANSPOSE)), "turns"),
        (in_pillow(lambda p: p.resize((64, 64)).rotate(12).crop((8, 8, 56, 56))), "turns or bends"),
        (in_pillow(lambda p: p.resize((48, 48)).rotate(12)), "does not show a rectangle"),
        (lambda p: T.ToTensor()(p.resize((48, 48))) ** 2.2, "changes their levels unevenly"),
        (lambda p: T.ToTensor()(p.resize((48, 48))).roll(20, 2), "mirrors or turns|turns or bends"),
        (lambda p: torch.zeros(3, 48, 48), "shows nothing of a picture"),
        (lambda p: T.ToTensor()(p.resize((48, 48))) / 0 * 0, "NaN or infinite"),
        (lambda p: T.ToTensor()(p.resize((64, 48))), r"gives \(3, 48, 64\), and the model takes \(3, 48, 48\)"),
        (lambda p: T.ToTensor()(p.resize((48, 48)))[None], r"gives \(1, 3, 48, 48\)"),
        (lambda p: {"pixel_values": p}, "gives a dict instead of a tensor"),
        (lambda p: T.PILToTensor()(p.resize((48, 48))), "gives a torch.uint8 instead of a tensor of floats"),
        (lambda p: p.no_such_thing, "fails on a picture of .*no_such_thing"),
    ],
)
def test_what_is_no_such_map_is_refused(transform: Any, problem: str) -> None:
    with pytest.raises(BadInput, match=rf"preprocess: where the model looks .*({problem})") as raised:
        measured(transform, (48, 48))
    assert "evaluation transform" in raised.value.hint


def test_the_programs_own_random_numbers_stay() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[index]
    with pytest.raises(BadInput):
        measured(lambda p: composed(T.RandomCrop(48, pad_if_needed=True))(p) * random.random(), (48, 48))
    assert random.getstate() == before[0] and torch.equal(torch.get_rng_state(), before[2])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]


def test_maps_lie_where_the_model_looked() -> None:
    model = random_clip()
    size = model.preprocess.size
    calls: list[tuple[int, int]] = []

    def own(picture: Image.Image) -> torch.Tensor:
        calls.append(picture.size)
        return T.ToTensor()(
            picture.convert("RGB").crop((20, 30, 20 + 2 * size[1], 30 + 2 * size[0])).resize((size[1], size[0]))
        )

    wrapped = ClipModel.from_open_clip(model.module, own)
    picture = Image.effect_noise((200, 150), 60).convert("RGB")
    tokens = clip.encode_image(wrapped, [picture, picture])
    for geometry in tokens.geometry:
        expected = (20, 30, 20 + 2 * size[1], 30 + 2 * size[0])
        found = (geometry.left, geometry.top, geometry.right, geometry.bottom)
        assert all(abs(one - other) < 1 for one, other in zip(found, expected, strict=True))
    calls.clear()
    assert wrapped.preprocess.geometry(200, 150) == tokens.geometry[0] and not calls, "a size is measured once"
    squashed = seeing(wrapped, "squash")
    assert squashed.preprocess.geometry(200, 150) == Geometry.whole(200, 150)
    assert seeing(wrapped, "model") is wrapped and seeing(wrapped, "shortest") is not wrapped


def test_the_transforms_of_open_clip_s_models() -> None:
    module, train, evaluation = open_clip.create_model_and_transforms("ViT-S-32-alt", pretrained=None)
    model = ClipModel.from_open_clip(module, evaluation)  # type: ignore[arg-type]
    assert model.preprocess == ClipModel.from_open_clip(module).preprocess and model.transform is evaluation
    with pytest.raises(BadInput, match=r"RandomResizedCrop.*open_clip's create_model_and_transforms returns it last"):
        ClipModel.from_open_clip(module, train)  # type: ignore[arg-type]
