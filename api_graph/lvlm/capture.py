"""Read rows of the decoder's attention while it runs at full speed (API eq. 8).

SDPA computes what the model needs. For the wanted layers softmax(q Kᵀ) is computed as well, for the newest queries
alone: a product of one row with the keys per head and step, instead of every T × T matrix of every layer. Where the
model is steered at the same time, the steered rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import get_args

import torch
from torch import Tensor, nn

from api_graph.errors import BadInput
from api_graph.lvlm.attention import Steerer, hooked
from api_graph.lvlm.attention_rows import AttentionCall, Columns, Normalization, weights_at
from api_graph.lvlm.decoder import checked_layer
from api_graph.lvlm.model import LvlmModel


class Capture:
    """What one run leaves behind: for each wanted layer, the newest queries' rows at the given columns."""

    def __init__(self, module: nn.Module, layers: Sequence[int], columns: Columns, normalize: Normalization, rows: int):
        self.layers = tuple(dict.fromkeys(checked_layer(module, layer) for layer in layers))
        self._columns, self._newest = columns, rows
        self._normalize: Normalization = normalize
        self._kept: dict[int, list[Tensor]] = {layer: [] for layer in self.layers}

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

    def reads(self, layer: int) -> bool:
        """Whether rows of this layer are wanted."""
        return layer in self._kept

    def keep(self, call: AttentionCall, weights: Tensor | None, steered: Steerer | None) -> None:
        """Keep the rows of a call's newest queries, as they are or as they are steered."""
        newest = min(self._newest, call.rows)
        if weights is not None:
            # The logarithm of a softmax is its scores, up to a constant for each row.
            scores = weights[:, :, -newest:].float().log()
        else:
            scores = _scores(call.part(call.rows - newest, call.rows), steered)
        self._columns = self._columns.to(scores.device)  # once, and not at every step
        self._kept[call.layer].append(weights_at(scores, self._columns, self._normalize, call.slid_out))


def _scores(call: AttentionCall, steered: Steerer | None) -> Tensor:
    """Scores (B, H, Q, K) of the call, steered in those rows that are."""
    start, stop = steered.span(call) if steered is not None else (0, 0)
    if steered is None or start == stop:
        return call.scores()
    scores = call.scores()
    part = call.part(start, stop)
    scores[:, :, start:stop, : part.keys] = steered.scores(part)
    return scores


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
    kept = Capture(model.module, layers, Columns.of(columns), normalize, rows)
    with hooked(model, reader=kept):
        yield kept
