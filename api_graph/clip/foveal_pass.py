"""An image's pass through a vision tower under many foveal masks: what the masks share is computed once.

Before the first biased block nothing depends on the mask. In that block, where only the CLS token's row of the
attention is biased (FALIP's form a), only the CLS token does. In the last block only the CLS token matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from api_graph.clip.model import ClipModel, PreparedImages, model_input
from api_graph.clip.pooling import PooledTower
from api_graph.clip.tower import ClsTower, Head, attention_row, full_attention
from api_graph.errors import BadInput, inputs_named
from api_graph.pixels.given import Images

Form = Literal["cls", "rows", "diagonal"]

Masks = Tensor | Sequence[Tensor]
"""(B, gh, gw) for one image; for n images (n, gh, gw), or a list of n such tensors of any length."""

Entered = tuple[Tensor, Tensor | None]
"""What a pass has worked out for n images before any mask; only the pass itself reads it."""

HeadChange = Callable[[int, Tensor], Tensor]
"""For a layer, what the CLS token's heads gathered (B, H·d), to what goes into the output projection instead."""

MOST_TOKENS = 8192
"""Tokens of all masks that go through the network together: 41 masks of a ViT-B/16."""


# ------------------------------------------------------------------------------------------ what goes in


@dataclass(frozen=True, eq=False)
class FovealInput:
    """n images and B masks. `pixels` (n, 3, h, w) and `clean`, None or (1 or n, 3, h, w), lie on the model's device.

    `bias` (B, gh·gw), float32, is None where no mask has anything in it; `owner` (B,) is each mask's image, in
    ascending order. Both lie on the CPU. `masked` says whether masks were given at all.
    """

    pixels: Tensor
    clean: Tensor | None
    bias: Tensor | None
    owner: Tensor
    masked: bool

    @classmethod
    def of(
        cls,
        model: ClipModel,
        image: Images | PreparedImages | None,
        pixel_values: Tensor | None,
        masks: Masks | None,
        clean: Images | PreparedImages | None,
        clean_pixel_values: Tensor | None,
    ) -> FovealInput:
        """From the arguments of `foveal_features`. Raises BadInput where they do not fit together or the model."""
        with inputs_named(images="image"):
            pixels, _ = model_input(model, image, pixel_values)
        clean_pixels = None
        if clean is not None or clean_pixel_values is not None:
            with inputs_named(images="clean", image="clean", pixel_values="clean_pixel_values"):
                clean_pixels, _ = model_input(model, clean, clean_pixel_values)
            if len(clean_pixels) not in (1, len(pixels)):
                problem = f"{len(clean_pixels)} clean images do not go with {len(pixels)} drawn ones"
                raise BadInput(problem, input="clean", hint="Give one for all, or one for each.")
        bias, owner = _mask_rows(masks, len(pixels), model.tower.grid)
        return cls(pixels, clean_pixels, bias, owner, masks is not None)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor | None]:
        """Owner and bias of some masks, on the model's device."""
        device = self.pixels.device
        return self.owner[indices].to(device), None if self.bias is None else self.bias[indices].to(device)

    def need_prompt(self, input: str) -> None:
        """Raise BadInput where there is neither a mask nor a clean image to compare with."""
        if not self.masked and self.clean is None:
            hint = "Give masks, or the clean image of which the given ones are drawn copies."
            raise BadInput("there is no prompt that heads could react to", input=input, hint=hint)


def _mask_rows(masks: Masks | None, images: int, grid: tuple[int, int]) -> tuple[Tensor | None, Tensor]:
    """The bias (B, gh·gw), float32 on the CPU, or None where there is none, and each mask's image (B,)."""
    if masks is None:
        return None, torch.arange(images)
    if isinstance(masks, Tensor):
        checked = _checked(masks, grid)
        if images == 1:
            owner = torch.zeros(len(checked), dtype=torch.long)
        elif len(checked) in (1, images):
            checked, owner = checked.expand(images, -1, -1), torch.arange(images)
        else:
            hint = "Give one each, or a list with one tensor of masks per image."
            raise BadInput(f"{len(checked)} masks do not go with {images} images", input="masks", hint=hint)
    else:
        if len(masks) != images:
            raise BadInput(f"there are masks for {len(masks)} images, not {images}", input="masks")
        several = [_checked(own, grid) for own in masks]
        owner = torch.arange(images).repeat_interleave(torch.tensor([len(own) for own in several]))
        checked = torch.cat(several)
    bias = checked.flatten(1)  # (B, gh·gw)
    return (bias if bool(bias.any()) else None), owner


def _checked(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    masks = masks.detach().float().cpu()
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or tuple(masks.shape[1:]) != tuple(grid) or not len(masks):
        raise BadInput(
            f"the model has {grid[0]}×{grid[1]} patches, so masks need the shape (B, {grid[0]}, {grid[1]})",
            input="masks",
            value=tuple(masks.shape),
            hint="Make them for this model's grid.",
        )
    if not bool(masks.isfinite().all()):
        value, hint = float(masks[~masks.isfinite()][0]), "Look at the step that made it."
        raise BadInput("a mask holds NaN or infinite values", input="masks", value=value, hint=hint)
    return masks


# ------------------------------------------------------------------------------------------ through the tower


class Pass(Protocol):
    """`enter` does what needs no mask, once per image; `token` finishes for B masks.

    `owner` (B,) says which of the entered images each mask belongs to; `bias` (B, gh·gw), float32, is None where
    there is no mask; `change` is for what the heads gather. The token (B, D) is the one that ℒ, the `head`, makes the
    image feature of.
    """

    @property
    def head(self) -> Head: ...

    def enter(self, pixels: Tensor) -> Entered: ...

    def token(self, entered: Entered, owner: Tensor, bias: Tensor | None, change: HeadChange) -> Tensor: ...


def unchanged(layer: int, heads: Tensor) -> Tensor:
    """The `HeadChange` that changes nothing."""
    return heads


@dataclass(frozen=True, eq=False)
class Recorder:
    """Changes nothing, and keeps what each layer's heads gathered for the CLS token: (B, H·d)."""

    seen: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, layer: int, heads: Tensor) -> Tensor:
        self.seen[layer] = heads
        return heads


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

    def enter(self, pixels: Tensor) -> Entered:
        """The tokens (n, T, D) that enter block `start`, and the rotary embedding."""
        return self.tower.run(pixels, stop=self.start)

    def token(self, entered: Entered, owner: Tensor, bias: Tensor | None, change: HeadChange) -> Tensor:
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
                cls = self._only_cls(layer, x, rope, owner, own, change)
                x = torch.cat((cls, self.tower.blocks[layer].run(x, rope)[owner, 1:]), 1)  # (B, T, D)
                owner = torch.arange(len(owner), device=x.device)
            else:
                x = self._all_tokens(layer, x, rope, own, change)
        own = bias if last in self.layers and self.form != "diagonal" else None
        return self._only_cls(last, x, rope, owner, own, change)[:, 0]

    def _only_cls(
        self, layer: int, x: Tensor, rope: Tensor | None, owner: Tensor, bias: Tensor | None, change: HeadChange
    ) -> Tensor:
        """The CLS token alone behind a block, (B, 1, D), from the tokens (n, T, D) before it."""

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return _one_row(q[owner, :, 0], k[owner], v[owner], bias)

        block = self.tower.blocks[layer]
        heads = change(layer, block.gather(x, attend, rope)[:, 0])
        return block.finish(x[owner, :1], heads.unsqueeze(1))

    def _all_tokens(
        self, layer: int, x: Tensor, rope: Tensor | None, bias: Tensor | None, change: HeadChange
    ) -> Tensor:
        """All tokens behind a block, (B, T, D)."""
        block = self.tower.blocks[layer]
        heads = block.gather(x, partial(_attend, self.form, bias), rope)  # (B, T, H·d)
        cls = change(layer, heads[:, 0])
        return block.finish(x, torch.cat((cls.unsqueeze(1), heads[:, 1:]), 1))


@dataclass(frozen=True, eq=False)
class PooledPass:
    """Through a tower with an attention pool: only its one query's row can take a bias."""

    tower: PooledTower

    @property
    def head(self) -> Head:
        return self.tower.pool.head

    def enter(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The pool's keys and values, (n, H, T, d)."""
        return self.tower.pool.keys_values(self.tower.tokens(pixels))

    def token(self, entered: Entered, owner: Tensor, bias: Tensor | None, change: HeadChange) -> Tensor:
        """The pooled token, (B, D)."""
        pool, (k, v) = self.tower.pool, entered
        assert v is not None
        if bias is not None:
            bias = F.pad(bias, (self.tower.prefix, 0))  # (B, T)
        query = pool.query().expand(len(owner), -1, -1)  # (B, H, d)
        heads = _one_row(query, k[owner], v[owner], bias).flatten(1)  # (B, H·d)
        return pool.finish(pool.out(change(0, heads)))


def pass_of(tower: ClsTower | PooledTower, biased: frozenset[int], needed: frozenset[int], form: Form) -> Pass:
    """The pass of a tower whose layers `biased` get a mask; from the first of the `needed` on, prompts go apart."""
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


def masks_at_once(tower: ClsTower | PooledTower) -> int:
    """How many masks go through a tower together."""
    gh, gw = tower.grid
    return max(1, MOST_TOKENS // (gh * gw + tower.prefix))


def check_form(form: str, tower: ClsTower | PooledTower) -> None:
    """Raise BadInput for an unknown form, and for one that the tower cannot have."""
    if form not in get_args(Form):
        raise BadInput("unknown form", input="form", value=form, hint="Use cls, rows or diagonal.")
    if form != "cls" and isinstance(tower, PooledTower):
        hint = "Use form='cls', or a model with a CLS token."
        raise BadInput("a model pooled by attention has one query to bias", input="form", value=form, hint=hint)


def _one_row(query: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """What one query token (B, H, d) gathers from keys and values (B, H, T, d): (B, H, 1, d)."""
    return attention_row(query, k, bias).to(v.dtype).unsqueeze(2) @ v


def _attend(form: Form, bias: Tensor | None, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What every token gathers, (B, H, T, d), with the bias where the form has it."""
    if bias is None:
        return F.scaled_dot_product_attention(q, k, v)
    if form == "cls":
        row = _one_row(q[:, :, 0], k, v, bias)
        return torch.cat((row, F.scaled_dot_product_attention(q[:, :, 1:], k, v)), 2)
    matrix = bias.unsqueeze(1) if form == "rows" else torch.diag_embed(bias)  # (B, 1 or T, T)
    return full_attention(q, k, matrix) @ v
