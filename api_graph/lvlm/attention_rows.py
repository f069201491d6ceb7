"""Rows of the attention matrix at chosen columns, from queries and keys as an attention function is given them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Normalization = Literal["full", "image_only"]


@dataclass(frozen=True, eq=False)
class Columns:
    """Which keys of each prompt are wanted: `index` (B, N) int64; `valid` (B, N) is False where a prompt has fewer."""

    index: Tensor
    valid: Tensor

    @classmethod
    def of(cls, columns: Sequence[Tensor]) -> Columns:
        """From the positions (N,) of each prompt; shorter lists are filled up."""
        index = torch.nn.utils.rnn.pad_sequence(list(columns), batch_first=True, padding_value=-1)
        return cls(index.clamp(min=0), index >= 0)

    def to(self, device: torch.device) -> Columns:
        return Columns(self.index.to(device), self.valid.to(device))


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """What one layer's attention is called with: `query` (B, H, Q, d), `key` and `value` (B, H', K, d).

    `mask` and `causal` are those of `masked_scores`, `scaling` is the factor of q Kᵀ, and `cap` bounds the scores by a
    tanh (Gemma 2). `first` is the position in the padded sequence of the first query, and `slid_out` says how many of
    the oldest keys a sliding window's cache has dropped.
    """

    layer: int
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    scaling: float
    causal: bool
    cap: float | None
    first: int
    slid_out: int

    @property
    def rows(self) -> int:
        """How many queries there are."""
        return self.query.shape[2]

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return self.key.shape[2]

    def part(self, start: int, stop: int) -> AttentionCall:
        """The call of the queries `start` to `stop` alone, without keys that only their order hides from them."""
        query, later = self.query[:, :, start:stop], self.rows - stop
        first = self.first + start
        if self.mask is not None:
            own = self.mask[..., -self.rows :, : self.keys][..., start:stop, :]
            return replace(self, query=query, mask=own, first=first)
        if not self.causal:
            return replace(self, query=query, first=first)
        seen = self.keys - later
        return replace(self, query=query, key=self.key[:, :, :seen], value=self.value[:, :, :seen], first=first)

    def scores(self) -> Tensor:
        """float32 (B, H, Q, K), as of `masked_scores`."""
        return masked_scores(self.query, self.key, self.mask, self.scaling, causal=self.causal, cap=self.cap)

    def output(self, weights: Tensor) -> Tensor:
        """What the layer gives under these weights (B, H, Q, K): (B, Q, H, d), in the values' dtype."""
        batch, heads, rows, keys = weights.shape
        kv_heads = self.value.shape[1]
        grouped = weights.reshape(batch, kv_heads, heads // kv_heads * rows, keys)  # (B, H', H/H' · Q, K)
        mixed = (grouped @ self.value.float()).reshape(batch, heads, rows, -1)
        return mixed.to(self.value.dtype).transpose(1, 2)


def masked_scores(
    query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, *, causal: bool, cap: float | None = None
) -> Tensor:
    """q Kᵀ · `scaling` in float32, (B, H, R, K), with −inf where a query may not look.

    `query` (B, H, R, d) are the newest queries, `key` (B, H', K, d) all keys: H / H' heads share one. `mask` is None,
    or (B or 1, H or 1, ≥ R, ≥ K): boolean (True may look) or additive. Without a mask, `causal` queries look at no
    later key. `cap` bounds the scores by a tanh.
    """
    batch, heads, rows, width = query.shape
    kv_heads, keys = key.shape[1:3]
    grouped = query.float().reshape(batch, kv_heads, heads // kv_heads * rows, width)  # (B, H', H/H' · R, d)
    scores = (grouped @ key.float().mT).reshape(batch, heads, rows, keys) * scaling
    if cap is not None:
        scores = (scores / cap).tanh() * cap
    if mask is None:
        if not causal or rows == 1:
            return scores
        allowed = torch.ones(rows, keys, dtype=torch.bool, device=key.device).tril(keys - rows)
        return scores.masked_fill(allowed.logical_not(), float("-inf"))
    mask = mask[..., -rows:, :keys]  # (B or 1, H or 1, R, K)
    if mask.dtype == torch.bool:
        return scores.masked_fill(mask.logical_not(), float("-inf"))
    # Additive masks write "never" as the lowest number of their type.
    return (scores + mask.float()).masked_fill(mask <= torch.finfo(mask.dtype).min / 2, float("-inf"))


def weights_at(scores: Tensor, columns: Columns, normalize: Normalization, slid_out: int = 0) -> Tensor:
    """Softmax of `scores` (B, H, R, K) at the columns: (B, H, R, N).

    The softmax is over all keys for "full" (API eq. 8), and over the columns alone for "image_only" (the official
    code). The cache has dropped the first `slid_out` keys. A column among them has weight 0, and so has a column that
    is masked or only fills up.
    """
    columns = columns.to(scores.device)
    index = columns.index - slid_out  # (B, N)
    present = (columns.valid & (index >= 0))[:, None, None, :]
    where = index.clamp(min=0)[:, None, None, :].expand(*scores.shape[:3], -1)
    if normalize == "full":
        return scores.softmax(-1).gather(-1, where) * present
    chosen = scores.gather(-1, where).masked_fill(~present, float("-inf"))
    return chosen.softmax(-1).nan_to_num(0.0)  # NaN where no column at all is in sight
