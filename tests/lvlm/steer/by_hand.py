"""Steered attention as one would write it down: all scores of all heads, changed, a softmax, and the values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from api_graph.lvlm import LvlmModel
from api_graph.lvlm.decoder import attention_modules, decoder_of
from api_graph.lvlm.layout import TokenLayout, token_layouts
from api_graph.lvlm.prompt import Prompt

Rule = Callable[[Tensor, Tensor], Tensor]
"""Scores (B, H, Q, K) and the weights of the keys (B, 1, 1, K), NaN where no image token is: new scores."""

RULES: dict[str, Callable[[float], Rule]] = {
    "boost": lambda b: lambda s, w: s + b * w,
    "suppress": lambda b: lambda s, w: s - b * (1 - w),
    "boost_suppress": lambda b: lambda s, w: s + b * w - b * (1 - w),
    "proportional": lambda b: lambda s, w: s + b * w * s.abs(),
    "scale": lambda b: lambda s, w: s * (w * b + (1 - w)),
}

_numbers = itertools.count()


def layouts_of(model: LvlmModel, prompt: Prompt) -> list[list[TokenLayout]]:
    return token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)


class ByHand:
    """`rows[layer]`: the newest query's weights (B, H, K) of each forward."""

    def __init__(self, model: LvlmModel) -> None:
        self.layer_of = {module: layer for layer, module in attention_modules(model.module).items()}
        self.seen = dict.fromkeys(self.layer_of.values(), 0)
        self.rows: dict[int, list[Tensor]] = {layer: [] for layer in self.seen}

    def at(self, layer: int, columns: Sequence[Tensor], length: int) -> Tensor:
        """(B, H, M, N) at the columns, 0 where a sliding window has dropped them."""
        steps = self.rows[layer]
        found = torch.zeros(len(columns), steps[0].shape[1], len(steps), max(map(len, columns)))
        for m, newest in enumerate(steps):
            gone = max(length + m - newest.shape[-1], 0)
            for i, wanted in enumerate(columns):
                for n, column in enumerate(wanted.tolist()):
                    found[i, :, m, n] = newest[i, :, column - gone] if column >= gone else 0.0
        return found


@contextmanager
def by_hand(
    model: LvlmModel,
    columns: Sequence[Tensor],
    weights: Sequence[Tensor],
    rule: Rule,
    length: int,
    *,
    steered: Callable[[int, int], bool] = lambda prompt, query: True,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> Iterator[ByHand]:
    """Inside, the model attends as it would in eager mode, with `rule` in the queries that are `steered`.

    `columns` and `weights` are those of each prompt's image tokens; `steered` is asked with the prompt's number and the
    query's position in the padded sequence.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    kept, decoder = ByHand(model), decoder_of(model.module)
    name = f"by_hand_{next(_numbers)}"

    def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **settings: Any) -> Any:
        layer = kept.layer_of[module]
        batch, all_heads, queries, width = query.shape
        keys = key.shape[2]
        key, value = (one.repeat_interleave(all_heads // one.shape[1], dim=1) for one in (key, value))
        scores = query @ key.mT * (settings.get("scaling") or width**-0.5)
        if settings.get("softcap"):
            scores = torch.tanh(scores / settings["softcap"]) * settings["softcap"]
        if mask is None:
            mask = torch.full((queries, keys), float("-inf")).triu(keys - queries + 1)
        first, kept.seen[layer] = kept.seen[layer], kept.seen[layer] + queries
        gone = max(first + queries - keys, 0)
        at_keys = torch.full((batch, gone + keys), float("nan"))
        for i, (own, weight) in enumerate(zip(columns, weights, strict=True)):
            at_keys[i, own] = weight
        at_keys = at_keys[:, None, None, gone:]
        changed = torch.where(at_keys.isnan(), scores, rule(scores, at_keys))
        chosen = torch.zeros(batch, all_heads, queries, 1, dtype=torch.bool)
        for i in range(batch):
            for q in range(queries):
                if steered(i, first + q) and (layers is None or layer in layers):
                    chosen[i, range(all_heads) if heads is None else list(heads), q] = True
        scores = torch.where(chosen, changed, scores) + mask[..., :keys]
        weights_now = scores.softmax(-1)
        kept.rows[layer].append(weights_now[:, :, -1].detach())
        return (weights_now @ value).transpose(1, 2), weights_now

    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, AttentionMaskInterface()["eager"])
    before = decoder.config._attn_implementation
    try:
        decoder.set_attn_implementation(name)
        yield kept
    finally:
        decoder.set_attn_implementation(before)
        AttentionInterface._global_mapping.pop(name)
        AttentionMaskInterface._global_mapping.pop(name)
