"""ℒ: the final LayerNorm and the projection into the space of images and texts, and its linear part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS = 8
"""Rows go through the projection in multiples of this, so that none depends on those that happen to go with it."""


@dataclass(frozen=True, eq=False)
class Head:
    """ℒ(x) = LN(x) W + b. `norm` is None where there is none (SigLIP).

    `stages` are the projection's own parameters, applied in turn: a matrix (D, E) or a Linear. All that is
    computed *from* them is float32.
    """

    norm: nn.LayerNorm | None
    stages: tuple[Tensor | nn.Linear, ...]
    width: int

    def __call__(self, x: Tensor) -> Tensor:
        """ℒ as the model computes it: (..., D) -> (..., E)."""
        x = x if self.norm is None else self.norm(x)
        count = len(x)
        if x.dim() == 2:  # of few rows, how many there are would decide in which order a product is summed
            x = functional.pad(x, (0, 0, 0, -count % _ROWS))
        for stage in self.stages:
            x = stage(x) if isinstance(stage, nn.Linear) else x @ stage
        return x[:count]

    def projection(self) -> Tensor:
        """W (D, E)."""
        matrices = [stage.weight.T if isinstance(stage, nn.Linear) else stage for stage in self.stages]
        if not matrices:
            return torch.eye(self.width, device=None if self.norm is None else self.norm.weight.device)
        return reduce(torch.matmul, [matrix.float() for matrix in matrices])

    def scaled(self) -> Tensor:
        """diag(γ) W (D, E): ℒ's linear part without the centring and without the division by the standard
        deviation.
        """
        projection = self.projection()
        return projection if self.norm is None else self.norm.weight.float().unsqueeze(-1) * projection

    def linear(self) -> Tensor:
        """M (D, E) with ℒ_lin(x) = x M / s: the centring x − mean(x) is a matrix too, so it is folded in."""
        scaled = self.scaled()
        return scaled if self.norm is None else scaled - scaled.mean(0, keepdim=True)

    def constant(self) -> Tensor:
        """β W + b (E,): what ℒ adds whatever its input."""
        x = self.projection().new_zeros(self.width) if self.norm is None else self.norm.bias.float()
        for stage in self.stages:
            if isinstance(stage, nn.Linear):
                bias = None if stage.bias is None else stage.bias.float()
                x = nn.functional.linear(x, stage.weight.float(), bias)
            else:
                x = x @ stage.float()
        return x

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """µ and s = √(var + ε) (B, 1) of the final pooled token z (B, D): there the LayerNorm is frozen."""
        if self.norm is None:
            return torch.zeros_like(z[:, :1], dtype=torch.float32), torch.ones_like(z[:, :1], dtype=torch.float32)
        return layer_norm_moments(z, self.norm)


def layer_norm_moments(z: Tensor, norm: nn.LayerNorm) -> tuple[Tensor, Tensor]:
    """Mean and √(var + ε) of z (..., D) as `norm` computes them: (..., 1) each, float32."""
    variance, mean = torch.var_mean(z.float(), dim=-1, correction=0, keepdim=True)
    return mean, (variance + norm.eps).sqrt()
