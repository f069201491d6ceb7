"""The decomposition: complete, equal to slow formulas, and the same forward pass as the model's own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.clip.decompose import ImageTokens, LayerChoice, encode_image, encode_image_at, feature_terms
from api_graph.clip.maps import psi_cls
from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput
from tests.clip.small_models import pixels_for, random_clip, states

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "quick gelu": {"quick_gelu": True},
    "no ln_pre": {"no_ln_pre": True},
    "final ln after pool": {"final_ln_after_pool": True},
    "layer scale": {"ls_init_value": 0.3},
    "rectangular": {"image_size": (48, 24)},
    "one patch": {"image_size": 8},
    "one layer": {"layers": 1},
    "deep": {"layers": 7},
    "patch dropout": {"patch_dropout": 0.5},
    "inner LayerNorm": {"scale_attn_inner": True},
    "other attention class": {"block_type": "custom"},
    "LayerNorm in the MLP": {"scale_fc": True},
    "attention-pooled": {"attentional_pool": True, "attn_pooler_heads": 4, "attn_pooler_queries": 5},
    "attention-pooled, equal widths": {"attentional_pool": True, "attn_pooler_heads": 4, "embed_dim": 32},
}


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


def slow_terms(model: ClipModel, layer: int, z: torch.Tensor) -> torch.Tensor:
    """η^l_t (B, T, D) of plain open_clip blocks, head by head from A, V and W_O (API eq. 3 and 4), z =
    Z^{l−1}.
    """
    block: Any = model.visual.transformer.resblocks[layer]  # type: ignore[union-attr]
    attn, x = block.attn, block.ln_1(z)
    heads, width = attn.num_heads, x.shape[-1]
    d = width // heads
    w_q, w_k, w_v = attn.in_proj_weight.split(width)
    b_q, b_k, b_v = attn.in_proj_bias.split(width)
    total = attn.out_proj.bias.expand(*x.shape) / x.shape[1]
    for h in range(heads):
        rows = slice(h * d, (h + 1) * d)
        q, k, v = (x @ w[rows].T + b[rows] for w, b in ((w_q, b_q), (w_k, b_k), (w_v, b_v)))
        a = (q[:, :1] @ k.transpose(1, 2) / math.sqrt(d)).softmax(-1)  # (B, 1, T)
        total = total + (a.transpose(1, 2) * v) @ attn.out_proj.weight[:, rows].T
    return total


def linearised(model: ClipModel, x: torch.Tensor, z_cls: torch.Tensor) -> torch.Tensor:
    """((x − mean(x)) / std(z)) ⊙ γ · W_proj, as API section 1 writes it."""
    norm: Any = model.visual.ln_post
    std = (z_cls.var(-1, correction=0) + norm.eps).sqrt()[:, None, None]
    proj: Any = model.visual.proj
    return (x - x.mean(-1, keepdim=True)) / std * norm.weight @ proj


@pytest.mark.parametrize("shape", SHAPES)
def test_features_equal_the_models_own(shape: str) -> None:
    model = random_clip(**SHAPES[shape])
    pixels = pixels_for(model, 2)
    expected = model.module.encode_image(pixels)  # type: ignore[operator]
    assert relative(encode_image(model, pixel_values=pixels).features, expected) <= 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_parts_add_up_to_the_image_feature(shape: str) -> None:
    model = random_clip(**SHAPES[shape])
    pixels = pixels_for(model, 2)
    expected = model.module.encode_image(pixels)  # type: ignore[operator]
    parts = feature_terms(model, pixel_values=pixels)
    assert relative(parts.total(), expected) <= 1e-5
    assert relative(parts.features, expected) <= 1e-5


@settings(max_examples=15)
@given(
    layers=st.integers(1, 4),
    heads=st.integers(1, 4),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    batch=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_completeness_of_any_shape(layers: int, heads: int, grid: tuple[int, int], batch: int, seed: int) -> None:
    model = random_clip(seed, layers=layers, width=8 * heads, image_size=(8 * grid[0], 8 * grid[1]))
    pixels = pixels_for(model, batch)
    parts = feature_terms(model, pixel_values=pixels)
    assert parts.attention.shape == (batch, layers, 1 + grid[0] * grid[1], 24)
    assert relative(parts.total(), model.module.encode_image(pixels)) <= 1e-5  # type: ignore[operator]


def test_contributions_of_all_layers_are_the_attention_parts() -> None:
    model = random_clip(layers=4)
    pixels = pixels_for(model, 2)
    parts = feature_terms(model, pixel_values=pixels)
    for start in range(4):
        found = encode_image(model, pixel_values=pixels, start_layer=start)
        assert relative(found.contributions, parts.attention[:, start:, 1:].sum(1)) <= 1e-5


@pytest.mark.parametrize("start", [0, 2, -1])
def test_contributions_equal_the_slow_formula(start: int) -> None:
    model = random_clip(layers=4)
    pixels = pixels_for(model, 2)
    *before, z = states(model, pixels)
    expected = sum(linearised(model, slow_terms(model, layer, before[layer]), z[:, 0]) for layer in range(4)[start:])
    assert isinstance(expected, torch.Tensor)
    found = encode_image(model, pixel_values=pixels, start_layer=start)
    assert relative(found.contributions, expected[:, 1:]) <= 1e-5
    norm, proj = model.visual.ln_post, model.visual.proj
    assert relative(found.tokens, norm(z[:, 1:]) @ proj) <= 1e-5  # type: ignore[operator]


def test_reference_recipe_equals_its_affine_formula() -> None:
    model = random_clip(layers=4)
    pixels = pixels_for(model, 3)
    found = states(model, pixels)
    cls, tokens, terms = found[-1][:, :1], 17, 2 * 4 - 1
    norm: Any = model.visual.ln_post
    proj: Any = model.visual.proj
    mean, std = cls.mean(-1, keepdim=True), (cls.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
    eta = slow_terms(model, 2, found[2])[:, 1:]
    share = terms * tokens
    contributions = (norm.weight * (eta - mean / share) / std + norm.bias / share) @ proj
    own = (norm.weight * (found[3][:, 1:] - mean / terms) / std + norm.bias / terms) @ proj
    for layer in (None, 2, -2):
        found = encode_image(model, pixel_values=pixels, recipe="reference", layer=layer)
        assert relative(found.contributions, contributions) <= 1e-5
        assert relative(found.tokens, own) <= 1e-5


def test_default_layers() -> None:
    model = random_clip(layers=24, width=8, image_size=16)
    pixels = pixels_for(model, 1)
    for recipe, option in (("paper", {"start_layer": 20}), ("reference", {"layer": 22})):
        default = encode_image(model, pixel_values=pixels, recipe=recipe)  # type: ignore[arg-type]
        named = encode_image(model, pixel_values=pixels, recipe=recipe, **option)  # type: ignore[arg-type]
        assert torch.equal(default.contributions, named.contributions)
        assert torch.equal(default.tokens, named.tokens)


def test_a_batch_is_the_same_as_its_images_one_by_one() -> None:
    model = random_clip()
    pixels = pixels_for(model, 3)
    together = encode_image(model, pixel_values=pixels)
    for i in range(3):
        alone = encode_image(model, pixel_values=pixels[i : i + 1])
        assert relative(together.contributions[i], alone.contributions[0]) <= 1e-5
        assert relative(together.tokens[i], alone.tokens[0]) <= 1e-5


def test_storage_gives_equal_tokens_back() -> None:
    model = random_clip(image_size=(16, 24))
    tokens = encode_image(model, pixel_values=pixels_for(model, 2), recipe="reference")
    tensors, meta = tokens.to_storage()
    again = ImageTokens.from_storage(tensors, meta)
    assert (again.grid, again.geometry, again.recipe) == (tokens.grid, tokens.geometry, tokens.recipe)
    text = torch.randn(1, 24)
    assert torch.equal(psi_cls(again, text), psi_cls(tokens, text))


def test_nothing_is_left_on_the_network() -> None:
    """No hooks, no gradients, no change: after an attribution the model answers bit for bit as before."""
    model = random_clip()
    pixels = pixels_for(model, 1)
    before = model.module.encode_image(pixels)  # type: ignore[operator]
    encode_image(model, pixel_values=pixels)
    assert torch.equal(model.module.encode_image(pixels), before)  # type: ignore[operator]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


def test_works_in_inference_mode_and_outside() -> None:
    model = random_clip()
    pixels = pixels_for(model, 1)
    with torch.inference_mode():
        inside = encode_image(model, pixel_values=pixels.clone())
    outside = encode_image(model, pixel_values=pixels)
    assert torch.equal(inside.contributions, outside.contributions)


def test_half_precision_gives_float32_maps_close_to_the_full_ones() -> None:
    model = random_clip()
    pixels = pixels_for(model, 2)
    full = encode_image(model, pixel_values=pixels)
    model.module.to(torch.bfloat16)
    half = ClipModel.from_open_clip(model.module)
    found = encode_image(half, pixel_values=pixels)
    assert half.dtype == torch.bfloat16
    assert {found.contributions.dtype, found.tokens.dtype, found.features.dtype} == {torch.float32}
    assert relative(found.contributions, full.contributions) <= 0.05
    assert relative(found.tokens, full.tokens) <= 0.05


@pytest.mark.parametrize("shape", ["plain", "deep", "inner LayerNorm", "attention-pooled", "one layer"])
def test_many_choices_of_layers_come_out_as_each_alone_of_one_run(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_clip(**SHAPES[shape])
    pixels, runs = pixels_for(model, 2), list[object]()
    choices = [LayerChoice(), LayerChoice(start_layer=-1)]
    if "pooled" not in shape:
        choices += [LayerChoice("reference", layer=each) for each in (-1, 0)] + [LayerChoice(start_layer=0)]
        whole = type(model.tower).run

        def counted(*arguments: Any, **named: Any) -> Any:
            runs.append(arguments)
            return whole(*arguments, **named)

        monkeypatch.setattr(type(model.tower), "run", counted)
    together = encode_image_at(model, None, choices, pixel_values=pixels)
    assert len(runs) == ("pooled" not in shape)
    for choice, found in zip(choices, together, strict=True):
        alone = encode_image(
            model, pixel_values=pixels, recipe=choice.recipe, start_layer=choice.start_layer, layer=choice.layer
        )
        assert found.recipe == alone.recipe
        for name in ("contributions", "tokens", "features"):
            assert torch.equal(getattr(found, name), getattr(alone, name)), (choice, name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_layer": 3}, r"start_layer: .*it has 3 \(got 3\)\. Use 0 to 2, or -3 to -1"),
        ({"start_layer": -4}, "start_layer"),
        ({"layer": 1}, r"layer: does not belong"),
        ({"recipe": "reference", "layer": 7}, r"layer: .*Use 0 to 2"),
        ({"recipe": "reference", "start_layer": 1}, r"start_layer: does not belong"),
        ({"recipe": "other"}, r"recipe: unknown recipe"),
        ({"pixel_values": None}, "images: give either"),
        ({"pixel_values": torch.zeros(1, 3, 8, 8)}, r"pixel_values: .*\(B, 3, 32, 32\), not \(1, 3, 8, 8\)"),
        ({"images": "x.png"}, "images: give either"),
        ({"images": "missing.png", "pixel_values": None}, "missing.png"),
        ({"images": 3, "pixel_values": None}, "images: expected images"),
        ({"images": [], "pixel_values": None}, "images: expected images"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    model = random_clip()
    with pytest.raises(BadInput, match=message):
        encode_image(model, **{"pixel_values": pixels_for(model, 1), **arguments})
