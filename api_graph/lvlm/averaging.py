"""Which layers and heads of an LVLM a map is the mean of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from api_graph.errors import BadInput, inputs_named
from api_graph.lvlm.capture import Capture
from api_graph.lvlm.decoder import checked_layer
from api_graph.lvlm.heads.profile import HeadProfile
from api_graph.lvlm.model import LvlmModel
from api_graph.models.layers import Layers, layer_list

ReadHeads = Sequence[int] | Mapping[int, Sequence[int]] | HeadProfile
"""Heads to average: numbers, in each of the layers, or for each layer its own: a profile, or {layer: heads}."""


def layers_read(model: LvlmModel, layers: Layers | None, heads: ReadHeads | None) -> Sequence[int]:
    """The layers meant, in the order in which they are named. `capture` checks numbers that are given as such.

    Raises BadInput for none, for those that the model does not have, and for a profile of another model.
    """
    if isinstance(heads, HeadProfile):
        with inputs_named(profile="heads"):
            heads.check_model(model)
    if isinstance(layers, str) and layers.strip().lower() in ("", "auto"):
        layers = None
    if layers is not None and isinstance(heads, HeadProfile | Mapping):
        problem = "the heads that are chosen lie in layers of their own"
        raise BadInput(problem, input="layers", value=layers, hint="Leave it out, or give no profile of heads.")
    own = _heads_by_layer(heads)
    if own is not None:
        named = [checked_layer(model.module, layer) for layer in own]
        if len(set(named)) < len(named):
            raise BadInput("a layer is named twice", input="heads", value=named)
        return named
    if layers is None:
        return [model.default_layer]
    if isinstance(layers, str):
        return layer_list(layers, model.layers)
    several = layers if isinstance(layers, Sequence) else [layers]
    if not several:
        raise BadInput("name at least one layer", input="layers", value=layers)
    return several


def averaged(kept: Capture, heads: ReadHeads | None) -> Tensor:
    """The mean over heads and layers of what `layers_read` had captured: (B, M, N). Raises BadInput."""
    own = _heads_by_layer(heads)
    if own is not None:
        each = zip(kept.layers, own.values(), strict=True)
        return torch.cat([_rows_of(kept.rows(layer), chosen) for layer, chosen in each], dim=1).mean(dim=1)
    rows = torch.stack([kept.rows(layer) for layer in kept.layers])  # (layers, B, H, M, N)
    if heads is not None and not isinstance(heads, HeadProfile | Mapping):
        rows = torch.stack([_rows_of(one, heads) for one in rows])
    return rows.mean(dim=(0, 2))


def _heads_by_layer(heads: ReadHeads | None) -> Mapping[int, Sequence[int]] | None:
    """The layers that have a chosen head, with their heads; None where the heads are not chosen layer by layer."""
    given = heads.heads if isinstance(heads, HeadProfile) else heads
    if not isinstance(given, Mapping):
        return None
    found = {layer: own for layer, own in given.items() if own}
    if not found:
        raise BadInput("no head is chosen", input="heads", value=dict(given))
    return found


def _rows_of(rows: Tensor, heads: Sequence[int]) -> Tensor:
    """The rows (B, h, M, N) of some heads, of (B, H, M, N)."""
    known = range(-rows.shape[1], rows.shape[1])
    if not heads or any(head not in known for head in heads):
        raise BadInput(f"the heads are 0 to {rows.shape[1] - 1}", input="heads", value=heads)
    return rows[:, list(heads)]
