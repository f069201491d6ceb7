"""Adapters to the vision towers of open_clip and timm, whose parts are found by the names of their weights.

The names outlive the classes: open_clip's blocks around torch's MultiheadAttention and around its own newer Attention
both hold `in_proj_weight`, `in_proj_bias` and `out_proj`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from api_graph.clip.pooling import AttentionPool, PooledTower
from api_graph.clip.tower import Block, ClsTower, Head
from api_graph.errors import BadInput

WHAT_WORKS = (
    "Vision transformers with a CLS token (ViT-B-32, ViT-L-14, EVA02-B-16, ...) or pooled by attention "
    "(ViT-B-16-SigLIP, coca_ViT-B-32, ...) work."
)

_INERT = {"DropPath", "PatchDropout"}


def open_clip_tower(visual: Any) -> ClsTower | PooledTower:
    """Lay open open_clip's own VisionTransformer: pooled by its CLS token, or by attention as in CoCa.

    Raises BadInput for other pooling, and for a part that is not known.
    """
    if visual.pool_type != "tok":
        raise _no_attention_row(visual.pool_type)
    embedding = {"conv1", "class_embedding", "positional_embedding", "ln_pre"}
    parts = active_parts(visual, "vision transformer", {*embedding, "transformer", "ln_post", "proj", "attn_pool"})
    blocks = active_parts(visual.transformer, "transformer", {"resblocks"})["resblocks"]
    head = Head(visual.ln_post, () if visual.proj is None else (visual.proj,), visual.ln_post.normalized_shape[0])
    embed, grid = partial(_open_clip_embed, visual), tuple(visual.grid_size)
    if "attn_pool" in parts:
        pool = _coca_pool(visual.attn_pool, head)
        return PooledTower(lambda pixels: visual.transformer(embed(pixels)[0]), pool, grid, prefix=1)
    return ClsTower(embed, tuple(_open_clip_block(block) for block in blocks), head, grid, prefix=1)


def timm_tower(visual: Any) -> ClsTower | PooledTower:
    """Lay open a timm trunk inside open_clip's TimmModel: plain ViT, EVA-01 and EVA-02, SigLIP.

    Raises BadInput for trunks without patch tokens, for average pooling, and for a part that is not known.
    """
    trunk = visual.trunk
    if not (hasattr(trunk, "blocks") and hasattr(trunk, "patch_embed") and hasattr(trunk, "_pos_embed")):
        raise BadInput(f"a {type(trunk).__name__} has no patch tokens to attribute to", input="model", hint=WHAT_WORKS)
    grid, parts = tuple(trunk.patch_embed.grid_size), active_parts(trunk)
    if "attn_pool" in parts:
        pool = _siglip_pool(trunk.attn_pool, _timm_head(visual, ("fc_norm",)))
        prefix = trunk.num_prefix_tokens if getattr(trunk, "pool_include_prefix", True) else 0
        return PooledTower(partial(_timm_tokens, trunk, prefix), pool, grid, prefix)
    if trunk.global_pool != "token":
        raise _no_attention_row(trunk.global_pool)
    if getattr(trunk, "rope_mixed", False):
        problem = "the vision tower's rotary embedding changes with depth, which is not supported"
        raise BadInput(problem, input="model", hint=WHAT_WORKS)
    blocks = tuple(_timm_block(block) for block in trunk.blocks)
    return ClsTower(
        partial(_timm_embed, trunk), blocks, _timm_head(visual, ("norm", "fc_norm")), grid, trunk.num_prefix_tokens
    )


def active_parts(module: nn.Module, where: str = "", known: Collection[str] | None = None) -> dict[str, Any]:
    """The children and the own parameters of a module that matter to its result in evaluation mode, by name.

    Raises BadInput for one that is not `known`: weights are read by name, so it would be left out, and the numbers
    would be wrong. `where` is what the message calls the module. Without `known`, nothing is refused.
    """
    children = {
        name: child
        for name, child in module.named_children()
        if not isinstance(child, nn.Identity | nn.Dropout) and type(child).__name__ not in _INERT
    }
    parts = children | dict(module.named_parameters(recurse=False))
    for name in parts:
        if known is not None and name not in known:
            raise BadInput(
                f"the vision tower's {where} has a part that the decomposition does not know: `{name}`",
                input="model",
                hint=WHAT_WORKS,
            )
    return parts


def _no_attention_row(pooling: str) -> BadInput:
    problem = f"the model pools by {pooling!r}, so no attention row leads into its image feature"
    return BadInput(problem, input="model", hint=WHAT_WORKS)


# ------------------------------------------------------------------------------------------ open_clip


def _open_clip_embed(visual: Any, pixel_values: Tensor) -> tuple[Tensor, None]:
    """Z⁰ (B, 1 + gh·gw, D), and no rotary embedding."""
    x = visual.conv1(pixel_values).flatten(2).transpose(1, 2)  # (B, gh·gw, D)
    cls = visual.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
    x = torch.cat([cls, x], dim=1) + visual.positional_embedding.to(x.dtype)
    return visual.ln_pre(x), None


def _open_clip_block(block: nn.Module) -> Block:
    parts = active_parts(block, "block", {"ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2"})
    attn = parts["attn"]
    own = active_parts(attn, "attention", {"in_proj_weight", "in_proj_bias", "out_proj", "ln_inner"})
    if not getattr(attn, "batch_first", True) or getattr(attn, "add_zero_attn", False):
        problem = "the vision tower's attention is not batch-first, or adds an attention to nothing"
        raise BadInput(problem, input="model")
    return Block(
        module=block,
        heads=attn.num_heads,
        norm=parts["ln_1"],
        qkv=partial(F.linear, weight=attn.in_proj_weight, bias=attn.in_proj_bias),
        inner_norm=own.get("ln_inner"),
        out=attn.out_proj,
        scale=parts["ls_1"].gamma if "ls_1" in parts else None,
        mlp_norm=parts["ln_2"],
        mlp=parts["mlp"],
        mlp_scale=parts["ls_2"].gamma if "ls_2" in parts else None,
    )


def _coca_pool(pooler: Any, head: Head) -> AttentionPool:
    """open_clip's AttentionalPooler, of which the first query's output is the image feature (CoCa)."""
    attn = pooler.attn
    active_parts(pooler, "attention pool", {"query", "attn", "ln_q", "ln_k"})
    separate = {"q_proj_weight", "k_proj_weight", "v_proj_weight"}
    active_parts(attn, "attention pool", {"in_proj_weight", *separate, "in_proj_bias", "out_proj"})

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
        k, v = (F.linear(x, *weights(index)).unflatten(-1, (attn.num_heads, -1)).transpose(1, 2) for index in (1, 2))
        return k, v

    return AttentionPool(query, keys_values, attn.out_proj, None, head)


# ------------------------------------------------------------------------------------------ timm


def _timm_head(visual: Any, norms: Sequence[str]) -> Head:
    """ℒ's LayerNorm, one of the trunk's `norms`, and its linear maps, after the trunk's pooling."""
    parts = active_parts(visual.trunk)
    stages = [*([parts["head"]] if "head" in parts else []), *active_parts(visual.head).values()]
    active = [parts[name] for name in norms if name in parts]
    strange = [stage for stage in stages if not isinstance(stage, nn.Linear)]
    strange += [norm for norm in active if not isinstance(norm, nn.LayerNorm)]
    if strange or len(active) > 1:
        name = type((strange or active)[0]).__name__
        raise BadInput(f"the vision tower's head has a part that is not linear: {name}", input="model", hint=WHAT_WORKS)
    return Head(active[0] if active else None, tuple(stages), visual.trunk.embed_dim)


def _timm_embed(trunk: Any, pixel_values: Tensor) -> tuple[Tensor, Tensor | None]:
    """Z⁰ (B, T, D), and the rotary embedding of the patches where the trunk has one."""
    x = trunk._pos_embed(trunk.patch_embed(pixel_values))
    x, rope = x if isinstance(x, tuple) else (x, None)
    return trunk.norm_pre(x), rope


def _timm_tokens(trunk: Any, prefix: int, pixel_values: Tensor) -> Tensor:
    """What the attention pool sees, (B, prefix + gh·gw, D)."""
    tokens = trunk.forward_features(pixel_values)
    return tokens if prefix else tokens[:, trunk.num_prefix_tokens :]


def _timm_block(block: nn.Module) -> Block:
    parts = active_parts(block, "block", {"norm1", "attn", "ls1", "norm2", "mlp", "ls2", "gamma_1", "gamma_2"})
    attn = parts["attn"]
    names = {"qkv", "q_proj", "k_proj", "v_proj", "q_bias", "v_bias", "norm", "proj"}
    own = active_parts(attn, "attention", names)
    if getattr(attn, "num_kv_heads", attn.num_heads) != attn.num_heads:
        problem = "the vision tower shares keys between heads, which is not supported"
        raise BadInput(problem, input="model", hint=WHAT_WORKS)
    return Block(
        module=block,
        heads=attn.num_heads,
        norm=parts["norm1"],
        qkv=partial(_timm_qkv, attn),
        inner_norm=own.get("norm"),
        out=attn.proj,
        # LayerScale is a module in timm's ViT, and a bare parameter in EVA.
        scale=parts["ls1"].gamma if "ls1" in parts else parts.get("gamma_1"),
        mlp_norm=parts["norm2"],
        mlp=parts["mlp"],
        mlp_scale=parts["ls2"].gamma if "ls2" in parts else parts.get("gamma_2"),
        rotate=partial(_timm_rotated, attn),
    )


def _timm_qkv(attn: Any, x: Tensor) -> Tensor:
    if attn.qkv is None:
        return torch.cat((attn.q_proj(x), attn.k_proj(x), attn.v_proj(x)), dim=-1)
    if getattr(attn, "q_bias", None) is not None:
        return F.linear(x, attn.qkv.weight, torch.cat((attn.q_bias, torch.zeros_like(attn.q_bias), attn.v_bias)))
    return attn.qkv(x)


def _timm_rotated(attn: Any, x: Tensor, rope: Tensor) -> Tensor:
    """Rotary embedding of the patch tokens of x (B, H, T, d); the tokens before them stay."""
    from timm.layers.pos_embed_sincos import apply_rot_embed_cat

    first = attn.num_prefix_tokens
    half = {"half": True} if getattr(attn, "rotate_half", False) else {}
    return torch.cat([x[:, :, :first], apply_rot_embed_cat(x[:, :, first:], rope, **half)], dim=2).type_as(x)


def _siglip_pool(pool: Any, head: Head) -> AttentionPool:
    """timm's AttentionPoolLatent (SigLIP, SigLIP 2, Perception Encoder)."""
    known = {"latent", "q", "kv", "q_norm", "k_norm", "proj", "norm", "mlp", "pos_embed"}
    if "proj" not in active_parts(pool, "attention pool", known) or pool.pool != "token":
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
        k, v = (part.unflatten(-1, (pool.num_heads, -1)).transpose(1, 2) for part in pool.kv(x).chunk(2, dim=-1))
        return pool.k_norm(k), v

    residual = None if pool.mlp is None else (lambda y: pool.mlp(pool.norm(y)))
    return AttentionPool(query, keys_values, pool.proj, residual, head)
