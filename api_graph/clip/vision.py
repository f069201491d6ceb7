"""A vision tower pooled by its CLS token: what each patch's value carries into that token, layer by layer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.clip.block import Attend, Block, attention_row, merge_heads
from api_graph.clip.head import Head, layer_norm_moments

Watch = Callable[[int], Attend | None]
"""For a layer's index, what to run in the place of its attention; None runs the model's own block."""


@dataclass(frozen=True, eq=False)
class ClsTower:
    """Patch embedding, blocks and head of a vision transformer whose image feature is ℒ(Z^L_cls).

    `embed` gives Z⁰ (B, T, D) and the rotary embedding (or None). The CLS token is the first of `prefix`
    tokens that stand before the patches; the patches are row-major over `grid` = (gh, gw).
    """

    embed: Callable[[Tensor], tuple[Tensor, Any]]
    blocks: tuple[Block, ...]
    head: Head
    grid: tuple[int, int]
    prefix: int
    _folded: dict[tuple[int, bool], Folded] = field(default_factory=dict, repr=False)

    def states(self, pixel_values: Tensor, watch: Watch) -> Iterator[Tensor]:
        """Z⁰, Z¹, ... Z^L, each (B, T, D), of pixel values (B, 3, h, w), one after the other."""
        x, rope = self.embed(pixel_values)
        yield x
        for index, block in enumerate(self.blocks):
            attend = watch(index)
            x = block.run(x, rope) if attend is None else block.run_with(x, attend, rope)
            yield x

    def run(self, pixel_values: Tensor, watch: Watch) -> Tensor:
        """Z^L (B, T, D), the tokens behind the last block."""
        return deque(self.states(pixel_values, watch), maxlen=1).pop()

    def folded(self, layer: int, centred: bool = True) -> Folded:
        """The block's output projection and ℒ's linear part as one matrix, worked out once per model.

        It makes a layer's product (N, D)·(D, E) instead of (N, D)·(D, D). `centred=False` leaves out the
        LayerNorm's centring, as the official code does.
        """
        key = (layer, centred)
        if key not in self._folded:
            # Outside inference mode, or the memo could not take part in a later gradient.
            with torch.inference_mode(False), torch.no_grad():
                self._folded[key] = Folded.of(self.blocks[layer], self.head, centred)
        return self._folded[key]


@dataclass(frozen=True, eq=False)
class Folded:
    """From a block's heads into the space of texts, but for the 1/s: x ↦ x · `matrix` + `constant`.

    `matrix` (H·d, E) is in the model's dtype; `constant` (E,), in float32, is the output projection's bias
    and the inner LayerNorm's shift.
    """

    matrix: Tensor
    constant: Tensor

    @classmethod
    def of(cls, block: Block, head: Head, centred: bool) -> Folded:
        target = head.linear() if centred else head.scaled()  # (D, E)
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
        return cls(matrix.to(block.out.weight.dtype), constant)


@dataclass(eq=False)
class ContributionSum:
    """s · Σ_l ℒ_lin(η^l_t) with η^l_t = Σ_h A_{cls,t} V_t W + b/T, gathered while the tower runs.

    `layers` are the layers that count; `first` is the first token wanted (0 includes CLS). After the run,
    `total` is (B, T − first, E), float32. The output bias is spread evenly over all T tokens (API eq. 4).
    """

    tower: ClsTower
    layers: Collection[int]
    first: int
    centred: bool = True
    total: Tensor = field(default_factory=lambda: torch.zeros(()))

    def watch(self, layer: int) -> Attend | None:
        return partial(self.attend, layer) if layer in self.layers else None

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend as the model does, and add what this layer's values carry into the CLS token."""
        context = F.scaled_dot_product_attention(q, k, v)
        folded = self.tower.folded(layer, self.centred)
        weighted = weighted_values(attention_row(q[:, :, 0], k), v, self.first)
        part = (weighted @ folded.matrix).float()  # (B, T - first, E)
        inner_norm = self.tower.blocks[layer].inner_norm
        if inner_norm is not None:
            part = part / layer_norm_moments(context[:, :, 0].flatten(1), inner_norm)[1].unsqueeze(1)
        self.total = part.add_(self.total).add_(folded.constant / k.shape[2])
        return context


def weighted_values(attention: Tensor, v: Tensor, first: int = 0) -> Tensor:
    """A_{cls,t} V_t, heads side by side: (B, H, T), (B, H, T, d) -> (B, T − first, H·d), in v's dtype."""
    return merge_heads(attention[:, :, first:].to(v.dtype).unsqueeze(-1) * v[:, :, first:])
