"""The way of an image through a vision tower under many foveal masks: what they share is computed once.

Before the first biased block nothing depends on the mask. In that block, where only the CLS token's row of the
attention is biased (FALIP's form a), only the CLS token does. In the last block only the CLS token matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from api_graph.clip.block import attention_row, full_attention, merge_heads
from api_graph.clip.head import Head
from api_graph.clip.pooling import PooledTower
from api_graph.clip.vision import ClsTower
from api_graph.errors import BadInput

Form = Literal["cls", "rows", "diagonal"]

Gathered = Callable[[int, Tensor], Tensor]
"""For a layer, what the CLS token's heads gathered (B, H·d), to what goes into the output projection instead."""

MOST_TOKENS = 8192
"""Tokens of all masks that go through the network together: 41 masks of a ViT-B/16."""


def as_gathered(layer: int, heads: Tensor) -> Tensor:
    """Change nothing."""
    return heads


@dataclass(frozen=True, eq=False)
class Recorder:
    """Changes nothing, and keeps what each layer's heads gathered for the CLS token: (B, H·d)."""

    seen: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, layer: int, heads: Tensor) -> Tensor:
        self.seen[layer] = heads
        return heads


class Pass(Protocol):
    """`enter` does what needs no mask, once per image; `token` finishes for B masks.

    `owner` (B,) says which of the entered images each mask belongs to; `bias` (B, gh·gw), float32, is None where
    there is no mask. The token (B, D) is the one that ℒ, the `head`, makes the image feature of.
    """

    @property
    def head(self) -> Head: ...

    def enter(self, pixels: Tensor) -> Any: ...

    def token(self, entered: Any, owner: Tensor, bias: Tensor | None, gathered: Gathered) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class ClsPass:
    """Through a CLS tower. The blocks before `start` need no mask; `layers` are those that are biased.

    `form`: which scores the bias is added to; `cls` the CLS token's row, `rows` every token's row, `diagonal` each
    token's score with itself.
    """

    tower: ClsTower
    layers: frozenset[int]
    start: int
    form: Form

    @property
    def head(self) -> Head:
        return self.tower.head

    def enter(self, pixels: Tensor) -> tuple[Tensor, Any]:
        """The tokens (n, T, D) that enter block `start`, and the rotary embedding."""
        x, rope = self.tower.embed(pixels)
        for block in self.tower.blocks[: self.start]:
            x = block.run(x, rope)
        return x, rope

    def token(self, entered: tuple[Tensor, Any], owner: Tensor, bias: Tensor | None, gathered: Gathered) -> Tensor:
        """The CLS token behind the last block, (B, D)."""
        x, rope = entered  # (n, T, D)
        if bias is not None:
            bias = F.pad(bias, (self.tower.prefix, 0))  # (B, T): CLS and registers are not biased
        last = len(self.tower.blocks) - 1
        if self.start > last:
            return x[owner, 0]
        if self.form != "cls":
            x, owner = x[owner], torch.arange(len(owner), device=x.device)
        for layer in range(self.start, last):
            own = bias if layer in self.layers else None
            if layer == self.start and self.form == "cls":
                cls = self._only_cls(layer, x, rope, owner, own, gathered)
                x = torch.cat((cls, self.tower.blocks[layer].run(x, rope)[owner, 1:]), 1)  # (B, T, D)
                owner = torch.arange(len(owner), device=x.device)
            else:
                x = self._all_tokens(layer, x, rope, own, gathered)
        own = bias if last in self.layers and self.form != "diagonal" else None
        return self._only_cls(last, x, rope, owner, own, gathered)[:, 0]

    def _only_cls(
        self, layer: int, x: Tensor, rope: Any, owner: Tensor, bias: Tensor | None, gathered: Gathered
    ) -> Tensor:
        """The CLS token alone behind a block, (B, 1, D), from the tokens (n, T, D) before it."""

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return one_row(q[owner, :, 0], k[owner], v[owner], bias)

        block = self.tower.blocks[layer]
        heads = gathered(layer, block.gather(x, attend, rope)[:, 0])
        return block.finish(x[owner, :1], heads.unsqueeze(1))

    def _all_tokens(self, layer: int, x: Tensor, rope: Any, bias: Tensor | None, gathered: Gathered) -> Tensor:
        """All tokens behind a block, (B, T, D)."""
        block = self.tower.blocks[layer]
        heads = block.gather(x, partial(_attend, self.form, bias), rope)  # (B, T, H·d)
        cls = gathered(layer, heads[:, 0])
        return block.finish(x, torch.cat((cls.unsqueeze(1), heads[:, 1:]), 1))


@dataclass(frozen=True, eq=False)
class PooledPass:
    """Through a tower with an attention pool: its one query's row is the one place for a bias."""

    tower: PooledTower

    @property
    def head(self) -> Head:
        return self.tower.pool.head

    def enter(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The pool's keys and values, (n, H, T, d)."""
        return self.tower.pool.keys_values(self.tower.tokens(pixels))

    def token(self, entered: tuple[Tensor, Tensor], owner: Tensor, bias: Tensor | None, gathered: Gathered) -> Tensor:
        """The pooled token, (B, D)."""
        pool, (k, v) = self.tower.pool, entered
        if bias is not None:
            bias = F.pad(bias, (self.tower.prefix, 0))  # (B, T)
        query = pool.query().expand(len(owner), -1, -1)  # (B, H, d)
        heads = merge_heads(one_row(query, k[owner], v[owner], bias))[:, 0]  # (B, H·d)
        return pool.finish(pool.out(gathered(0, heads)))


def pass_through(tower: ClsTower | PooledTower, biased: frozenset[int], needed: frozenset[int], form: Form) -> Pass:
    """The pass of a tower whose layers `biased` get a mask; the first of `needed` is where prompts part."""
    if isinstance(tower, PooledTower):
        return PooledPass(tower)
    return ClsPass(tower, biased, min(needed, default=len(tower.blocks)), form)


def layer_count(tower: ClsTower | PooledTower) -> int:
    """How many layers a mask can bias; of an attention-pooled model its pooling attention alone."""
    return 1 if isinstance(tower, PooledTower) else len(tower.blocks)


def head_shape(tower: ClsTower | PooledTower) -> tuple[int, int]:
    """H and d of the layers that a mask can bias."""
    if isinstance(tower, PooledTower):
        heads, size = tower.pool.query().shape
        return heads, size
    heads = tower.blocks[0].heads
    return heads, output_projection(tower, 0).in_features // heads


def output_projection(tower: ClsTower | PooledTower, layer: int) -> nn.Linear:
    """W_O and b_O of a layer."""
    return tower.pool.out if isinstance(tower, PooledTower) else tower.blocks[layer].out


def rows_at_once(tower: ClsTower | PooledTower) -> int:
    """How many masks go through a tower together."""
    gh, gw = tower.grid
    return max(1, MOST_TOKENS // (gh * gw + tower.prefix))


def check_form(form: str, tower: ClsTower | PooledTower) -> None:
    """Raise BadInput for a form that is none, or that the tower has no place for."""
    if form not in get_args(Form):
        raise BadInput("unknown form", input="form", value=form, hint="Use cls, rows or diagonal.")
    if form != "cls" and isinstance(tower, PooledTower):
        hint = "Use form='cls', or a model with a CLS token."
        raise BadInput("a model pooled by attention has one query to bias", input="form", value=form, hint=hint)


def one_row(query: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """What one query token (B, H, d) gathers from keys and values (B, H, T, d): (B, H, 1, d)."""
    return attention_row(query, k, bias).to(v.dtype).unsqueeze(2) @ v


def _attend(form: Form, bias: Tensor | None, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What every token gathers, (B, H, T, d), with the bias where the form has it."""
    if bias is None:
        return F.scaled_dot_product_attention(q, k, v)
    if form == "cls":
        row = one_row(q[:, :, 0], k, v, bias)
        return torch.cat((row, F.scaled_dot_product_attention(q[:, :, 1:], k, v)), 2)
    matrix = bias.unsqueeze(1) if form == "rows" else torch.diag_embed(bias)  # (B, 1 or T, T)
    return full_attention(q, k, matrix) @ v
