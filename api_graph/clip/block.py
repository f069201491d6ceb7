"""One pre-norm transformer block whose attention can be watched or replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from api_graph.errors import BadInput

WHAT_WORKS = (
    "Vision transformers with a CLS token (ViT-B-32, ViT-L-14, EVA02-B-16, ...) or pooled by attention "
    "(ViT-B-16-SigLIP, coca_ViT-B-32, ...) work."
)

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries, keys and values, each (B, H, T, d), to what each token gathers, (B, H, T, d)."""


@dataclass(frozen=True, eq=False)
class Block:
    """Ẑ = Z + s₁ ⊙ MSA(LN₁(Z)), Z' = Ẑ + s₂ ⊙ MLP(LN₂(Ẑ)), described by the parts of the model's own module.

    `qkv` gives the heads' queries, keys and values of the normalised tokens, `inner_norm` is a LayerNorm
    between the heads and the output projection (EVA-02), `scale` is s₁ (LayerScale), `feed_forward` is the
    whole second summand. `heads` is H.
    """

    module: Callable[..., Tensor]
    heads: int
    norm: nn.Module
    qkv: Callable[[Tensor, Any], tuple[Tensor, Tensor, Tensor]]
    inner_norm: nn.LayerNorm | None
    out: nn.Linear
    scale: Tensor | None
    feed_forward: Callable[[Tensor], Tensor]

    def run(self, x: Tensor, rope: Any = None) -> Tensor:
        """The block as the model itself runs it: (B, T, D) -> (B, T, D)."""
        return self.module(x) if rope is None else self.module(x, rope=rope)

    def run_with(self, x: Tensor, attend: Attend, rope: Any = None) -> Tensor:
        """The same block with `attend` in the place of its attention."""
        # Two statements, so that nothing of the attention is alive while the MLP's large hidden layer is.
        x = x + self.attention(x, attend, rope)
        return x + self.feed_forward(x)

    def attention(self, x: Tensor, attend: Attend, rope: Any = None) -> Tensor:
        """s₁ ⊙ MSA(LN₁(x)), the first summand: (B, T, D) -> (B, T, D)."""
        return self.project(self.gather(x, attend, rope))

    def gather(self, x: Tensor, attend: Attend, rope: Any = None) -> Tensor:
        """What the heads gather for each token that `attend` answers for, side by side: (B, T, D) -> (B, R, H·d)."""
        context = merge_heads(attend(*self.qkv(self.norm(x), rope)))  # (B, R, H·d)
        return context if self.inner_norm is None else self.inner_norm(context)

    def project(self, gathered: Tensor) -> Tensor:
        """s₁ ⊙ (Σ_h W_O^h g^h + b_O) of what the heads gathered: (..., H·d) -> (..., D)."""
        update = self.out(gathered)
        return update if self.scale is None else update * self.scale

    def finish(self, x: Tensor, gathered: Tensor) -> Tensor:
        """The block's output for tokens x (B, R, D) whose heads gathered (B, R, H·d)."""
        x = x + self.project(gathered)
        return x + self.feed_forward(x)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, H·d) -> (B, H, T, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, d) -> (B, T, H·d)."""
    return x.transpose(1, 2).flatten(2)


def attention_row(query: Tensor, k: Tensor, bias: Tensor | None = None) -> Tensor:
    """A: softmax(q·kᵀ/√d + bias) of one query token (B, H, d) over the keys (B, H, T, d): (B, H, T), float32.

    `bias` (B, T), float32, is the same for all heads.
    """
    scores = torch.matmul(k, (query * query.shape[-1] ** -0.5).unsqueeze(-1)).squeeze(-1).float()  # (B, H, T)
    return (scores if bias is None else scores + bias.unsqueeze(1)).softmax(-1)


def full_attention(q: Tensor, k: Tensor, bias: Tensor | None = None) -> Tensor:
    """A of every token, (B, H, T, T) in q's dtype. `bias`, float32, is (B, 1 or T, T): queries by keys."""
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1)).float()
    return (scores if bias is None else scores + bias.unsqueeze(1)).softmax(-1).to(q.dtype)


def refuse_unknown(module: nn.Module, known: set[str], where: str) -> None:
    """Raise BadInput if `module` has a child or a parameter outside `known` that takes part in its result.

    Weights are read by name, so a part that is not known would be left out, and the numbers would be wrong.
    """
    children = [name for name, child in module.named_children() if not inert(child)]
    parameters = [name for name, _ in module.named_parameters(recurse=False)]
    for name in children + parameters:
        if name not in known:
            raise BadInput(
                f"the vision tower's {where} has a part that the decomposition does not know: `{name}`",
                input="model",
                hint=WHAT_WORKS,
            )


def inert(module: nn.Module | None) -> bool:
    """Whether a module leaves its input as it is in evaluation mode."""
    return module is None or isinstance(module, nn.Identity | nn.Dropout) or type(module).__name__ in _INERT


_INERT = {"DropPath", "PatchDropout"}
