"""Older ways to draw a map from attention, to hold the decomposition against. They need a CLS token.

All maps are float32 (n, gh, gw) on the model's device, high where the method sees relevance.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.clip.model import ClipModel, PreparedImages, model_input
from api_graph.clip.text import QueryFeatures
from api_graph.clip.tower import ClsTower, attention_row, full_attention
from api_graph.errors import BadInput
from api_graph.models.layers import layer_index
from api_graph.pixels.given import Images
from api_graph.sockets import Attribution

BaselineMethod = Literal["raw_attention", "rollout", "attention_gradient"]

_GRADIENT_LAYERS = 4
_GROWN = 2**10
"""The score whose gradient is taken in float16 counts so many times."""


def baseline_map(
    model: ClipModel,
    images: Images | PreparedImages,
    query: QueryFeatures | Tensor,
    method: BaselineMethod = "raw_attention",
) -> Attribution:
    """One map for each image, by `raw_attention`, `attention_rollout` or `attention_times_gradient`.

    `query` are features (Q, E), one for all images or one for each; the first two methods know nothing of it. Raises
    BadInput for an unknown method, another number of queries, and a model without a CLS token.
    """
    if method not in get_args(BaselineMethod):
        hint = f"Use one of {', '.join(get_args(BaselineMethod))}."
        raise BadInput("unknown method", input="method", value=method, hint=hint)
    pixels, geometry = model_input(model, images)
    if method == "attention_gradient":
        return Attribution(attention_times_gradient(model, None, query, pixel_values=pixels), geometry)
    draw = attention_rollout if method == "rollout" else raw_attention
    return Attribution(draw(model, pixel_values=pixels), geometry)


def raw_attention(
    model: ClipModel, images: Images | None = None, *, pixel_values: Tensor | None = None, layer: int = -1
) -> Tensor:
    """The CLS token's attention to each patch at one layer, averaged over the heads. Knows nothing of a query.

    The images are those of `encode_image`. Raises BadInput for a layer that is not there.
    """
    tower = _cls_tower(model)
    pixels, _ = model_input(model, images, pixel_values)
    index = -1 if layer is None else layer_index(layer, len(tower.blocks), "layer")
    rows: list[Tensor] = []

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        rows.append(attention_row(q[:, :, 0], k).mean(1))
        return F.scaled_dot_product_attention(q, k, v)

    with torch.no_grad():
        tower.run(pixels, attend, (index,))
    return rows[0][:, tower.prefix :].unflatten(-1, tower.grid)


def attention_rollout(model: ClipModel, images: Images | None = None, *, pixel_values: Tensor | None = None) -> Tensor:
    """Π_l (A^l + I)/2 from the CLS token, A^l averaged over heads (Abnar and Zuidema 2020). Knows nothing of a query.

    The images are those of `encode_image`.
    """
    tower = _cls_tower(model)
    pixels, _ = model_input(model, images, pixel_values)
    averaged: list[Tensor] = []

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        attention = full_attention(q, k)
        averaged.append(attention.float().mean(1))  # (B, T, T)
        return attention @ v

    with torch.no_grad():
        tower.run(pixels, attend, range(len(tower.blocks)))
        row = torch.eye(1, averaged[0].shape[-1], device=pixels.device)  # the CLS token's own
        for attention in reversed(averaged):
            row = (row @ attention + row) / 2  # (1, T) or (B, 1, T) times (B, T, T)
    return row[:, 0, tower.prefix :].unflatten(-1, tower.grid)


def attention_times_gradient(
    model: ClipModel,
    images: Images | None,
    query: QueryFeatures | Tensor,
    *,
    pixel_values: Tensor | None = None,
    start_layer: int | None = None,
) -> Tensor:
    """R ← R + E_h[(A ⊙ ∂sim/∂A)⁺] R over the last layers, CLS row (Chefer et al. 2021, bi-modal CLIP).

    `query` are features (Q, E): one for all images, or one per image; the images are those of `encode_image`. Default:
    the last four layers. Works inside `torch.inference_mode()`, which it leaves for as long as it runs. Raises BadInput
    for another number of queries, and a layer that is not there.
    """
    tower = _cls_tower(model)
    count = len(tower.blocks)
    start = max(0, count - _GRADIENT_LAYERS)
    if start_layer is not None:
        start = layer_index(start_layer, count, "start_layer")
    text = query.features if isinstance(query, QueryFeatures) else query
    leaves: dict[int, Tensor] = {}

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        attention = full_attention(q, k)  # (B, H, T, T)
        # The first layer's is a leaf; those above come out of it, and have a gradient already.
        leaves[layer] = attention if attention.requires_grad else attention.requires_grad_()
        return attention @ v

    with torch.inference_mode(False), torch.enable_grad():
        # A clone, for a tensor made in inference mode may not be part of a gradient.
        pixels = model_input(model, images, pixel_values)[0].clone()
        if len(text) not in (1, len(pixels)):
            hint = "Give one for all images, or one for each."
            raise BadInput(f"{len(text)} queries do not go with {len(pixels)} images", input="query", hint=hint)
        z, _ = tower.run(pixels, attend, range(start, count))
        score = F.cosine_similarity(tower.head(z[:, 0]).float(), text.clone().to(z.device).float(), dim=-1)
        grown = _GROWN if z.dtype == torch.float16 else 1  # float16 would round most gradients away
        gradients = torch.autograd.grad(score.sum() * grown, [leaves[layer] for layer in sorted(leaves)])
    with torch.no_grad():
        relevance = torch.eye(z.shape[1], device=z.device).expand(len(z), -1, -1)  # (B, T, T)
        for layer, gradient in zip(sorted(leaves), gradients, strict=True):
            gated = (leaves[layer].float() * gradient.float()).relu().mean(1) / grown
            relevance = relevance + gated @ relevance
    return relevance[:, 0, tower.prefix :].unflatten(-1, tower.grid)


def _cls_tower(model: ClipModel) -> ClsTower:
    tower = model.tower
    if not isinstance(tower, ClsTower):
        raise BadInput(
            "this map is read off the CLS token, and this model makes its image feature without one",
            input="model",
            value=model.name,
            hint="Use a model pooled by a CLS token (ViT-B-32, ViT-L-14, ...).",
        )
    return tower
