"""Vision towers pooled by attention (SigLIP's MAP head, CoCa): the pooled token is a sum over the patch
tokens.

    y = Σ_t η_t,  η_t = Σ_h A^h_t V^h_t W^h + b/T,   Î = ℒ(y + MLP(y))

so what each patch's value carries into Î is ℒ_lin(η_t): the same decomposition as the CLS token's (API eq. 3
to 5), with the pooling attention as its one layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from api_graph.clip.block import attention_row, inert, merge_heads, refuse_unknown, split_heads
from api_graph.clip.head import Head
from api_graph.clip.vision import weighted_values
from api_graph.errors import BadInput


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
    """A pooled image: `parts` ℒ_lin(η_t) (B, T, E), `residual` ℒ_lin(MLP(y)) (B, E), `features` Î (B, E), and
    the heads' `values` (B, T, H·d) per token.
    """

    parts: Tensor
    residual: Tensor
    features: Tensor
    values: Tensor


def pooled(tower: PooledTower, pixel_values: Tensor) -> Pooled:
    """Pool and decompose. Σ_t parts + residual + ℒ's constant = features."""
    pool = tower.pool
    k, v = pool.keys_values(tower.tokens(pixel_values))  # (B, H, T, d)
    attention = attention_row(pool.query().expand(k.shape[0], -1, -1), k)
    weighted = weighted_values(attention, v)  # (B, T, H·d)
    y = pool.out(weighted.sum(1))
    z = pool.finish(y)
    linear = pool.head.linear()
    scale = pool.head.moments(z)[1]  # (B, 1)
    eta = F.linear(weighted.float(), pool.out.weight.float())
    if pool.out.bias is not None:
        eta = eta + pool.out.bias.float() / eta.shape[1]
    parts = eta @ linear / scale.unsqueeze(1)
    residual = (z - y).float() @ linear / scale
    return Pooled(parts, residual, pool.head(z).float(), merge_heads(v))


def patch_features(tower: PooledTower, values: Tensor) -> Tensor:
    """What Î would be if the pool attended to one token alone, for each: values (B, N, H·d) -> (B, N, E),
    float32.

    It stands where the CLS models have ℒ(Z^L_t) (API eq. 6).
    """
    pool = tower.pool
    return pool.head(pool.finish(pool.out(values))).float()


def coca_pool(pooler: Any, head: Head) -> AttentionPool:
    """open_clip's AttentionalPooler, of which the first query's output is the image feature (CoCa)."""
    attn = pooler.attn
    refuse_unknown(pooler, {"query", "attn", "ln_q", "ln_k"}, "attention pool")
    projections = {
        "in_proj_weight",
        "q_proj_weight",
        "k_proj_weight",
        "v_proj_weight",
        "in_proj_bias",
        "out_proj",
    }
    refuse_unknown(attn, projections, "attention pool")

    def weights(index: int) -> tuple[Tensor, Tensor | None]:
        if attn.in_proj_weight is None:
            weight = (attn.q_proj_weight, attn.k_proj_weight, attn.v_proj_weight)[index]
        else:
            weight = attn.in_proj_weight.chunk(3)[index]
        return weight, None if attn.in_proj_bias is None else attn.in_proj_bias.chunk(3)[index]

    def query() -> Tensor:
        q = F.linear(pooler.ln_q(pooler.query[:1]), *weights(0))  # (1, D)
        return q.reshape(attn.num_heads, -1)

    def keys_values(tokens: Tensor) -> tuple[Tensor, Tensor]:
        x = pooler.ln_k(tokens)
        return split_heads(F.linear(x, *weights(1)), attn.num_heads), split_heads(
            F.linear(x, *weights(2)), attn.num_heads
        )

    return AttentionPool(query, keys_values, attn.out_proj, None, head)


def siglip_pool(pool: Any, head: Head) -> AttentionPool:
    """timm's AttentionPoolLatent (SigLIP, SigLIP 2, Perception Encoder)."""
    known = {"latent", "q", "kv", "q_norm", "k_norm", "proj", "norm", "mlp", "pos_embed"}
    refuse_unknown(pool, known, "attention pool")
    if pool.pool != "token" or inert(pool.proj):
        raise BadInput(
            "the attention pool averages several queries, or has no output projection",
            input="model",
            hint="SigLIP's pool, with one query, works.",
        )

    def query() -> Tensor:
        q = pool.q(pool.latent[:, :1]).reshape(pool.num_heads, -1)
        return pool.q_norm(q)

    def keys_values(tokens: Tensor) -> tuple[Tensor, Tensor]:
        x = tokens if pool.pos_embed is None else tokens + pool.pos_embed.to(tokens.dtype)
        k, v = (split_heads(part, pool.num_heads) for part in pool.kv(x).chunk(2, dim=-1))
        return pool.k_norm(k), v

    residual = None if pool.mlp is None else (lambda y: pool.mlp(pool.norm(y)))
    return AttentionPool(query, keys_values, pool.proj, residual, head)
