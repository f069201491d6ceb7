"""Read rows of the decoder's attention while it runs at full speed (API eq. 8).

SDPA computes what the model needs. For the wanted layers softmax(q Kᵀ) is computed as well, for the newest queries
alone: a product of one row with the keys per head and step, instead of every T × T matrix of every layer.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import get_args

import torch
from torch import Tensor, nn

from api_graph.errors import BadInput
from api_graph.lvlm import library
from api_graph.lvlm.attention_rows import Columns, Normalization, masked_scores, weights_at
from api_graph.lvlm.decoder import attention_modules, caps_scores, checked_layer, decoder_of
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.protocols import AttentionFunction

_numbers = itertools.count()


class Capture:
    """What one run leaves behind: for each wanted layer, the newest queries' rows at the given columns."""

    def __init__(self, module: nn.Module, layers: Sequence[int], columns: Columns, normalize: Normalization, rows: int):
        attention = attention_modules(module)
        self.layers = tuple(dict.fromkeys(layers))
        self._layer_of = {attention[layer]: layer for layer in self.layers}
        self._columns, self._newest = columns, rows
        self._normalize: Normalization = normalize
        self._thread = threading.get_ident()
        self._seen = dict.fromkeys(layers, 0)
        self._kept: dict[int, list[Tensor]] = {layer: [] for layer in layers}

    def rows(self, layer: int) -> Tensor:
        """float32 (B, H, M, N) on the CPU: M rows so far, in the order of the queries; N is the widest prompt's.

        Raises BadInput where nothing was read, because the model does not use transformers' attention.
        """
        if not self._kept[layer]:
            raise BadInput(
                "this model's attention cannot be read: it does not go through transformers' AttentionInterface",
                input="model",
                hint="Use a family that transformers itself implements, in its newest release.",
            )
        return torch.cat(self._kept[layer], dim=2).cpu()

    def layer_of(self, module: nn.Module) -> int | None:
        """The wanted layer whose attention `module` is; None for other layers, and in other threads."""
        return self._layer_of.get(module) if threading.get_ident() == self._thread else None

    def keep_scores(
        self, layer: int, query: Tensor, key: Tensor, mask: Tensor | None, scale: float, causal: bool
    ) -> None:
        """Keep the rows of the newest queries; shapes and mask are those of `masked_scores`."""
        newest = query[:, :, -self._newest :]
        self._keep(layer, masked_scores(newest, key, mask, scale, causal=causal), queries=query.shape[2])

    def keep_weights(self, layer: int, weights: Tensor) -> None:
        """Keep the same rows of weights (B, H, Q, K) that eager attention has formed anyway."""
        # The logarithm of a softmax is its scores, up to a constant for each row.
        self._keep(layer, weights[:, :, -self._newest :].float().log(), queries=weights.shape[2])

    def _keep(self, layer: int, scores: Tensor, queries: int) -> None:
        self._seen[layer] += queries
        slid_out = max(0, self._seen[layer] - scores.shape[-1])  # a sliding window's cache drops its oldest keys
        self._kept[layer].append(weights_at(scores, self._columns, self._normalize, slid_out))


@contextmanager
def capture(
    model: LvlmModel,
    layers: Sequence[int],
    columns: Sequence[Tensor],
    *,
    normalize: Normalization = "full",
    rows: int = 1,
) -> Iterator[Capture]:
    """Inside, whatever this thread runs through `model` leaves attention rows in the Capture that is handed over.

    `layers`: of the decoder, from 0; negative ones count from the end. `columns`: for each prompt of the batch, the
    positions (N,) of its image tokens in the padded prompt. `rows`: how many of each forward's newest queries to keep:
    1 while generating, M for a teacher-forced answer. `normalize`: "full", weights of the full softmax (eq. 8), or
    "image_only", a softmax over those columns alone (the official code).

    Only the language model's attention is replaced, and it is put back on leaving, whatever happened. Other threads
    wait: there is one lock per network. Raises BadInput for a layer that does not exist or has no attention.
    """
    if normalize not in get_args(Normalization):
        raise BadInput("unknown normalisation", input="normalize", value=normalize, hint="Use full or image_only.")
    with model.lock:
        module = model.module
        kept = Capture(module, [checked_layer(module, layer) for layer in layers], Columns.of(columns), normalize, rows)
        decoder = decoder_of(module)
        before = decoder.config._attn_implementation
        like = "eager" if before == "eager" or caps_scores(model.module) else "sdpa"
        name = f"api_graph_capture_{next(_numbers)}"
        library.register_attention(name, _eager(kept) if like == "eager" else _sdpa(kept), like)
        try:
            decoder.set_attn_implementation(name)
            yield kept
        finally:
            decoder.set_attn_implementation(before)
            library.unregister_attention(name)


def _sdpa(kept: Capture) -> AttentionFunction:
    attention = library.sdpa_attention()

    def attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        scaling: float | None = None,
        is_causal: bool | None = None,
        **settings: object,
    ) -> tuple[Tensor, Tensor | None]:
        layer = kept.layer_of(module)
        if layer is not None:
            scale = query.shape[-1] ** -0.5 if scaling is None else scaling
            causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
            kept.keep_scores(layer, query, key, mask, scale, causal)
        return attention(module, query, key, value, mask, scaling=scaling, is_causal=is_causal, **settings)

    return attend


def _eager(kept: Capture) -> AttentionFunction:
    """For models that SDPA cannot run, such as those that cap their scores: their own eager attention."""

    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **settings: object
    ) -> tuple[Tensor, Tensor | None]:
        own: AttentionFunction = sys.modules[type(module).__module__].eager_attention_forward
        output, weights = own(module, query, key, value, mask, **settings)
        layer = kept.layer_of(module)
        if layer is not None and weights is not None:
            kept.keep_weights(layer, weights)
        return output, weights

    return attend
