"""Foveal features: equal to full passes of the model's own code with an attention mask, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from api_graph.clip.foveal import foveal_features
from api_graph.clip.foveal_pass import ClsPass, layer_count, unchanged
from api_graph.clip.model import ClipModel
from api_graph.clip.tower import ClsTower, attention_row
from api_graph.errors import BadInput
from tests.clip.small_models import pixels_for, random_clip
from tests.clip.test_adapters import TIMM, timm_clip
from tests.clip.test_decompose import relative

TOWERS: dict[str, Any] = {
    "plain": lambda: random_clip(layers=6),
    "quick gelu, layer scale": lambda: random_clip(layers=5, quick_gelu=True, ls_init_value=0.3),
    "inner LayerNorm": lambda: random_clip(layers=5, scale_attn_inner=True),
    "one layer": lambda: random_clip(layers=1),
    "CoCa": lambda: random_clip(attentional_pool=True, attn_pooler_heads=4, attn_pooler_queries=5),
    "CoCa, equal widths": lambda: random_clip(attentional_pool=True, attn_pooler_heads=4, embed_dim=32),
    **{name: lambda kind=kind, options=options: timm_clip(kind, **options) for name, (kind, options) in TIMM.items()},
}


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
    assert relative(foveal_features(model=model, masks=masks, pixel_values=pixels), expected) <= 1e-5
    plain = foveal_features(model=model, pixel_values=pixels)
    assert relative(plain, expected) > 1e-3


@pytest.mark.parametrize("form", ["cls", "rows", "diagonal"])
@pytest.mark.parametrize("layers", [[5], [0], [2, 4], [0, 1, 2, 3, 4, 5], [1, 5], [3]])
def test_every_form_at_any_layers(form: Any, layers: list[int]) -> None:
    model = TOWERS["plain"]()
    pixels, masks = pixels_for(model, 1), some_masks(2)
    expected = full_passes(model, pixels, masks, layers, form)
    found = foveal_features(model=model, masks=masks, pixel_values=pixels, layers=layers, form=form)
    assert relative(found, expected) <= 1e-5
    if form == "diagonal" and layers == [5]:  # the CLS token's own row has nothing on its diagonal
        assert relative(found, foveal_features(model=model, pixel_values=pixels).expand(2, -1)) <= 1e-5


@pytest.mark.parametrize("form", ["rows", "diagonal"])
@pytest.mark.parametrize("name", ["inner LayerNorm", "ViT, registers", "EVA-02"])
def test_the_other_forms_on_other_towers(name: str, form: Any) -> None:
    model = TOWERS[name]()
    pixels, masks = pixels_for(model, 1), some_masks(2)
    expected = full_passes(model, pixels, masks, [1, 2], form)
    found = foveal_features(model=model, masks=masks, pixel_values=pixels, layers=[1, 2], form=form)
    assert relative(found, expected) <= 1e-5


@pytest.mark.parametrize("name", TOWERS)
def test_without_a_mask_it_is_the_plain_model(name: str) -> None:
    model = TOWERS[name]()
    pixels = pixels_for(model, 2)
    plain = foveal_features(model=model, pixel_values=pixels)
    whole: Any = model.visual(pixels)
    assert relative(plain, whole[0] if isinstance(whole, tuple) else whole) <= 1e-5
    assert torch.equal(foveal_features(model=model, masks=torch.zeros(2, 4, 4), pixel_values=pixels), plain)
    assert torch.equal(
        foveal_features(model=model, masks=torch.zeros(2, 4, 4), pixel_values=pixels, unleash=1.0), plain
    )
    tiny = foveal_features(model=model, masks=torch.full((2, 4, 4), 1e-7), pixel_values=pixels)
    assert relative(tiny, plain) <= 1e-5


@settings(max_examples=15)
@given(st.floats(-5, 5), st.sampled_from(["cls", "rows"]), st.integers(0, 2))
def test_a_constant_over_the_whole_row_changes_nothing(constant: float, form: Any, start: int) -> None:
    model = random_clip(layers=3)
    pixels = pixels_for(model, 1)
    tower = model.tower
    assert isinstance(tower, ClsTower)
    # The public masks leave the CLS token's own column at zero, so the row is made by hand.
    tower = replace(tower, prefix=0)
    tower_pass = ClsPass(tower, frozenset({start, 2}), start, form)
    row, owner = torch.full((1, 17), constant), torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        biased, plain = (tower_pass.token(tower_pass.enter(pixels), owner, bias, unchanged) for bias in (row, None))
    assert relative(biased, plain) <= 1e-5


def test_layers_before_the_first_mask_and_other_rows_stay() -> None:
    """Behind the first biased block only the CLS token differs; one block later all tokens do."""
    model = random_clip(layers=4)
    pixels, mask = pixels_for(model, 1), some_masks(1)
    outputs: list[list[Tensor]] = []
    for biased in ([], [2]):
        seen: list[Tensor] = []
        blocks: Any = model.visual.transformer.resblocks  # type: ignore[union-attr]
        handles = [b.register_forward_hook(lambda *_, out=seen: out.append(_[2])) for b in blocks]
        full_passes(model, pixels, mask, biased)
        for handle in handles:
            handle.remove()
        outputs.append(seen)
    for layer, (plain, biased) in enumerate(zip(*outputs, strict=True)):
        rows = ((plain - biased).abs().amax(-1) > 1e-6)[0]
        assert int(rows.sum()) == (0 if layer < 2 else 1 if layer == 2 else 17)
    tower = model.tower
    assert isinstance(tower, ClsTower)
    tower_pass = ClsPass(tower, frozenset({2}), 2, "cls")
    assert relative(tower_pass.enter(pixels)[0], outputs[0][1]) <= 1e-5
    assert (
        relative(
            foveal_features(model=model, masks=mask, pixel_values=pixels, layers=[2]), tower.head(outputs[1][3][:, 0])
        )
        <= 1e-5
    )


@settings(max_examples=10)
@given(st.integers(1, 6), st.integers(1, 3), st.sampled_from(["cls", "rows", "diagonal"]), st.sampled_from([0.0, 0.7]))
def test_batched_equals_looped(count: int, images: int, form: Any, unleash: float) -> None:
    model = random_clip(layers=5)
    pixels, masks = pixels_for(model, images), [some_masks(count + i, seed=i) for i in range(images)]
    options: dict[str, Any] = {"form": form, "unleash": unleash, "layers": "last 3"}
    found = foveal_features(model=model, masks=masks, pixel_values=pixels, **options)
    looped = [
        foveal_features(model=model, masks=mask, pixel_values=pixels[i : i + 1], **options)
        for i, part in enumerate(masks)
        for mask in part
    ]
    assert relative(found, torch.cat(looped)) <= 1e-5


@pytest.mark.parametrize("name", ["plain", "SigLIP"])
def test_chunks_do_not_show(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TOWERS[name]()
    pixels, masks = pixels_for(model, 5), [some_masks(n, seed=n) for n in (1, 4, 2, 3, 1)]
    whole = foveal_features(model=model, masks=masks, pixel_values=pixels, unleash=0.5)
    monkeypatch.setattr("api_graph.clip.foveal_pass.MOST_TOKENS", 40)
    monkeypatch.setattr("api_graph.clip.foveal.MOST_IMAGES", 2)
    parts = foveal_features(model=model, masks=masks, pixel_values=pixels, unleash=0.5)
    assert relative(parts, whole) <= 1e-5


def test_one_mask_for_each_image_or_one_for_all() -> None:
    model = TOWERS["plain"]()
    pixels, masks = pixels_for(model, 3), some_masks(3)
    each = foveal_features(model=model, masks=masks, pixel_values=pixels)
    assert torch.allclose(each, foveal_features(model=model, masks=[m[None] for m in masks], pixel_values=pixels))
    for i in range(3):
        alone = foveal_features(model=model, masks=masks[i], pixel_values=pixels[i : i + 1])
        assert relative(each[i : i + 1], alone) <= 1e-5
    shared = foveal_features(model=model, masks=masks[:1], pixel_values=pixels)
    assert relative(shared[:1], each[:1]) <= 1e-5 and relative(shared, each) > 1e-4


def test_pictures_go_through_the_models_own_preprocessing() -> None:
    model = TOWERS["plain"]()
    picture = Image.effect_noise((50, 40), 80).convert("RGB")
    assert model.transform is not None
    masks = some_masks(2)
    expected = foveal_features(model=model, masks=masks, pixel_values=model.transform(picture)[None])
    assert torch.equal(foveal_features(picture, masks, model), expected)


def test_half_precision_keeps_the_bias_in_float32() -> None:
    """The difference that a small mask makes survives bfloat16, whose scores near 8 are .06 apart."""
    model = random_clip(layers=2)
    q, k = torch.randn(2, 1, 4, 8), torch.randn(1, 4, 17, 8)
    bias = torch.zeros(1, 17)
    bias[0, 5] = 1e-3
    plain, biased = (attention_row(q[0].bfloat16(), k.bfloat16(), b) for b in (None, bias))
    assert biased.dtype == torch.float32
    expected = plain * (1e-3 * (torch.arange(17) == 5)).exp()
    assert torch.allclose(biased, expected / expected.sum(-1, keepdim=True), atol=1e-7)
    pixels, masks = pixels_for(model, 1), some_masks(2)
    full = foveal_features(model=model, masks=masks, pixel_values=pixels)
    half = ClipModel.from_open_clip(model.module.bfloat16(), name="half")
    found = foveal_features(model=half, masks=masks, pixel_values=pixels)
    assert found.dtype == torch.float32 and relative(found, full) <= 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": torch.zeros(2, 3, 4)}, r"masks: the model has 4×4 patches.*\(got \(2, 3, 4\)\)"),
        ({"masks": torch.zeros(0, 4, 4)}, "masks: the model has 4×4 patches"),
        ({"masks": torch.full((1, 4, 4), torch.nan)}, "masks: a mask holds NaN"),
        ({"masks": [torch.zeros(1, 4, 4)] * 2}, "masks: there are masks for 2 images, not 1"),
        ({"masks": torch.zeros(3, 4, 4), "pixel_values": torch.zeros(2, 3, 32, 32)}, "masks: 3 masks do not go with 2"),
        ({"form": "column"}, "form: unknown form"),
        ({"order": "later"}, "order: unknown order"),
        ({"layers": "last"}, "layers: "),
        ({"unleash_layers": [9]}, "unleash_layers: the model has no such layer"),
        ({"masks": None, "unleash": 1.0}, "unleash: there is no prompt"),
        ({"unleash": float("nan")}, "unleash: a gain is not finite"),
        ({"unleash": "loud"}, "unleash: it is not numbers"),
        ({"unleash": [1.0, 2.0]}, r"unleash: gains of 4 layers with 4 heads do not come in the shape \(2,\)"),
        ({"unleash": 1.0, "heads": [4]}, "heads: the model has 4 heads a layer"),
        ({"clean_pixel_values": torch.zeros(2, 3, 32, 32)}, "clean: 2 clean images do not go with 1"),
        ({"clean_pixel_values": torch.zeros(2, 3, 8, 8)}, "clean_pixel_values: random needs floats"),
        ({"clean": 3}, "clean: expected images"),
        ({"image": "a.png"}, "image: give either"),
    ],
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    model = TOWERS["plain"]()
    with pytest.raises(BadInput, match=message):
        foveal_features(model=model, **{"masks": some_masks(1), "pixel_values": pixels_for(model, 1), **options})


@pytest.mark.parametrize("form", ["rows", "diagonal"])
def test_an_attention_pool_has_one_row(form: Any) -> None:
    model = TOWERS["SigLIP"]()
    with pytest.raises(BadInput, match="form: a model pooled by attention has one query"):
        foveal_features(model=model, masks=some_masks(1), pixel_values=pixels_for(model, 1), form=form)


@pytest.mark.parametrize("name", ["avg", "resnet"])
def test_models_without_an_attention_row_are_refused(name: str) -> None:
    model = random_clip(pool_type="avg") if name == "avg" else resnet_clip()
    with pytest.raises(BadInput, match=r"model: .*CLS token"):
        foveal_features(model=model, masks=some_masks(1), pixel_values=torch.zeros(1, 3, 32, 32))


def resnet_clip() -> ClipModel:
    from open_clip.model import CLIP

    text = {"context_length": 8, "vocab_size": 16, "width": 8, "heads": 1, "layers": 1}
    return ClipModel.from_open_clip(CLIP(16, {"layers": (1, 1, 1, 1), "width": 8, "image_size": 32}, text))  # type: ignore[arg-type]
