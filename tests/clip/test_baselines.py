"""Older attention maps against slow formulas; and the node that draws them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from api_graph.nodes.baselines import baseline

import api_graph
from api_graph.clip.baselines import (
    BaselineMethod,
    attention_rollout,
    attention_times_gradient,
    baseline_map,
    raw_attention,
)
from api_graph.clip.model import ClipModel
from api_graph.clip.text import QueryFeatures, encode_queries
from api_graph.demo.scenes import scene
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.graph import read_graph
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.settings import shipped
from tests.clip.small_models import pixels_for, random_clip, states
from tests.clip.test_foveal import resnet_clip


def attentions(model: ClipModel, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Each layer's attention (B, H, T, T) as torch's own multi-head attention reports it."""
    found = []
    visual: Any = model.visual
    *before, _ = states(model, pixels)
    for block, z in zip(visual.transformer.resblocks, before, strict=True):
        x = block.ln_1(z)
        torchs = torch.nn.MultiheadAttention(32, block.attn.num_heads, batch_first=True)
        torchs.load_state_dict(block.attn.state_dict())
        found.append(torchs(x, x, x, average_attn_weights=False)[1].detach())
    return found


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_raw_attention(layer: int) -> None:
    model = random_clip(image_size=(32, 24))
    pixels = pixels_for(model, 2)
    expected = attentions(model, pixels)[layer].mean(1)[:, 0, 1:].reshape(2, 4, 3)
    assert torch.allclose(raw_attention(model, pixel_values=pixels, layer=layer), expected, atol=1e-6)


def test_rollout_is_the_product_of_averaged_attentions() -> None:
    model = random_clip()
    pixels = pixels_for(model, 2)
    product = torch.eye(17)
    for attention in attentions(model, pixels):
        product = (attention.mean(1) + torch.eye(17)) / 2 @ product
    found = attention_rollout(model, pixel_values=pixels)
    assert torch.allclose(found, product[:, 0, 1:].reshape(2, 4, 4), atol=1e-6)


def test_gradient_of_the_last_layer() -> None:
    """With one layer, R = I + E_h[(A ⊙ ∂sim/∂A)⁺], and sim depends on A through the last block alone."""
    model = random_clip()
    pixels, text = pixels_for(model, 2), torch.randn(1, 24)
    attention = attentions(model, pixels)[-1].requires_grad_()
    visual: Any = model.visual
    block, z = visual.transformer.resblocks[-1], states(model, pixels)[-2]
    value = F.linear(block.ln_1(z), block.attn.in_proj_weight[64:], block.attn.in_proj_bias[64:])
    value = value.unflatten(-1, (4, 8)).transpose(1, 2)
    x = z + block.attn.out_proj((attention @ value).transpose(1, 2).flatten(2))
    x = x + block.mlp(block.ln_2(x))
    score = F.cosine_similarity(visual.ln_post(x[:, 0]) @ visual.proj, text).sum()
    (gradient,) = torch.autograd.grad(score, attention)
    expected = (attention * gradient).relu().mean(1)[:, 0, 1:].reshape(2, 4, 4)
    found = attention_times_gradient(model, None, text, pixel_values=pixels, start_layer=-1)
    assert torch.allclose(found, expected, atol=1e-6) and found.max() > 0


def test_gradient_works_in_inference_mode() -> None:
    model = random_clip()
    pixels, text = pixels_for(model, 2), torch.randn(2, 24)
    expected = attention_times_gradient(model, None, text, pixel_values=pixels)
    with torch.inference_mode():
        found = attention_times_gradient(model, None, text.clone(), pixel_values=pixels.clone())
    assert torch.equal(found, expected) and found.shape == (2, 4, 4)


def test_attention_pooled_models_are_refused() -> None:
    model = random_clip(attentional_pool=True, attn_pooler_heads=4)
    with pytest.raises(BadInput, match="without one"):
        raw_attention(model, pixel_values=pixels_for(model, 1))
    with pytest.raises(BadInput, match=r"layer: .*it has 3 \(got 3\)"):
        raw_attention(random_clip(), pixel_values=torch.zeros(1, 3, 32, 32), layer=3)


# ------------------------------------------------------------------------------------------ the node


@pytest.fixture(scope="module")
def demo() -> ClipModel:
    return api_graph.load_clip("demo", device="cpu")


def picture(seed: int = 0, **size: int) -> torch.Tensor:
    """(1, H, W, 3), as Load image gives it to a node."""
    return to_tensor(scene(20_000_000 + seed, **size).image)[0]


@pytest.mark.parametrize("layers", [1, 3])
def test_the_node_s_maps_are_the_formulas_of_a_tiny_model(layers: int) -> None:
    """Raw attention and rollout from torch's own attention weights; the gradient from differences of the score."""
    model = random_clip(layers=layers)
    image = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(3))
    assert model.transform is not None
    pixels = torch.stack([model.transform(one) for one in to_pil(image)])
    text = QueryFeatures(torch.randn(1, 24, generator=torch.Generator().manual_seed(4)), ("?",))
    with torch.inference_mode():
        raw, rollout, gradient = (baseline(model, image, text, method) for method in get_args(BaselineMethod))
    weights = attentions(model, pixels)
    assert torch.allclose(raw.values, weights[-1].mean(1)[:, 0, 1:].reshape(1, 4, 4), atol=1e-6)
    product = torch.eye(17)
    for attention in weights:
        product = (attention.mean(1) + torch.eye(17)) / 2 @ product
    assert torch.allclose(rollout.values, product[:, 0, 1:].reshape(1, 4, 4), atol=1e-6)
    if layers == 1:  # the CLS row of R is E_h[(A ⊙ ∂sim/∂A)⁺]
        expected = (weights[0] * slopes(model, pixels, weights[0], text.features)).relu().mean(1)[:, 0, 1:]
        assert torch.allclose(gradient.values, expected.reshape(1, 4, 4).float(), atol=1e-5)
    assert gradient.values.max() > 0


def slopes(model: ClipModel, pixels: torch.Tensor, weights: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """∂sim/∂A of a one-layer model by central differences, for the CLS token's row alone: (1, H, T, T), float64."""
    visual: Any = model.visual.double()
    block, z = visual.transformer.resblocks[0], states(model, pixels.double())[0]
    value = F.linear(block.ln_1(z), block.attn.in_proj_weight[64:], block.attn.in_proj_bias[64:])
    value = value.unflatten(-1, (4, 8)).transpose(1, 2)  # (1, H, T, d)

    def score(row: torch.Tensor) -> float:
        x = z[:, 0] + block.attn.out_proj((row.unsqueeze(2) @ value).flatten(1))
        x = x + block.mlp(block.ln_2(x))
        return float(F.cosine_similarity(visual.ln_post(x) @ visual.proj, text.double()))

    row, step = weights.double()[:, :, 0], 1e-6  # (1, H, T)
    found = torch.zeros(weights.shape, dtype=torch.float64)
    with torch.no_grad():
        for head in range(row.shape[1]):
            for token in range(row.shape[2]):
                change = torch.zeros_like(row)
                change[0, head, token] = step
                found[0, head, 0, token] = (score(row + change) - score(row - change)) / (2 * step)
    visual.float()
    return found


def test_gradients_flow_inside_inference_mode(demo: ClipModel) -> None:
    """Nodes run there. A query that means the opposite has another map, which no map without a gradient has."""
    with torch.inference_mode():
        image, query = picture(), encode_queries(demo, "the red star")
        opposite = QueryFeatures(-query.features, query.texts)
        one, other = (baseline(demo, image, text, "attention_gradient") for text in (query, opposite))
        plain = [baseline(demo, image, text, "rollout").values for text in (query, opposite)]
        assert not torch.is_grad_enabled()
    expected = attention_times_gradient(demo, to_pil(picture().clone()), encode_queries(demo, "the red star"))
    assert torch.equal(one.values, expected)
    assert one.values.max() > 1e-4 and not torch.allclose(one.values, other.values, atol=1e-4)
    assert torch.equal(*plain)
    assert not one.values.requires_grad and all(p.grad is None for p in demo.module.parameters())


def test_maps_lie_where_the_model_saw_them() -> None:
    """A model that crops: of 90 × 60 pixels it sees the middle 60."""
    model = random_clip()
    images = torch.rand(2, 60, 90, 3, generator=torch.Generator().manual_seed(1))
    for method in get_args(BaselineMethod):
        found = baseline(model, images, QueryFeatures(torch.ones(1, 24), ("?",)), method)
        assert found.values.shape == (2, 4, 4) and found.values.dtype == torch.float32
        assert found.geometry == (Geometry(90, 60, 15.0, 0.0, 75.0, 60.0),) * 2


def test_one_query_for_each_image() -> None:
    model, images = random_clip(), torch.rand(2, 32, 32, 3, generator=torch.Generator().manual_seed(2))
    text = torch.randn(2, 24, generator=torch.Generator().manual_seed(5))
    both = baseline(model, images, QueryFeatures(text, ("a", "b")), "attention_gradient")
    for i in range(2):
        alone = baseline(model, images[i : i + 1], QueryFeatures(text[i : i + 1], ("?",)), "attention_gradient")
        assert torch.allclose(both.values[i : i + 1], alone.values, atol=1e-6)
    with pytest.raises(BadInput, match=r"query: 3 queries do not go with 2 images\. Give one for all"):
        baseline(model, images, QueryFeatures(torch.ones(3, 24), ("?",) * 3), "attention_gradient")


@pytest.mark.parametrize("method", get_args(BaselineMethod))
def test_models_without_a_cls_token_are_refused(method: BaselineMethod) -> None:
    text = QueryFeatures(torch.ones(1, 24), ("?",))
    with pytest.raises(BadInput, match=r"model: .*without one.*Use a model pooled by a CLS token"):
        baseline(random_clip(attentional_pool=True, attn_pooler_heads=4), picture(), text, method)
    with pytest.raises(BadInput, match=r"model: .*'avg'.*CLS token"):
        baseline(random_clip(pool_type="avg"), picture(), text, method)
    with pytest.raises(BadInput, match=r"model: a ModifiedResNet has no patch tokens"):
        baseline(resnet_clip(), picture(), text, method)


def test_unknown_methods_are_refused(demo: ClipModel) -> None:
    with pytest.raises(BadInput, match=r"method: unknown method \(got 'lime'\)\. Use one of raw_attention, rollout"):
        baseline_map(demo, picture(), torch.ones(1, 64), "lime")  # type: ignore[arg-type]


def test_the_shipped_graph_draws_the_comparison(demo: ClipModel, tmp_path: Path) -> None:
    maps = {"Raw CLS attention": "raw_attention", "Attention rollout": "rollout"}
    maps["Attention × gradient"] = "attention_gradient"
    outputs = api_graph.run_graph("api_clip_baselines", cache=False, output=tmp_path, targets=[*maps, "Comparison"])
    titles = {node.title: id for id, node in read_graph(shipped()["api_clip_baselines"]).nodes.items()}
    query = encode_queries(demo, "the yellow ring")
    for title, method in maps.items():
        found = outputs[titles[title]]["attribution"]
        expected = baseline_map(demo, shipped()["api_clip_baselines"].parent / "api_graph_example.png", query, method)
        assert torch.allclose(found.values, expected.values, atol=1e-6) and found.geometry == expected.geometry
    assert len(list(tmp_path.glob("comparison*.png"))) == 1
