"""Attention and values taken from two images."""

from __future__ import annotations

import pytest
import torch

from api_graph.clip import load_clip
from api_graph.errors import BadInput
from api_graph.tasks.features import plain_features
from api_graph.tasks.replaced import replaced_features
from tests.clip.small_models import random_clip


def images(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 32, 32, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("part", ["v", "qk"])
def test_an_image_that_replaces_itself_stays_what_it_is(part) -> None:
    model, image = random_clip(), images(1, 0)
    again = replaced_features(model, image, image, part)
    assert torch.allclose(again, plain_features(model, image), atol=1e-4)


def test_values_of_the_last_layer_by_hand() -> None:
    """The last layer gathers the clean image's values by the drawn images' attention."""
    model, drawn, clean = random_clip(), images(2, 1), images(1, 2)
    tower = model.tower
    last = tower.blocks[-1]  # type: ignore[union-attr]
    states = []
    for picture in (drawn, clean):
        pixels = torch.stack([model.transform(p) for p in as_pictures(picture)])  # type: ignore[misc]
        x, rope = tower.embed(pixels)  # type: ignore[union-attr]
        for block in tower.blocks[:-1]:  # type: ignore[union-attr]
            x = block.run(x, rope)
        states.append(x)
    (q, k, _), (_, _, v) = (
        [part.unflatten(-1, (last.heads, -1)).transpose(1, 2) for part in last.qkv(last.norm(x)).chunk(3, -1)]
        for x in states  # (B, H, T, d) each
    )
    attention = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)  # (B, H, T, T)
    gathered = (attention @ v).transpose(1, 2).flatten(2)  # (B, T, H·d)
    expected = tower.head(last.finish(states[0], gathered)[:, 0])
    found = replaced_features(model, drawn, clean, "v", layers=-1)
    assert torch.allclose(found, expected, atol=1e-4)
    assert not torch.allclose(found, plain_features(model, drawn), atol=1e-3)


def as_pictures(picture: torch.Tensor) -> list:
    from api_graph.pixels.given import as_pictures as convert

    return convert(picture)


def test_what_cannot_be_replaced() -> None:
    with pytest.raises(BadInput, match="no such part"):
        replaced_features(load_clip("demo", device="cpu"), images(1, 0), images(1, 0), "k")  # type: ignore[arg-type]
