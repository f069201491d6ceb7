"""Unleash: the heads that react to a visual prompt, made to react more (FALIP).

    MSA_cls = b_O + Σ_h [G'_h + λ_h (G'_h − G_h)]

G_h is what head h adds to the CLS token without the prompt and G'_h with it; λ = 1 for all heads is the paper's
Unleash, λ = 0 the plain prompt. Both are W_O^h times what the head gathered, so the sum is taken before W_O.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from api_graph.clip.foveal_pass import Pass, Recorder, head_shape, output_projection
from api_graph.clip.pooling import PooledTower
from api_graph.clip.vision import ClsTower
from api_graph.errors import BadInput

Order = Literal["sequential", "parallel"]
Gains = float | Sequence[float] | Sequence[Sequence[float]] | Tensor
"""λ: one number, one per head (H,), or one per layer and head (layers, H), the layers in ascending order."""


@dataclass(frozen=True, eq=False)
class Unleash:
    """`gains`: λ of each layer that is unleashed, (H·d,), each head's repeated for all that it gathers.

    `order`: `sequential` takes G' from the stream that the layers before have already amplified, `parallel` from a
    pass of its own in which nothing is amplified.
    """

    gains: dict[int, Tensor]
    order: Order = "sequential"

    @classmethod
    def of(
        cls,
        unleash: Gains,
        layers: Collection[int],
        tower: ClsTower | PooledTower,
        only: Sequence[int] | None = None,
        order: Order = "sequential",
    ) -> Unleash | None:
        """For these layers of a tower, and `only` these heads; None where every λ is zero. Raises BadInput."""
        if order not in get_args(Order):
            raise BadInput("unknown order", input="order", value=order, hint="Use sequential or parallel.")
        heads, size = head_shape(tower)
        gains = gains_of(unleash, layers, heads, only)  # (layers, H)
        if not bool(gains.any()):
            return None
        weight = output_projection(tower, 0).weight
        wide = gains.repeat_interleave(size, dim=1).to(device=weight.device, dtype=weight.dtype)  # (layers, H·d)
        return cls(dict(zip(sorted(layers), wide, strict=True)), order)

    def token(self, way: Pass, entered: Any, owner: Tensor, bias: Tensor | None, clean: CleanHeads) -> Tensor:
        """The token (B, D) of prompted images; `clean` is what the heads gather without the prompt."""
        amplified = Amplified(self.gains, clean, owner)
        if self.order == "sequential":
            return way.token(entered, owner, bias, amplified)
        plain = Recorder()
        way.token(entered, owner, bias, plain)
        loud = {layer: amplified(layer, heads) for layer, heads in plain.seen.items() if layer in self.gains}
        return way.token(entered, owner, bias, Fixed(loud))


@dataclass(frozen=True, eq=False)
class CleanHeads:
    """What each layer's heads gather for the CLS token of the clean images: `seen` (n, H·d), or (1, H·d) for all."""

    seen: dict[int, Tensor]

    @classmethod
    def of(cls, way: Pass, entered: Any, images: int, device: torch.device) -> CleanHeads:
        recorder = Recorder()
        way.token(entered, torch.arange(images, device=device), None, recorder)
        return cls(recorder.seen)

    def of_prompts(self, layer: int, owner: Tensor) -> Tensor:
        """(B, H·d), or (1, H·d) where one clean image serves all prompts."""
        heads = self.seen[layer]
        return heads if len(heads) == 1 else heads[owner]


@dataclass(frozen=True, eq=False)
class Amplified:
    """g' + λ (g' − g) for what the CLS token's heads gathered, at the layers that have a λ."""

    gains: dict[int, Tensor]
    clean: CleanHeads
    owner: Tensor

    def __call__(self, layer: int, heads: Tensor) -> Tensor:
        if layer not in self.gains:
            return heads
        reaction = heads - self.clean.of_prompts(layer, self.owner)
        return heads + self.gains[layer] * reaction


@dataclass(frozen=True, eq=False)
class Fixed:
    """What was worked out beforehand, in the place of what the heads gathered."""

    heads: dict[int, Tensor]

    def __call__(self, layer: int, heads: Tensor) -> Tensor:
        return self.heads.get(layer, heads)


def gains_of(unleash: Gains, layers: Collection[int], heads: int, only: Sequence[int] | None = None) -> Tensor:
    """λ as (layers, H), float32, zero for the heads that are not in `only`.

    Raises BadInput for another shape, a number that is not finite, and a head that the model does not have.
    """
    try:
        gains = torch.as_tensor(unleash, dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise BadInput("it is not numbers", input="unleash", value=unleash, hint=_HINT) from error
    if tuple(gains.shape) not in {(), (heads,), (len(layers), heads)}:
        raise BadInput(
            f"gains of {len(layers)} layers with {heads} heads do not come in the shape {tuple(gains.shape)}",
            input="unleash",
            hint=_HINT,
        )
    if not bool(gains.isfinite().all()):
        raise BadInput("a gain is not finite", input="unleash", value=unleash, hint=_HINT)
    gains = gains.expand(len(layers), heads)
    return gains if only is None else gains * _chosen(only, heads).to(gains.device)


def _chosen(only: Sequence[int], heads: int) -> Tensor:
    """1 for the heads in `only`, else 0: (H,)."""
    for head in only:
        if not -heads <= head < heads:
            hint = f"Use 0 to {heads - 1}, or negative numbers to count from the end."
            raise BadInput(f"the model has {heads} heads a layer", input="heads", value=head, hint=hint)
    chosen = torch.zeros(heads)
    chosen[list(only)] = 1.0
    return chosen


_HINT = "Give one number, one for each head, or one for each layer and head."
