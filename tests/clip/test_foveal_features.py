"""Foveal features: equal to full passes of the model's own code with an attention mask, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from api_graph.clip.foveal import foveal_features
from api_graph.clip.foveal_pass import layer_count
from api_graph.clip.model import ClipModel
from tests.clip.small_models import pixels_for, random_clip
from tests.clip.test_decompose import relative
from tests.clip.test_towers import TIMM, timm_clip

TOWERS: dict[str, Any] = {
    "plain": lambda: random_clip(layers=6),
    "quick gelu, layer scale": lambda: random_clip(layers=5, quick_gelu=True, ls_init_value=0.3),
    "inner LayerNorm": lambda: random_clip(layers=5, scale_attn_inner=True),
    "one layer": lambda: random_clip(layers=1),
    "CoCa": lambda: random_clip(attentional_pool=True, attn_pooler_heads=4, attn_pooler_queries=5),
    "CoCa, equal widths": lambda: random_clip(attentional_pool=True, attn_pooler_heads=4, embed_dim=32),
    **{name: lambda kind=kind, options=options: timm_clip(kind, **options) for name, (kind, options) in TIMM.items()},
}
CLS_TOWERS = ["plain", "quick gelu, layer scale", "inner LayerNorm", "one layer", *(n for n in TIMM if "token" in n)]


def some_masks(count: int, grid: tuple[int, int] = (4, 4), seed: int = 0) -> Tensor:
    return torch.randn(count, *grid, generator=torch.Generator().manual_seed(seed))


def biased_modules(model: ClipModel, layers: list[int]) -> list[nn.Module]:
    """The model's own modules that take an `attn_mask`."""
    visual: Any = model.visual
    if hasattr(visual, "trunk"):
        pool = getattr(visual.trunk, "attn_pool", None)
        return [visual.trunk.blocks[layer] for layer in layers] if pool is None else [pool]
    if visual.attn_pool is not None:
        return [visual.attn_pool.attn]
    return [visual.transformer.resblocks[layer] for layer in layers]


def matrix_of(mask: Tensor, prefix: int, form: str, queries: int) -> Tensor:
    """M (queries, T) as the specification writes it."""
    row = torch.cat((torch.zeros(prefix), mask.flatten()))
    if form == "diagonal":
        return torch.diag(row)
    matrix = torch.zeros(queries, len(row))
    matrix[: 1 if form == "cls" else None] = row
    return matrix


@contextmanager
def attention_mask(modules: list[nn.Module], mask: Tensor) -> Iterator[None]:
    """Inside, these modules get `mask` as their `attn_mask`."""
    # Not in training, torch's MultiheadAttention would take a fast path that casts no float masks.
    handles = [
        m.register_forward_pre_hook(lambda _, args, kwargs: (args, {**kwargs, "attn_mask": mask}), with_kwargs=True)
        for m in modules
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def full_passes(model: ClipModel, pixels: Tensor, masks: Tensor, layers: list[int], form: str = "cls") -> Tensor:
    """One pass of the model's own code per mask."""
    tower: Any = model.tower
    pooled = hasattr(tower, "pool")
    prefix, patches = tower.prefix, masks[0].numel()
    queries = prefix + patches
    if pooled:
        visual: Any = model.visual
        latent = visual.trunk.attn_pool.latent if hasattr(visual, "trunk") else visual.attn_pool.query[None]
        queries = latent.shape[1]
    features = []
    for mask in masks:
        with attention_mask(biased_modules(model, layers), matrix_of(mask, prefix, form, queries)), torch.no_grad():
            out: Any = model.visual(pixels)
            features.append(out[0] if isinstance(out, tuple) else out)
    return torch.cat(features)


def depth(model: ClipModel) -> int:
    return layer_count(model.tower)


@pytest.mark.parametrize("name", TOWERS)
def test_shared_prefix_equals_full_passes(name: str) -> None:
    model = TOWERS[name]()
    pixels, masks = pixels_for(model, 1), some_masks(3)
    layers = list(range(max(0, depth(model) - 4), depth(model)))
    expected = full_passes(model, pixels, masks, layers)
    assert relative(foveal_features(model, masks=masks, pixel_values=pixels), expected) <= 1e-5
    plain = foveal_features(model, pixel_values=pixels)
    assert relative(plain, expected) > 1e-3


@pytest.mark.parametrize("form", ["cls", "rows", "diagonal"])
@pytest.mark.parametrize("layers", [[5], [0], [2, 4], [0, 1, 2, 3, 4, 5], [1, 5], [3]])
def test_every_form_at_any_layers(form: Any, layers: list[int]) -> None:
    model = TOWERS["plain"]()
    pixels, masks = pixels_for(model, 1), some_masks(2)
    expected = full_passes(model, pixels, masks, layers, form)
    found = foveal_features(model, masks=masks, pixel_values=pixels, layers=layers, form=form)
    assert relative(found, expected) <= 1e-5
    if form == "diagonal" and layers == [5]:  # the CLS token's own row has nothing on its diagonal
        assert relative(found, foveal_features(model, pixel_values=pixels).expand(2, -1)) <= 1e-5


@pytest.mark.parametrize("form", ["rows", "diagonal"])
@pytest.mark.parametrize("name", ["inner LayerNorm", "ViT, registers", "EVA-02"])
def test_the_other_forms_on_other_towers(name: str, form: Any) -> None:
    model = TOWERS[name]()
    pixels, masks = pixels_for(model, 1), some_masks(2)
    expected = full_passes(model, pixels, masks, [1, 2], form)
    found = foveal_features(model, masks=masks, pixel_values=pixels, layers=[1, 2], form=form)
    assert relative(found, expected) <= 1e-5
