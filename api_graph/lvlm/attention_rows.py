"""Rows of the attention matrix at chosen columns, from queries and keys as an attention function is given them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


def masked_scores(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, *, causal: bool) -> Tensor:
    """q Kᵀ · `scaling` in float32, (B, H, R, K), with −inf where a query may not look.

    `query` (B, H, R, d) are the newest queries, `key` (B, H', K, d) all keys: H / H' heads share one. `mask` is None,
    or (B or 1, H or 1, ≥ R, ≥ K): boolean (True may look) or additive. Without a mask, `causal` queries look at no
    later key.
    """
    batch, heads, rows, width = query.shape
    kv_heads, keys = key.shape[1:3]
    grouped = query.float().reshape(batch, kv_heads, heads // kv_heads * rows, width)  # (B, H', H/H' · R, d)
    scores = (grouped @ key.float().mT).reshape(batch, heads, rows, keys) * scaling
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
