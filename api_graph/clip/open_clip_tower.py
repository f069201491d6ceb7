"""open_clip's own VisionTransformer, read by the names of its weights.

The names outlive the classes: blocks around torch's MultiheadAttention and around open_clip's newer Attention
both hold `in_proj_weight`, `in_proj_bias` and `out_proj`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from api_graph.clip.block import WHAT_WORKS, Block, inert, refuse_unknown, split_heads
from api_graph.clip.head import Head
from api_graph.clip.pooling import PooledTower, coca_pool
from api_graph.clip.vision import ClsTower
from api_graph.errors import BadInput

_TOWER = {"conv1", "class_embedding", "positional_embedding", "ln_pre", "transformer", "ln_post", "proj"}


def open_clip_tower(visual: Any) -> ClsTower | PooledTower:
    """Lay open an open_clip VisionTransformer: CLS-pooled, or attention-pooled as in CoCa."""
    if visual.pool_type != "tok":
        raise BadInput(
            f"the model pools by {visual.pool_type!r}, so no attention row leads into its image feature",
            input="model",
            hint=WHAT_WORKS,
        )
    refuse_unknown(visual, _TOWER | {"attn_pool"}, "vision transformer")
    refuse_unknown(visual.transformer, {"resblocks"}, "transformer")
    head = Head(visual.ln_post, () if visual.proj is None else (visual.proj,), visual.ln_post.normalized_shape[0])
    grid = tuple(visual.grid_size)
    if visual.attn_pool is not None:
        pool = coca_pool(visual.attn_pool, head)
        return PooledTower(lambda pixels: visual.transformer(_embed(visual, pixels)), pool, grid, prefix=1)
    blocks = tuple(_block(b) for b in visual.transformer.resblocks)
    return ClsTower(lambda pixels: (_embed(visual, pixels), None), blocks, head, grid, prefix=1)


def _embed(visual: Any, pixel_values: Tensor) -> Tensor:
    """Z⁰ (B, 1 + gh·gw, D)."""
    x = visual.conv1(pixel_values).flatten(2).transpose(1, 2)  # (B, gh·gw, D)
    cls = visual.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
    x = torch.cat([cls, x], dim=1) + visual.positional_embedding.to(x.dtype)
    return visual.ln_pre(x)


def _block(block: Any) -> Block:
    refuse_unknown(block, {"ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2"}, "block")
    refuse_unknown(block.attn, {"in_proj_weight", "in_proj_bias", "out_proj", "ln_inner"}, "attention")
    if not getattr(block.attn, "batch_first", True) or getattr(block.attn, "add_zero_attn", False):
        raise BadInput(
            "the vision tower's attention is not batch-first, or adds an attention to nothing", input="model"
        )
    ls_1, ls_2 = getattr(block, "ls_1", None), getattr(block, "ls_2", None)
    inner = getattr(block.attn, "ln_inner", None)
    return Block(
        module=block,
        heads=block.attn.num_heads,
        norm=block.ln_1,
        qkv=partial(_qkv, block.attn),
        inner_norm=None if inert(inner) else inner,
        out=block.attn.out_proj,
        scale=None if ls_1 is None or isinstance(ls_1, nn.Identity) else ls_1.gamma,
        feed_forward=_feed_forward(block, ls_2),
    )


def _qkv(attn: Any, x: Tensor, rope: None) -> tuple[Tensor, Tensor, Tensor]:
    qkv = F.linear(x, attn.in_proj_weight, attn.in_proj_bias).chunk(3, dim=-1)
    q, k, v = (split_heads(part, attn.num_heads) for part in qkv)
    return q, k, v


def _feed_forward(block: Any, ls_2: nn.Module | None) -> Any:
    if ls_2 is None:
        return lambda x: block.mlp(block.ln_2(x))
    return lambda x: ls_2(block.mlp(block.ln_2(x)))
