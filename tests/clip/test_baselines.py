"""Older attention maps against slow formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from api_graph.clip.baselines import attention_rollout, attention_times_gradient, raw_attention
from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput
from tests.clip.small_models import pixels_for, random_clip, states


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
