"""Unleash and head reactions, against the equations worked out head by head on the model's own modules."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from api_graph.clip.foveal import foveal_features
from api_graph.clip.foveal_pass import ClsPass, PooledPass, Recorder
from api_graph.clip.model import ClipModel
from api_graph.clip.tower import ClsTower
from api_graph.clip.unleash import gains_of, head_outputs, head_reactions, random_heads, strongest
from api_graph.errors import BadInput
from tests.clip.small_models import pixels_for, random_clip, states
from tests.clip.test_decompose import relative
from tests.clip.test_foveal import TOWERS, some_masks

LAYERS, HEADS = 5, 4


@pytest.fixture(scope="module")
def model() -> ClipModel:
    return random_clip(layers=LAYERS, ls_init_value=0.7)


def head_terms(attn: Any, x: Tensor, row: Tensor | None) -> Tensor:
    """G_h (B, H, D) of plain open_clip attention, from its weights, with `row` (T,) added to the CLS token's scores."""
    d = x.shape[-1] // attn.num_heads
    w, b = attn.in_proj_weight.split(x.shape[-1]), attn.in_proj_bias.split(x.shape[-1])
    terms = []
    for h in range(attn.num_heads):
        own = slice(h * d, (h + 1) * d)
        q, k, v = (x @ w[i][own].T + b[i][own] for i in range(3))
        scores = (q[:, :1] @ k.transpose(1, 2)) / math.sqrt(d)  # (B, 1, T)
        a = (scores if row is None else scores + row).softmax(-1)
        terms.append((a @ v)[:, 0] @ attn.out_proj.weight[:, own].T)
    return torch.stack(terms, 1)


def slow_pass(
    model: ClipModel,
    pixels: Tensor,
    mask: Tensor | None,
    masked: set[int],
    gains: dict[int, Tensor],
    clean: list[Tensor] | None,
    fixed: list[Tensor] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """One full pass, [MSA]_cls = b_O + Σ_h [G'_h + λ_h (G'_h − G_h)]; the features and each layer's G'.

    `fixed` are the G' of an unamplified pass, where the amplified one is not to take its own.
    """
    visual: Any = model.visual
    row = None if mask is None else torch.cat((torch.zeros(1), mask.flatten()))
    seen = []
    x = visual._embeds(pixels) if hasattr(visual, "_embeds") else model.tower.embed(pixels)[0]  # type: ignore[union-attr]
    for layer, block in enumerate(visual.transformer.resblocks):
        normed = block.ln_1(x)
        terms = head_terms(block.attn, normed, row if layer in masked else None)
        seen.append(terms)
        if layer in gains and clean is not None:
            terms = terms if fixed is None else fixed[layer]
            terms = terms + gains[layer][None, :, None] * (terms - clean[layer])
        update = block.attn(normed, normed, normed, need_weights=False)[0].clone()
        update[:, 0] = terms.sum(1) + block.attn.out_proj.bias
        x = x + block.ls_1(update)
        x = x + block.ls_2(block.mlp(block.ln_2(x)))
    return visual.ln_post(x[:, 0]) @ visual.proj, seen


def slow_unleash(
    model: ClipModel,
    pixels: Tensor,
    mask: Tensor | None,
    masked: set[int],
    gains: dict[int, Tensor],
    order: str,
    clean: Tensor,
) -> Tensor:
    with torch.no_grad():
        before = slow_pass(model, clean, None, set(), {}, None)[1]
        fixed = None
        if order == "parallel":
            fixed = slow_pass(model, pixels, mask, masked, {}, None)[1]
        return slow_pass(model, pixels, mask, masked, gains, before, fixed)[0]


GAINS: dict[str, Any] = {
    "one": 1.0,
    "one per head": [0.5, -1.0, 0.0, 2.0],
    "one per layer and head": [[0.1 * (l + 1) * (h - 1) for h in range(HEADS)] for l in range(2)],
}


@pytest.mark.parametrize("order", ["sequential", "parallel"])
@pytest.mark.parametrize("name", GAINS)
def test_unleash_of_masks_is_the_equation(model: ClipModel, name: str, order: Any) -> None:
    pixels, masks = pixels_for(model, 1), some_masks(2)
    rows = torch.as_tensor(GAINS[name]).expand(2, HEADS)
    expected = [slow_unleash(model, pixels, mask, {2, 4}, {2: rows[0], 4: rows[1]}, order, pixels) for mask in masks]
    found = foveal_features(
        model=model, masks=masks, pixel_values=pixels, layers=[2, 4], unleash=GAINS[name], order=order
    )
    assert relative(found, torch.cat(expected)) <= 1e-5
    plain = foveal_features(model=model, masks=masks, pixel_values=pixels, layers=[2, 4])
    assert relative(found, plain) > 1e-4


@pytest.mark.parametrize("order", ["sequential", "parallel"])
@pytest.mark.parametrize("masked", [set(), {1, 4}])
def test_unleash_of_drawn_images(model: ClipModel, order: Any, masked: set[int]) -> None:
    """Two drawn images of one clean one, without and with a mask on top; heads 1 and 3 of layers 0, 2 and 3."""
    clean, drawn, masks = pixels_for(model, 1), pixels_for(model, 2), some_masks(2)
    gains = dict.fromkeys((0, 2, 3), torch.tensor([0.0, 0.8, 0.0, 0.8]))
    expected = [
        slow_unleash(model, drawn[i : i + 1], masks[i] if masked else None, masked, gains, order, clean)
        for i in range(2)
    ]
    found = foveal_features(
        model=model,
        masks=masks if masked else None,
        pixel_values=drawn,
        layers=sorted(masked) or "all",
        unleash=0.8,
        heads=[1, -1],
        unleash_layers=[0, 2, 3],
        order=order,
        clean_pixel_values=clean,
    )
    assert relative(found, torch.cat(expected)) <= 1e-5


def test_each_drawn_image_may_have_its_own_clean_one(model: ClipModel) -> None:
    drawn, clean = pixels_for(model, 3), pixels_for(model, 3).flip(0)
    whole = foveal_features(model=model, pixel_values=drawn, unleash=1.0, clean_pixel_values=clean)
    for i in range(3):
        alone = foveal_features(
            model=model, pixel_values=drawn[i : i + 1], unleash=1.0, clean_pixel_values=clean[i : i + 1]
        )
        assert relative(whole[i : i + 1], alone) <= 1e-5


@pytest.mark.parametrize("name", ["plain", "EVA-02", "ViT, registers", "SigLIP", "CoCa", "inner LayerNorm"])
@pytest.mark.parametrize("order", ["sequential", "parallel"])
def test_without_a_gain_it_is_the_plain_prompt(name: str, order: Any) -> None:
    model = TOWERS[name]()
    pixels, masks = pixels_for(model, 1), some_masks(2)
    plain = foveal_features(model=model, masks=masks, pixel_values=pixels)
    zero = foveal_features(model=model, masks=masks, pixel_values=pixels, unleash=0.0, order=order)
    assert torch.equal(plain, zero)
    tiny = foveal_features(model=model, masks=masks, pixel_values=pixels, unleash=1e-7, order=order)
    assert relative(tiny, plain) <= 1e-5
    loud = foveal_features(model=model, masks=masks, pixel_values=pixels, unleash=2.0, order=order)
    assert relative(loud, plain) > 1e-4


@pytest.mark.parametrize("name", ["plain", "EVA-02", "SigLIP", "CoCa"])
def test_a_clean_prompt_unleashes_nothing(name: str) -> None:
    model = TOWERS[name]()
    pixels = pixels_for(model, 2)
    plain = foveal_features(model=model, pixel_values=pixels)
    same = foveal_features(model=model, pixel_values=pixels, unleash=3.0, clean_pixel_values=pixels)
    assert relative(same, plain) <= 1e-5


def test_at_the_last_layer_alone_the_two_orders_agree(model: ClipModel) -> None:
    pixels, masks = pixels_for(model, 1), some_masks(2)
    options: dict[str, Any] = {"masks": masks, "pixel_values": pixels, "unleash": 1.0, "unleash_layers": [4]}
    orders = [foveal_features(model=model, **options, order=order) for order in ("sequential", "parallel")]
    assert relative(*orders) <= 1e-6


@pytest.mark.parametrize("name", ["plain", "quick gelu, layer scale", "inner LayerNorm", "EVA-02", "ViT, registers"])
def test_heads_add_up_to_the_attention(name: str) -> None:
    """Σ_h G_h + b_O = MSA_cls, in every layer; with LayerScale both sides are scaled."""
    model = TOWERS[name]()
    tower, pixels, recorder = model.tower, pixels_for(model, 2), Recorder()
    assert isinstance(tower, ClsTower)
    tower_pass = ClsPass(tower, frozenset(), 0, "cls")
    with torch.no_grad():
        x, rope = tower_pass.enter(pixels)
        tower_pass.token((x, rope), torch.arange(2), None, recorder)
        for layer, block in enumerate(tower.blocks):
            gathered = block.gather(x, torch.nn.functional.scaled_dot_product_attention, rope)
            whole = block.project(gathered)[:, 0]
            bias = torch.zeros(1) if block.out.bias is None else block.out.bias
            bias = bias if block.scale is None else bias * block.scale
            assert torch.allclose(head_outputs(tower, layer, recorder.seen[layer]).sum(1) + bias, whole, atol=1e-5)
            x = block.run(x, rope)


def test_a_pools_heads_add_up() -> None:
    model = TOWERS["SigLIP"]()
    tower, recorder = model.tower, Recorder()
    assert not isinstance(tower, ClsTower)
    tower_pass = PooledPass(tower)
    with torch.no_grad():
        k, v = tower_pass.enter(pixels_for(model, 2))
        tower_pass.token((k, v), torch.arange(2), None, recorder)
        query = tower.pool.query().expand(2, -1, -1).unsqueeze(2)
        context = torch.nn.functional.scaled_dot_product_attention(query, k, v).flatten(1)  # (B, H·d)
        whole = tower.pool.out(context)
    assert torch.allclose(head_outputs(tower, 0, recorder.seen[0]).sum(1) + tower.pool.out.bias, whole, atol=1e-5)


@settings(max_examples=10)
@given(st.lists(st.integers(-HEADS, HEADS - 1), max_size=5))
def test_gains_of_some_heads(only: list[int]) -> None:
    gains = gains_of([1.0, 2.0, 3.0, 4.0], range(3), HEADS, only)
    chosen = {head % HEADS for head in only}
    assert gains.tolist() == [[float(h + 1) if h in chosen else 0.0 for h in range(HEADS)]] * 3


@pytest.mark.parametrize("text", [False, True])
def test_reactions_are_the_change_of_each_head(model: ClipModel, text: bool) -> None:
    pixels, masks = pixels_for(model, 1), some_masks(3)
    words = torch.randn(24, generator=torch.Generator().manual_seed(1))
    visual: Any = model.visual
    expected = torch.zeros(LAYERS, HEADS)
    with torch.no_grad():
        features, before = slow_pass(model, pixels, None, set(), {}, None)
        final = states(model, pixels)[-1][:, 0]  # type: ignore[union-attr]
        for mask in masks:
            after = slow_pass(model, pixels, mask, {2, 3}, {}, None)[1]
            for layer, block in enumerate(visual.transformer.resblocks):
                change = (after[layer] - before[layer])[0] * block.ls_1.gamma  # (H, D)
                if text:
                    centred = change - change.mean(-1, keepdim=True)
                    scaled = centred / (final.var(correction=0) + 1e-5).sqrt() * visual.ln_post.weight
                    expected[layer] += scaled @ visual.proj @ (words / words.norm())
                else:
                    expected[layer] += change.norm(dim=-1)
    found = head_reactions(model, masks=masks, pixel_values=pixels, layers=[2, 3], text=words if text else None)
    assert torch.allclose(found, expected / 3, atol=1e-5)
    assert not found[:2].any() and found[2:].abs().min() > 0
    assert relative(features, foveal_features(model=model, pixel_values=pixels)) <= 1e-5


def test_reactions_to_drawn_images(model: ClipModel) -> None:
    clean, drawn = pixels_for(model, 1), pixels_for(model, 2)
    with torch.no_grad():
        before, after = (slow_pass(model, p, None, set(), {}, None)[1] for p in (clean, drawn))
    scales = [block.ls_1.gamma for block in model.visual.transformer.resblocks]  # type: ignore[union-attr]
    expected = [((a - b) * s).norm(dim=-1).mean(0) for a, b, s in zip(after, before, scales, strict=True)]
    found = head_reactions(model, pixel_values=drawn, clean_pixel_values=clean)
    assert torch.allclose(found, torch.stack(expected), atol=1e-5)
    assert not head_reactions(model, pixel_values=drawn, clean_pixel_values=drawn).any()


@pytest.mark.parametrize("name", ["SigLIP", "CoCa"])
def test_an_attention_pool_is_one_layer(name: str) -> None:
    model = TOWERS[name]()
    found = head_reactions(model, masks=some_masks(2), pixel_values=pixels_for(model, 1))
    assert found.shape == (1, HEADS) and float(found.min()) > 0


def test_reactions_need_a_prompt(model: ClipModel) -> None:
    with pytest.raises(BadInput, match="masks: there is no prompt that heads could react to"):
        head_reactions(model, pixel_values=pixels_for(model, 1))


def test_the_strongest_heads_are_named() -> None:
    found = strongest(torch.tensor([[0.5, -3.0], [2.0, 0.0]]), 2)
    assert [(one.layer, one.head, one.change) for one in found] == [(0, 1, -3.0), (1, 0, 2.0)]


def test_random_heads_are_as_many_others_and_of_their_seed() -> None:
    model = random_clip(width=64)
    drawn = [random_heads(model, [0, -1, 3], seed) for seed in range(200)]
    assert drawn == [random_heads(model, [0, 7, 3], seed) for seed in range(200)]
    assert all(heads == sorted(set(heads)) and len(heads) == 3 for heads in drawn)
    assert {head for heads in drawn for head in heads} == {1, 2, 4, 5, 6}
    with pytest.raises(BadInput, match="of 8 heads, 3 are not"):
        random_heads(model, [0, 1, 2, 3, 4])
    with pytest.raises(BadInput, match="8 heads a layer"):
        random_heads(model, [8])
