"""Ψ cls and Ψ comp, called for many rows at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from api_graph.nodes.attribution import psi_cls, psi_comp

from api_graph.clip import ImageTokens, QueryFeatures
from api_graph.geometry import Geometry
from tests.nodes.rows import called_together

CHANNELS = 128


def image_tokens(seed: int, images: int = 1, recipe: Any = "paper") -> ImageTokens:
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(2, images, 100, CHANNELS, generator=generator)
    features = torch.randn(images, CHANNELS, generator=generator)
    geometry = tuple(Geometry.whole(80 + seed, 60 + i) for i in range(images))
    return ImageTokens(patches[0], patches[1], features, (10, 10), geometry, recipe)


def texts(seed: int, count: int = 1) -> QueryFeatures:
    generator = torch.Generator().manual_seed(100 + seed)
    return QueryFeatures(torch.randn(count, CHANNELS, generator=generator), tuple(f"{seed}.{i}" for i in range(count)))


@pytest.mark.parametrize("recipe", ["paper", "reference"])
@pytest.mark.parametrize(("node", "more"), [(psi_cls, {"similarity": "auto"}), (psi_comp, {})])
def test_maps_of_many_rows_are_those_of_each_alone(node, more, recipe) -> None:
    one, other, several = image_tokens(1, recipe=recipe), image_tokens(2, recipe=recipe), image_tokens(3, 4, recipe)
    pairs = [(one, texts(0)), (other, texts(1, 3)), (several, texts(2)), (one, texts(3)), (several, texts(4, 4))]
    calls = [{"tokens": tokens, "query": query, **more} for tokens, query in pairs]
    found = called_together(node, calls)
    for call, each in zip(calls, found, strict=True):
        alone = node(**call)
        torch.testing.assert_close(each.values, alone.values)
        assert each.geometry == alone.geometry


@pytest.mark.parametrize(("node", "more"), [(psi_cls, {"similarity": "contribution"}), (psi_comp, {})])
def test_a_row_gets_the_same_bits_whatever_goes_with_it(node, more) -> None:
    tokens, queries = image_tokens(1), [texts(i) for i in range(7)]
    calls = [{"tokens": tokens, "query": query, **more} for query in queries]
    alone = [called_together(node, [call])[0].values for call in calls]
    for first, last in ((0, 7), (0, 2), (2, 5), (4, 7)):
        for row, each in zip(range(first, last), called_together(node, calls[first:last]), strict=True):
            assert torch.equal(each.values, alone[row])


def test_rows_with_other_settings_are_not_mixed() -> None:
    tokens, query = image_tokens(1), texts(0)
    calls = [{"tokens": tokens, "query": query, "similarity": kind} for kind in ("auto", "contribution", "cosine")]
    auto, contribution, cosine = (each.values for each in called_together(psi_cls, calls))
    assert torch.equal(auto, cosine) and not torch.allclose(auto, contribution)
