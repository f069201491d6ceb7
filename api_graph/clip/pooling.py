"""Vision towers pooled by attention (SigLIP's MAP head, CoCa): the pooled token is a sum over the patch tokens.

    y = Σ_t η_t,   η_t = Σ_h A^h_t V^h_t W^h + b/T,   Î = ℒ(y + MLP(y))

What each patch's value carries into Î is therefore ℒ_lin(η_t): the same decomposition as the CLS token's (API eq. 3
to 5), with the pooling attention as its one layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from api_graph.clip.tower import Head, attention_row, norm_moments


@dataclass(frozen=True, eq=False)
class AttentionPool:
    """A pooling attention with one learnt query.

    `query()` is (H, d); `keys_values` maps tokens (B, T, D) to the heads' keys and values (B, H, T, d);
    `residual` is the MLP behind the attention, or None; `head` is ℒ.
    """

    query: Callable[[], Tensor]
    keys_values: Callable[[Tensor], tuple[Tensor, Tensor]]
    out: nn.Linear
    residual: Callable[[Tensor], Tensor] | None
    head: Head

    def finish(self, y: Tensor) -> Tensor:
        """y + MLP(y): (..., D) -> (..., D), before ℒ."""
        return y if self.residual is None else y + self.residual(y)


@dataclass(frozen=True, eq=False)
class PooledTower:
    """`tokens` maps pixel values (B, 3, h, w) to what the pool sees, (B, prefix + gh·gw, D)."""

    tokens: Callable[[Tensor], Tensor]
    pool: AttentionPool
    grid: tuple[int, int]
    prefix: int


@dataclass(frozen=True, eq=False)
class Pooled:
    """A pooled image: `contributions` ℒ_lin(η_t) (B, T, E), `residual` ℒ_lin(MLP(y)) (B, E), `features` Î (B, E), and
    the heads' `values` (B, T, H·d) per token.
    """

    contributions: Tensor
    residual: Tensor
    features: Tensor
    values: Tensor


def pooled(tower: PooledTower, pixel_values: Tensor) -> Pooled:
    """Pool and decompose. Σ_t contributions + residual + ℒ's constant = features."""
    pool = tower.pool
    k, v = pool.keys_values(tower.tokens(pixel_values))  # (B, H, T, d)
    attention = attention_row(pool.query().expand(k.shape[0], -1, -1), k)
    weighted = (attention.unsqueeze(-1) * v.float()).transpose(1, 2).flatten(2)  # (B, T, H·d), float32
    y = pool.out(weighted.sum(1).to(v.dtype))
    z = pool.finish(y)
    linear = pool.head.linear()
    scale = norm_moments(z, pool.head.norm)[1]  # (B, 1)
    eta = F.linear(weighted, pool.out.weight.float())
    if pool.out.bias is not None:
        eta = eta + pool.out.bias.float() / eta.shape[1]
    contributions = eta @ linear / scale.unsqueeze(1)
    residual = (z - y).float() @ linear / scale
    return Pooled(contributions, residual, pool.head(z).float(), v.transpose(1, 2).flatten(2))


def patch_features(tower: PooledTower, values: Tensor) -> Tensor:
    """What Î would be if the pool attended to one token alone, for each: values (B, N, H·d) -> (B, N, E), float32.

    It stands where the CLS models have ℒ(Z^L_t) (API eq. 6).
    """
    pool = tower.pool
    return pool.head(pool.finish(pool.out(values))).float()
