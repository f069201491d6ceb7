"""The steered rows of a layer's attention: a bias on the scores of image tokens, or their weights given away."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.lvlm.attention_rows import AttentionCall, Columns
from api_graph.lvlm.steer.steering import Mode, Rows

_MOST_SCORES = 2**22
"""Scores that are formed at once: long prompts whose every row is steered are done a few rows at a time."""

_TEMPERING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "proportional": lambda scores, change: scores + change * scores.abs(),
    "scale": lambda scores, change: scores + change * scores,
}


@dataclass(frozen=True, eq=False)
class Plan:
    """One generation's steering: prompts of `length` (padded) tokens, all steered in one way.

    `columns` are the image tokens (B, N), and `weights` (T, B, N) their weights for each of T targets; NaN for tokens
    that are not steered at all. `starts` are the tokens of the answer from which the targets count. `where` has the
    heads of each steered layer, None for all.
    """

    mode: Mode
    amount: float
    where: Mapping[int, Sequence[int] | None]
    rows: Rows
    columns: Columns
    weights: Tensor
    starts: Sequence[int]
    length: int

    @property
    def steered(self) -> Tensor:
        """Which image tokens are steered by any target, (B, N) bool."""
        return ~self.weights.isnan().all(0)

    def at_positions(self, values: Tensor) -> Tensor:
        """`values` (T, B, N) at the image tokens as (T, B, S) at the positions of the padded prompt; 0 elsewhere."""
        places = self.columns.index.expand_as(values)
        return torch.zeros(*values.shape[:2], self.length).scatter_add(2, places, values)


class Bias:
    """What `lvlm.attention` asks for the rows of one generation, as `plan` has them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._heads: dict[int, Tensor] = {}
        any_steered = plan.columns.valid & plan.steered.any(-1, keepdim=True)
        self._after = torch.where(any_steered, plan.columns.index, -1).amax(-1) + 1  # (B,), 0 where nothing is steered
        self._change = plan.at_positions(_changes(plan.mode, plan.amount, plan.weights))  # (T, B, S)
        self._grown: Tensor | None = None
        self._row: tuple[Hashable, Tensor] | None = None

    @property
    def does_nothing(self) -> bool:
        """Whether the model would give what it gives without."""
        return not bool(self._change.any())

    def span(self, call: AttentionCall) -> tuple[int, int]:
        """First and last + 1 of the call's queries that are steered; two equal numbers for none."""
        if call.layer not in self._plan.where:
            return 0, 0
        length, rows = self._plan.length, self._plan.rows
        newest = length - 1
        starts = {
            "last": newest,
            "first": newest,
            "decode": length,
            "after_image": min((after for after in self._after.tolist() if after), default=length),
            "all": 0,
        }
        end = length if rows == "first" else call.first + call.rows
        start = min(max(starts[rows] - call.first, 0), call.rows)
        return start, max(min(end - call.first, call.rows), start)

    def scores(self, call: AttentionCall) -> Tensor:
        """Steered scores float32 (B, H, Q, K)."""
        scores, change = call.scores(), self._change_of(call)
        tempered = _TEMPERING.get(self._plan.mode)
        if tempered is not None:
            return torch.where(scores.isinf(), scores, tempered(scores, change))
        return scores + change

    def attend(self, call: AttentionCall) -> Tensor:
        """The layer's output for a call whose queries are all steered, (B, Q, H, d)."""
        batch, heads = call.query.shape[:2]
        step = max(1, _MOST_SCORES // (batch * heads * call.keys))
        parts = [call.part(start, min(start + step, call.rows)) for start in range(0, call.rows, step)]
        return torch.cat([self._attend(part) for part in parts], dim=1) if len(parts) > 1 else self._attend(parts[0])

    def _attend(self, call: AttentionCall) -> Tensor:
        if self._plan.mode in ("boost", "suppress", "boost_suppress") and call.cap is None:
            return _biased(call, self._bias_of(call))
        return call.output(self.scores(call).softmax(-1).nan_to_num(0.0))  # NaN in rows of padding

    def _bias_of(self, call: AttentionCall) -> Tensor:
        """What is added to the scores, with the call's own mask. Layers that are steered alike share one row's."""
        if call.mask is not None or call.rows > 1:
            return _additive(call, self._change_of(call))
        heads = self._plan.where[call.layer]
        own = None if heads is None else tuple(heads)
        key = call.first, call.keys, call.slid_out, call.query.dtype, call.key.device, own
        if self._row is None or self._row[0] != key:
            self._row = key, _additive(call, self._change_of(call))
        return self._row[1]

    def _change_of(self, call: AttentionCall) -> Tensor:
        """What changes each score, (B, 1 or H, 1 or Q, K)."""
        queries = range(call.first, call.first + call.rows)
        targets = [self._target(query) for query in queries]
        line = self._line(call)  # (T, B, K)
        change = (
            line[targets[0]][:, None] if len(set(targets)) == 1 else line[targets].transpose(0, 1)
        )  # (B, 1 or Q, K)
        if self._plan.rows == "after_image" and call.first < int(self._after.max()):
            late = torch.tensor(list(queries), device=change.device) >= self._after.to(change.device)[:, None]  # (B, Q)
            change = torch.where(late[:, :, None], change, 0.0)
        heads = self._plan.where[call.layer]
        if heads is None:
            return change[:, None]
        return torch.where(self._chosen(call, heads), change[:, None], 0.0)

    def _target(self, query: int) -> int:
        """The number of the target that counts for the query at this position."""
        step = query - (self._plan.length - 1)
        return max(bisect_right(self._plan.starts, step) - 1, 0)

    def _line(self, call: AttentionCall) -> Tensor:
        """The change at each of the call's keys, (T, B, K); 0 for those of the answer."""
        ends = call.slid_out + call.keys
        if self._grown is None or self._grown.shape[-1] < ends or self._grown.device != call.key.device:
            room = max(ends, self._plan.length) + 128
            self._grown = F.pad(self._change, (0, room - self._plan.length)).to(call.key.device)
        return self._grown[..., call.slid_out : ends]

    def _chosen(self, call: AttentionCall, heads: Sequence[int]) -> Tensor:
        """Which heads of the call's layer are steered, (H, 1, 1) bool."""
        if call.layer not in self._heads:
            chosen = torch.zeros(call.query.shape[1], 1, 1, dtype=torch.bool)
            chosen[list(heads)] = True
            self._heads[call.layer] = chosen.to(call.key.device)
        return self._heads[call.layer]


def _changes(mode: Mode, amount: float, weights: Tensor) -> Tensor:
    """The change of each token's score, or the factor of its change (`_TEMPERING`): 0 where nothing is steered."""
    shares = {
        "boost": weights,
        "suppress": weights - 1,
        "boost_suppress": 2 * weights - 1,
        "proportional": weights,
        "scale": weights,
        "redistribute": weights,
    }[mode].nan_to_num(0.0)
    if math.isinf(amount):
        return torch.where(shares == 0, 0.0, shares.sign() * amount)
    return shares * {"scale": amount - 1, "redistribute": 1.0}.get(mode, amount)


def _biased(call: AttentionCall, bias: Tensor) -> Tensor:
    """SDPA with a bias (B, 1 or H, 1 or Q, K) on the scores: (B, Q, H, d). Heads that share a key are rows of one."""
    batch, heads, rows, width = call.query.shape
    kv_heads = call.key.shape[1]
    if kv_heads < heads:
        bias = bias.expand(-1, -1, rows, -1)
        if bias.shape[1] > 1:
            bias = bias.reshape(batch, kv_heads, -1, call.keys)
        elif rows > 1:
            bias = bias.repeat(1, 1, heads // kv_heads, 1)
    query = call.query.reshape(batch, kv_heads, heads // kv_heads * rows, width)
    output = F.scaled_dot_product_attention(query, call.key, call.value, attn_mask=bias, scale=call.scaling)
    return output.reshape(batch, heads, rows, -1).transpose(1, 2)


def _additive(call: AttentionCall, change: Tensor) -> Tensor:
    """The change and the call's own mask as one additive mask in the query's dtype."""
    lowest = torch.finfo(call.query.dtype).min
    mask = call.mask
    if mask is None and call.causal and call.rows > 1:
        mask = torch.ones(call.rows, call.keys, dtype=torch.bool, device=call.key.device).tril(call.keys - call.rows)
        mask = mask[None, None]
    if mask is not None:
        mask = mask[..., -call.rows :, : call.keys]
        hidden = mask.logical_not() if mask.dtype == torch.bool else mask <= torch.finfo(mask.dtype).min / 2
        change = change if mask.dtype == torch.bool else change + mask.float()
        change = change.masked_fill(hidden, lowest)
    return change.clamp(min=lowest, max=-lowest).to(call.query.dtype)
