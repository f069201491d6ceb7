"""A CLIP whose weights were moved works out anew what it had folded."""

from __future__ import annotations

import torch

from api_graph.clip import encode_image
from tests.clip.small_models import pixels_for, random_clip


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
