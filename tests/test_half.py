"""Models in half precision: their maps are float32, and order the patches as those of a float32 model do."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import api_graph
from api_graph.clip import load_clip
from api_graph.clip.baselines import attention_rollout, attention_times_gradient, raw_attention
from api_graph.clip.decompose import ContributionSum, Recipe
from api_graph.clip.maps import Similarity
from api_graph.clip.text import encode_queries
from api_graph.clip.tower import ClsTower, attention_row
from api_graph.demo.scenes import scene

SCENES = [scene(seed) for seed in range(4)]
PICTURES, QUERIES = [one.image for one in SCENES], [one.objects[0].name for one in SCENES]
NEAR = {"float16": 0.999, "bfloat16": 0.98}


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """The least of all maps (n, gh, gw)."""
    ranks = [maps.flatten(1).numpy().argsort(1).argsort(1) for maps in (one, other)]
    return min(float(np.corrcoef(a, b)[0, 1]) for a, b in zip(*ranks, strict=True))


@cache
def clip_in(dtype: str) -> Any:
    return load_clip(device="cpu", dtype=dtype)


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("recipe", ["paper", "reference"])
@pytest.mark.parametrize("similarity", ["cosine", "contribution"])
def test_maps_of_clip(recipe: Recipe, similarity: Similarity, dtype: str) -> None:
    exact, own = (
        api_graph.clip_attribution(PICTURES, QUERIES, clip_in(one), recipe=recipe, similarity=similarity)
        for one in ("float32", dtype)
    )
    for name in ("cls", "comp", "combined"):
        assert getattr(own, name).dtype == torch.float32
        assert rank_correlation(getattr(own, name), getattr(exact, name)) >= NEAR[dtype], name


@pytest.mark.parametrize("dtype", NEAR)
def test_baselines(dtype: str) -> None:
    exact, half = clip_in("float32"), clip_in(dtype)
    text = encode_queries(exact, QUERIES[:2])
    maps = {
        "raw": (raw_attention(half, PICTURES[:2]), raw_attention(exact, PICTURES[:2])),
        "rollout": (attention_rollout(half, PICTURES[:2]), attention_rollout(exact, PICTURES[:2])),
        "gradient": tuple(attention_times_gradient(model, PICTURES[:2], text) for model in (half, exact)),
    }
    for name, (own, expected) in maps.items():
        assert own.dtype == torch.float32
        assert rank_correlation(own, expected) >= NEAR[dtype], name
        assert (own - expected).abs().max() <= 0.05 * expected.max(), name


@pytest.mark.parametrize("dtype", NEAR)
def test_maps_of_an_lvlm(dtype: str) -> None:
    exact, own = (
        [
            api_graph.lvlm_attribution(picture, f"Where is the {query}?", model, answer="left").map
            for picture, query in zip(PICTURES[:3], QUERIES[:3], strict=True)
        ]
        for model in (api_graph.load_lvlm(device="cpu", dtype=one) for one in ("float32", dtype))
    )
    for half, full in zip(own, exact, strict=True):
        assert half.dtype == torch.float32
        assert rank_correlation(half[None], full[None]) >= NEAR[dtype]


def heads(tower: ClsTower, tokens: int, sink: float) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (1, H, T, d) in float16, of which the first key gets nearly all attention."""
    random = torch.Generator().manual_seed(0)
    count, width = tower.blocks[-1].heads, tower.blocks[-1].out.in_features // tower.blocks[-1].heads
    q, k, v = (torch.randn(1, count, tokens, width, generator=random) for _ in range(3))
    k[:, :, 0] = q[:, :, 0] / q[:, :, 0].norm(dim=-1, keepdim=True) ** 2 * sink * width**0.5
    return q.half(), k.half(), v.half()


def test_a_patch_that_gets_hardly_any_attention_still_says_what_it_says() -> None:
    """Below 6e-8 float16 has nothing, and what is not far above that is a few steps."""
    tower = clip_in("float16").tower
    q, k, v = heads(tower, 30, 16.0)
    layer = len(tower.blocks) - 1
    own = ContributionSum(tower, 1).carried(layer, q, k, v, torch.zeros(()))[0].double()
    attention = (q[:, :, :1].double() @ k.double().mT * q.shape[-1] ** -0.5).softmax(-1)[:, :, 0]  # (1, H, T)
    assert attention[..., 1:].median() < 1e-6
    matrix = tower.folded(layer)[0].double()
    expected = ((attention.unsqueeze(-1) * v.double()).transpose(1, 2).flatten(2) @ matrix)[0, 1:]
    assert torch.cosine_similarity(own, expected, dim=-1).min() > 0.9999
    assert ((own.norm(dim=-1) / expected.norm(dim=-1)) - 1).abs().max() < 0.01


def test_where_no_attention_at_all_is_left_nothing_is_carried() -> None:
    tower = clip_in("float16").tower
    q, k, v = heads(tower, 8, 1000.0)
    own = ContributionSum(tower, 1).carried(len(tower.blocks) - 1, q, k, v, torch.zeros(()))
    assert bool(own.isfinite().all()) and own.abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_of_high_scores_are_those_of_exact_ones(dtype: torch.dtype) -> None:
    """A step of float16 at 40 is .03, and of bfloat16 .25: a softmax of rounded scores would be off by as much."""
    random = torch.Generator().manual_seed(1)
    query = torch.full((1, 2, 16), 3.0).to(dtype)
    k = (3.3 + 0.05 * torch.randn(1, 2, 50, 16, generator=random)).to(dtype)
    exact = ((k.double() @ query.double().unsqueeze(-1)).squeeze(-1) / 4).softmax(-1)
    assert torch.allclose(attention_row(query, k).double(), exact, rtol=1e-4)
