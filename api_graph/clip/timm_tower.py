"""Vision transformers from timm inside open_clip's TimmModel: plain ViT, EVA-01 and EVA-02, SigLIP."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from api_graph.clip.block import WHAT_WORKS, Block, inert, refuse_unknown, split_heads
from api_graph.clip.head import Head
from api_graph.clip.pooling import PooledTower, siglip_pool
from api_graph.clip.vision import ClsTower
from api_graph.errors import BadInput


def timm_tower(visual: Any) -> ClsTower | PooledTower:
    """Lay open a timm trunk; BadInput for trunks without patch tokens and for average pooling."""
    trunk = visual.trunk
    if not (hasattr(trunk, "blocks") and hasattr(trunk, "patch_embed") and hasattr(trunk, "_pos_embed")):
        raise BadInput(f"a {type(trunk).__name__} has no patch tokens to attribute to", input="model", hint=WHAT_WORKS)
    grid = tuple(trunk.patch_embed.grid_size)
    if getattr(trunk, "attn_pool", None) is not None:
        pool = siglip_pool(trunk.attn_pool, Head(*_projection(visual, norms=(trunk.fc_norm,))))
        prefix = trunk.num_prefix_tokens if getattr(trunk, "pool_include_prefix", True) else 0
        return PooledTower(partial(_pool_input, trunk, prefix), pool, grid, prefix)
    if trunk.global_pool != "token":
        raise BadInput(
            f"the model pools by {trunk.global_pool!r}, so no attention row leads into its image feature",
            input="model",
            hint=WHAT_WORKS,
        )
    if getattr(trunk, "rope_mixed", False):
        raise BadInput(
            "the vision tower's rotary embedding changes with depth, which is not supported",
            input="model",
            hint=WHAT_WORKS,
        )
    head = Head(*_projection(visual, norms=(trunk.norm, trunk.fc_norm)))
    blocks = tuple(_block(b) for b in trunk.blocks)
    return ClsTower(partial(_embed, trunk), blocks, head, grid, trunk.num_prefix_tokens)


def _projection(visual: Any, norms: tuple[nn.Module, ...]) -> tuple[nn.LayerNorm | None, tuple[nn.Linear, ...], int]:
    """ℒ's LayerNorm and linear maps, after the trunk's pooling."""
    stages = [m for m in (visual.trunk.head, *visual.head.children()) if not inert(m)]
    active = [n for n in norms if not inert(n)]
    strange = [m for m in stages if not isinstance(m, nn.Linear)] + [
        n for n in active if not isinstance(n, nn.LayerNorm)
    ]
    if strange or len(active) > 1:
        name = type((strange or active)[0]).__name__
        raise BadInput(f"the vision tower's head has a part that is not linear: {name}", input="model", hint=WHAT_WORKS)
    return (active[0] if active else None), tuple(stages), visual.trunk.embed_dim  # type: ignore[return-value]


def _embed(trunk: Any, pixel_values: Tensor) -> tuple[Tensor, Any]:
    """Z⁰ (B, T, D), and the rotary embedding of the patches where the trunk has one."""
    x = trunk._pos_embed(trunk.patch_embed(pixel_values))
    x, rope = x if isinstance(x, tuple) else (x, None)
    return trunk.norm_pre(x), rope


def _pool_input(trunk: Any, prefix: int, pixel_values: Tensor) -> Tensor:
    tokens = trunk.forward_features(pixel_values)
    return tokens if prefix else tokens[:, trunk.num_prefix_tokens :]


def _block(block: Any) -> Block:
    refuse_unknown(block, {"norm1", "attn", "ls1", "norm2", "mlp", "ls2", "gamma_1", "gamma_2"}, "block")
    known = {"qkv", "q_proj", "k_proj", "v_proj", "q_bias", "v_bias", "norm", "proj"}
    refuse_unknown(block.attn, known, "attention")
    if getattr(block.attn, "num_kv_heads", block.attn.num_heads) != block.attn.num_heads:
        raise BadInput(
            "the vision tower shares keys between heads, which is not supported",
            input="model",
            hint=WHAT_WORKS,
        )
    inner = getattr(block.attn, "norm", None)
    return Block(
        module=block,
        heads=block.attn.num_heads,
        norm=block.norm1,
        qkv=partial(_qkv, block.attn),
        inner_norm=None if inert(inner) else inner,
        out=block.attn.proj,
        scale=_layer_scale(block, "ls1", "gamma_1"),
        feed_forward=partial(_feed_forward, block),
    )


def _layer_scale(block: Any, module: str, parameter: str) -> Tensor | None:
    """s of LayerScale, which timm holds as a module in its ViT and as a bare parameter in EVA."""
    scale: Any = getattr(block, module, None)
    return getattr(block, parameter, None) if inert(scale) else scale.gamma


def _feed_forward(block: Any, x: Tensor) -> Tensor:
    update = block.mlp(block.norm2(x))
    scale = _layer_scale(block, "ls2", "gamma_2")
    return update if scale is None else update * scale


def _qkv(attn: Any, x: Tensor, rope: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    if attn.qkv is None:
        parts = attn.q_proj(x), attn.k_proj(x), attn.v_proj(x)
    elif getattr(attn, "q_bias", None) is not None:
        bias = torch.cat((attn.q_bias, torch.zeros_like(attn.q_bias), attn.v_bias))
        parts = F.linear(x, attn.qkv.weight, bias).chunk(3, dim=-1)
    else:
        parts = attn.qkv(x).chunk(3, dim=-1)
    q, k, v = (split_heads(part, attn.num_heads) for part in parts)
    if rope is not None:
        q, k = (_rotate(attn, part, rope).type_as(v) for part in (q, k))
    return q, k, v


def _rotate(attn: Any, x: Tensor, rope: Tensor) -> Tensor:
    """Rotary embedding of the patch tokens of x (B, H, T, d); the tokens before them stay."""
    from timm.layers.pos_embed_sincos import apply_rot_embed_cat

    first = attn.num_prefix_tokens
    half = {"half": True} if getattr(attn, "rotate_half", False) else {}
    return torch.cat([x[:, :, :first], apply_rot_embed_cat(x[:, :, first:], rope, **half)], dim=2)
