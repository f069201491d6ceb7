"""What a model sees of a picture, against open_clip's own transforms; and what it drops when its weights are moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from api_graph.clip import encode_image
from api_graph.clip.model import Preprocess
from api_graph.geometry import Geometry, ResizeMode
from tests.clip.small_models import pixels_for, random_clip

SIZES = [
    (64, 64),
    (97, 64),
    (64, 97),
    (131, 75),
    (75, 132),
    (201, 90),
    (70, 199),
    (65, 64),
    (63, 64),
    (33, 40),
]


def coordinates(width: int, height: int) -> Image.Image:
    """Red grows with x, green with y, blue is full everywhere (so that padding shows)."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[..., 0] = np.linspace(0, 255, width).round()[None, :]
    picture[..., 1] = np.linspace(0, 255, height).round()[:, None]
    return Image.fromarray(picture)


def seen_along(levels: torch.Tensor, length: int) -> torch.Tensor:
    """Levels in [0, 1] back to source coordinates, in which pixel i spans i to i + 1."""
    return levels * (length - 1) + 0.5


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("model_size", [(32, 32), (33, 33), (32, 48), (45, 31)])
@pytest.mark.parametrize("size", SIZES)
def test_each_pixel_shows_where_geometry_says(
    mode: ResizeMode, model_size: tuple[int, int], size: tuple[int, int]
) -> None:
    facts = Preprocess(model_size, mean=(0.0,) * 3, std=(1.0,) * 3, resize_mode=mode)
    pixels = facts.transform()(coordinates(*size))  # (3, h, w)
    geometry = Geometry.of_resize(*size, model_size, mode)
    for axis, (low, high, length) in enumerate(
        [(geometry.left, geometry.right, size[0]), (geometry.top, geometry.bottom, size[1])]
    ):
        count = model_size[1 - axis]
        step = (high - low) / count
        expected = low + step * (torch.arange(count) + 0.5)
        # The middle row (or column) of the picture is never padding; near the edges the filter is cut off.
        line = pixels[axis, model_size[0] // 2] if axis == 0 else pixels[axis, :, model_size[1] // 2]
        inside = (expected > 2.5 * step + 1) & (expected < length - 2.5 * step - 1)
        assert inside.sum() >= 5
        shift = (seen_along(line, length) - expected)[inside].mean() / step
        assert abs(shift) < 0.2, f"off by {shift:.2f} model pixels along axis {axis}"


def test_padding_is_outside_the_source() -> None:
    geometry = Geometry.of_resize(100, 50, (32, 32), "longest")
    assert (geometry.left, geometry.right, geometry.top, geometry.bottom) == (0, 100, -25, 75)
    assert geometry.unseen == 0


def test_centre_crop_hides_the_sides() -> None:
    geometry = Geometry.of_resize(160, 90, (32, 32), "shortest")
    assert geometry.unseen == pytest.approx(7 / 16, abs=0.02)


def test_what_was_folded_is_dropped_and_made_again() -> None:
    model = random_clip()
    pixels = pixels_for(model, 1)
    before = encode_image(model, pixel_values=pixels)
    tower = model.tower
    model.forget()
    assert model.tower is not tower
    assert torch.equal(encode_image(model, pixel_values=pixels).contributions, before.contributions)


def test_forgetting_nothing_is_fine() -> None:
    model = random_clip()
    model.forget()
    model.forget()
