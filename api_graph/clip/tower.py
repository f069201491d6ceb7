"""A vision transformer laid open: blocks whose attention can be watched or replaced, and the head behind them.

Ẑ = Z + s₁ ⊙ MSA(LN₁(Z)),   Z' = Ẑ + s₂ ⊙ MLP(LN₂(Ẑ)),   Î = ℒ(Z^L_cls),   ℒ(x) = LN(x) W + b
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial, reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries, keys and values, each (B, H, T, d), to what each token gathers, (B, H, T, d)."""

AttendInLayer = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""The same, told the layer's index first."""

_ROWS = 8
"""Tokens are projected in multiples of this many, so that none depends on how many go together."""


@dataclass(frozen=True, eq=False)
class Block:
    """One pre-norm transformer block, described by the parts of the model's own `module`. `heads` is H.

    `qkv` gives the heads' queries, keys and values of the normalised tokens side by side, (B, T, D) -> (B, T, 3·H·d);
    `rotate` applies the rotary embedding to queries or keys (B, H, T, d), where there is one. `inner_norm` is a
    LayerNorm between the heads and the output projection `out` (EVA-02). `scale` and `mlp_scale` are s₁ and s₂
    (LayerScale).
    """

    module: Callable[..., Tensor]
    heads: int
    norm: nn.Module
    qkv: Callable[[Tensor], Tensor]
    inner_norm: nn.LayerNorm | None
    out: nn.Linear
    scale: Tensor | None
    mlp_norm: nn.Module
    mlp: nn.Module
    mlp_scale: Tensor | None
    rotate: Callable[[Tensor, Tensor], Tensor] | None = None

    def run(self, x: Tensor, rope: Tensor | None = None) -> Tensor:
        """The block as the model itself runs it: (B, T, D) -> (B, T, D)."""
        return self.module(x) if rope is None else self.module(x, rope=rope)

    def gather(self, x: Tensor, attend: Attend, rope: Tensor | None = None) -> Tensor:
        """What the heads gather for each of the R tokens that `attend` answers for: (B, T, D) -> (B, R, H·d)."""
        parts = self.qkv(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)  # (B, H, T, d)
        if rope is not None and self.rotate is not None:
            q, k = self.rotate(q, rope), self.rotate(k, rope)
        gathered = attend(q, k, v).transpose(1, 2).flatten(2)  # (B, R, H·d)
        return gathered if self.inner_norm is None else self.inner_norm(gathered)

    def project(self, gathered: Tensor) -> Tensor:
        """s₁ ⊙ (Σ_h W_O^h g^h + b_O) of what the heads gathered, the block's first summand: (..., H·d) -> (..., D)."""
        update = self.out(gathered)
        return update if self.scale is None else update * self.scale

    def feed_forward(self, x: Tensor) -> Tensor:
        """s₂ ⊙ MLP(LN₂(x)), the block's second summand: (..., D) -> (..., D)."""
        update = self.mlp(self.mlp_norm(x))
        return update if self.mlp_scale is None else update * self.mlp_scale

    def finish(self, x: Tensor, gathered: Tensor) -> Tensor:
        """The block's output for tokens x (B, R, D) whose heads gathered (B, R, H·d)."""
        x = x + self.project(gathered)
        return x + self.feed_forward(x)


@dataclass(frozen=True, eq=False)
class Head:
    """ℒ(x) = LN(x) W + b. `norm` is None where there is none (SigLIP).

    `stages` are the projection's own parameters, applied in turn: a matrix (D, E) or a Linear. `width` is D. All that
    is computed *from* them is float32.
    """

    norm: nn.LayerNorm | None
    stages: tuple[Tensor | nn.Linear, ...]
    width: int

    def __call__(self, x: Tensor) -> Tensor:
        """ℒ as the model computes it: (..., D) -> (..., E)."""
        x = x if self.norm is None else self.norm(x)
        count = len(x)
        if x.dim() == 2:  # the order in which a product is summed depends on the number of rows, where there are few
            x = F.pad(x, (0, 0, 0, -count % _ROWS))
        for stage in self.stages:
            x = stage(x) if isinstance(stage, nn.Linear) else x @ stage
        return x[:count]

    def linear(self, centred: bool = True) -> Tensor:
        """M (D, E) with ℒ_lin(x) = x M / s: diag(γ) W, with the centring x − mean(x), a matrix too, folded in.

        `centred=False` leaves the centring out, as the official code does.
        """
        matrices = [(stage.weight.T if isinstance(stage, nn.Linear) else stage).float() for stage in self.stages]
        if matrices:
            projection = reduce(torch.matmul, matrices)
        else:
            projection = torch.eye(self.width, device=None if self.norm is None else self.norm.weight.device)
        if self.norm is None:
            return projection
        scaled = self.norm.weight.float().unsqueeze(-1) * projection
        return scaled - scaled.mean(0, keepdim=True) if centred else scaled

    def constant(self) -> Tensor:
        """β W + b (E,): what ℒ adds whatever its input."""
        x = self.linear().new_zeros(self.width) if self.norm is None else self.norm.bias.float()
        for stage in self.stages:
            if isinstance(stage, nn.Linear):
                x = F.linear(x, stage.weight.float(), None if stage.bias is None else stage.bias.float())
            else:
                x = x @ stage.float()
        return x


@dataclass(frozen=True, eq=False)
class ClsTower:
    """A vision transformer whose image feature is ℒ(Z^L_cls).

    `embed` gives Z⁰ (B, T, D) and the rotary embedding (or None). The CLS token is the first of `prefix`
    tokens that stand before the patches; the patches are row-major over `grid` = (gh, gw).
    """

    embed: Callable[[Tensor], tuple[Tensor, Tensor | None]]
    blocks: tuple[Block, ...]
    head: Head
    grid: tuple[int, int]
    prefix: int
    _folded: dict[tuple[int, bool], tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def run(
        self,
        pixel_values: Tensor,
        attend: AttendInLayer | None = None,
        layers: Collection[int] = (),
        stop: int | None = None,
        states: dict[int, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Z^stop (B, T, D), by default Z^L, of pixel values (B, 3, h, w); and the rotary embedding.

        `attend` is run in the place of the attention of these `layers`; the others are the model's own blocks. What
        the layers in `states` give is left there.
        """
        x, rope = self.embed(pixel_values)
        for layer, block in enumerate(self.blocks[:stop]):
            if attend is None or layer not in layers:
                x = block.run(x, rope)
            else:
                # Two statements, so that nothing of the attention is alive while the MLP's large hidden layer is.
                x = x + block.project(block.gather(x, partial(attend, layer), rope))
                x = x + block.feed_forward(x)
            if states is not None and layer in states:
                states[layer] = x
        return x, rope

    def folded(self, layer: int, centred: bool = True) -> tuple[Tensor, Tensor]:
        """A block's output projection and ℒ's linear part as one map, worked out once per model.

        x ↦ x · matrix + constant leads from the heads (..., H·d) into the space of texts (..., E), but for the 1/s.
        `matrix` (H·d, E) is in the model's dtype; `constant` (E,), in float32, is the output projection's bias and the
        inner LayerNorm's shift. It makes a layer's product (N, D)·(D, E) instead of (N, D)·(D, D). `centred` is that
        of `Head.linear`.
        """
        key = (layer, centred)
        if key in self._folded:
            return self._folded[key]
        block = self.blocks[layer]
        # Outside inference mode, or the memo would be of no use to a later gradient.
        with torch.inference_mode(False), torch.no_grad():
            target = self.head.linear(centred)  # (D, E)
            if block.scale is not None:
                target = block.scale.float().unsqueeze(-1) * target
            matrix = block.out.weight.float().T @ target  # (H·d, E)
            constant = torch.zeros_like(target[0])
            if block.out.bias is not None:
                constant = block.out.bias.float() @ target
            if block.inner_norm is not None:
                constant = constant + block.inner_norm.bias.float() @ matrix
                matrix = block.inner_norm.weight.float().unsqueeze(-1) * matrix
                matrix = matrix - matrix.mean(0, keepdim=True)
            self._folded[key] = matrix.to(block.out.weight.dtype), constant
        return self._folded[key]


def norm_moments(z: Tensor, norm: nn.LayerNorm | None) -> tuple[Tensor, Tensor]:
    """Mean and √(var + ε) of z (..., D) as `norm` computes them; 0 and 1 without one: (..., 1) each, float32."""
    if norm is None:
        return torch.zeros_like(z[..., :1], dtype=torch.float32), torch.ones_like(z[..., :1], dtype=torch.float32)
    variance, mean = torch.var_mean(z.float(), dim=-1, correction=0, keepdim=True)
    return mean, (variance + norm.eps).sqrt()


def attention_row(query: Tensor, k: Tensor, bias: Tensor | None = None) -> Tensor:
    """A: softmax(q·kᵀ/√d + bias) of one query token (B, H, d) over the keys (B, H, T, d): (B, H, T), float32.

    `bias` (B, T), float32, is the same for all heads.
    """
    scores = torch.matmul(k.float(), (query.float() * query.shape[-1] ** -0.5).unsqueeze(-1)).squeeze(-1)  # (B, H, T)
    return (scores if bias is None else scores + bias.unsqueeze(1)).softmax(-1)


def full_attention(q: Tensor, k: Tensor, bias: Tensor | None = None) -> Tensor:
    """A of every token, (B, H, T, T) in q's dtype. `bias`, float32, is (B, 1 or T, T): queries by keys."""
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1)).float()
    return (scores if bias is None else scores + bias.unsqueeze(1)).softmax(-1).to(q.dtype)
