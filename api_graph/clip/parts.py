"""Every term of the image feature: what adds up to Î, and how much of it is attention (API eq. 1).

For looking into a model and for testing the decomposition; attribution itself needs far less
(`decompose.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from api_graph.clip.images import Images, model_input
from api_graph.clip.model import ClipModel
from api_graph.clip.pooling import PooledTower, pooled
from api_graph.clip.vision import ClsTower, ContributionSum


@dataclass(frozen=True, eq=False)
class Parts:
    """The terms of Î (B, E), in float32; `total()` is their sum and equals Î.

    `initial` ℒ_lin(Z⁰_cls) (B, E); `attention` ℒ_lin(η^l_t) (B, L, T, E), CLS and other leading tokens
    included; `mlp` ℒ_lin(MLP^l_cls) (B, L, E); `constant` βW + b (E,), the LayerNorm's shift through the
    projection, which linearising ℒ leaves over: it depends on no token and belongs to no other term.
    `features` is Î as the model itself computes it. An attention-pooled model has one layer, its pooling
    attention with the MLP behind it, and no initial term.
    """

    initial: Tensor
    attention: Tensor
    mlp: Tensor
    constant: Tensor
    features: Tensor

    def total(self) -> Tensor:
        """Σ of all terms, (B, E)."""
        return self.initial + self.attention.sum((1, 2)) + self.mlp.sum(1) + self.constant


def complete_parts(model: ClipModel, images: Images | None = None, *, pixel_values: Tensor | None = None) -> Parts:
    """Take Î apart into the terms of API eq. 1, over all layers. Memory grows with L·T·E floats per image."""
    pixels, _ = model_input(model, images, pixel_values)
    tower = model.tower
    with torch.no_grad():
        return _pooled_parts(tower, pixels) if isinstance(tower, PooledTower) else _cls_parts(tower, pixels)


def _cls_parts(tower: ClsTower, pixels: Tensor) -> Parts:
    x, rope = tower.embed(pixels)
    initial, attention, mlp = x[:, 0], [], []
    for index, block in enumerate(tower.blocks):
        one_layer = ContributionSum(tower, (index,), first=0)
        x = x + block.attention(x, partial(one_layer.attend, index), rope)
        update = block.feed_forward(x)
        x = x + update
        attention.append(one_layer.total)
        mlp.append(update[:, 0])
    linear, scale = tower.head.linear(), tower.head.moments(x[:, 0])[1]
    return Parts(
        initial=initial.float() @ linear / scale,
        attention=torch.stack(attention, 1) / scale[:, :, None, None],
        mlp=torch.stack(mlp, 1).float() @ linear / scale.unsqueeze(1),
        constant=tower.head.constant(),
        features=tower.head(x[:, 0]).float(),
    )


def _pooled_parts(tower: PooledTower, pixels: Tensor) -> Parts:
    whole = pooled(tower, pixels)
    return Parts(
        initial=torch.zeros_like(whole.features),
        attention=whole.parts.unsqueeze(1),
        mlp=whole.residual.unsqueeze(1),
        constant=tower.pool.head.constant(),
        features=whole.features,
    )
