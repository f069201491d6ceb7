"""TAM, token activation maps (Li et al., ICCV 2025): Ψ from what a model could say at each image token, not from its
attention.

The language model's head gives every image token's final state a score for the token that is said: where it is high,
the model sees there what it says. What earlier words explain just as well is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from api_graph.errors import BadInput
from api_graph.lvlm.decoder import decoder_of
from api_graph.lvlm.layout import TokenLayout
from api_graph.lvlm.model import LvlmModel

_SIDE = 3
"""Of the filter's window, in image tokens."""


@contextmanager
def final_states(model: LvlmModel) -> Iterator[list[Tensor]]:
    """Inside, each forward of the language model adds its final states (B, S, d), on the CPU, to the list."""
    states: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Any) -> None:
        states.append(output[0].detach().float().cpu())

    with model.lock:
        decoder: Any = decoder_of(model.module)
        hook = decoder.register_forward_hook(keep)
        try:
            yield states
        finally:
            hook.remove()


def activation_rows(
    model: LvlmModel, states: Tensor, prompt: Tensor, mask: Tensor, answer: Sequence[int], layout: TokenLayout
) -> Tensor:
    """A row for each token of an answer: how much each image token supports it, (M, N) in [0, 1].

    `states` (S + M − 1, d) are the final states of the prompt and of the answer but its last token, `prompt` (S,) the
    prompt's ids and `mask` (S,) its attention mask. Columns are those of `layout`. "Other text" are the tokens of the
    prompt after its image and of the answer so far, but for those that are the same text as the token itself.
    """
    columns, length = layout.columns, len(prompt)
    after = torch.arange(length) > int(columns.max())
    text = (after & mask.bool() & (prompt != model.config.image_token_id)).nonzero().flatten()
    said = torch.tensor(list(answer))
    context = torch.cat([prompt[text], said[:-1]])  # (C,)
    positions = torch.cat([text, torch.arange(length, length + len(answer) - 1)])
    head = _head(model)
    seen = states[columns]  # (N, d)
    support = (seen @ head(said).mT).clamp(min=0)  # (N, M)
    others = (seen @ head(context).mT).clamp(min=0)  # (N, C)
    text_support = (states[positions] @ head(said).mT).clamp(min=0)  # (C, M)
    # Token m has all of the prompt and the m tokens before it.
    earlier = positions[:, None] < length + torch.arange(len(answer))  # (C, M)
    same = _same_text(model, context, said)
    maps = without_interference(support, others, text_support * (earlier & ~same))
    scaled = scaled_jointly(maps, text_support, earlier)
    return _filtered(scaled.mT, layout)


def without_interference(support: Tensor, others: Tensor, weights: Tensor) -> Tensor:
    """relu(A − s·I) for each token, (N, M), where I = Σ_i w_i A_i and s is the least squares' of A on I.

    `support` A (N, M), `others` A_i (N, C), `weights` w (C, M), not negative; their sum over C becomes 1 (or stays 0).
    """
    total = weights.sum(0, keepdim=True)
    interference = others @ (weights / total.masked_fill(total <= 0, 1.0))  # (N, M)
    power = interference.square().sum(0)
    scale = (support * interference).sum(0) / power.masked_fill(power <= 0, 1.0)  # (M,)
    return (support - scale * interference).clamp(min=0)


def scaled_jointly(maps: Tensor, text: Tensor, earlier: Tensor) -> Tensor:
    """Min-max of each token's map (N, M), together with how much the text before it, (C, M), supports it.

    So a token that its text explains better than the image has a faint map. `earlier` (C, M) says which text counts.
    """
    low = torch.minimum(maps.amin(0), text.masked_fill(~earlier, float("inf")).amin(0)) if len(text) else maps.amin(0)
    high = torch.maximum(maps.amax(0), (text * earlier).amax(0)) if len(text) else maps.amax(0)
    spread = high - low
    return (maps - low) / spread.masked_fill(spread <= 0, 1.0)


def rank_gaussian(maps: Tensor) -> Tensor:
    """Each value of (M, gh, gw) becomes a mean of its 3 × 3 neighbours, weighed by their rank around the median.

    The weights are exp(−r² / 2σ²) for the rank r from the median, σ the window's standard deviation over its mean: calm
    windows keep their median, which a single outlier does not move. Beyond an edge the map is mirrored.
    """
    pad = _SIDE // 2
    mirrored = min(maps.shape[1:]) > pad
    padded = F.pad(maps[:, None], [pad] * 4, mode="reflect" if mirrored else "replicate")
    window = F.unfold(padded, _SIDE).sort(1).values  # (M, 9, gh·gw)
    mean = window.mean(1, keepdim=True)
    sigma = window.std(1, keepdim=True, correction=0) / mean.masked_fill(mean <= 0, 1.0)
    rank = torch.arange(_SIDE**2, dtype=maps.dtype, device=maps.device)[:, None] - _SIDE**2 // 2  # (9, 1)
    weights = torch.exp(-rank.square() / (2 * sigma.square()).clamp(min=1e-12))  # (M, 9, gh·gw)
    return ((window * weights).sum(1) / weights.sum(1)).view_as(maps)


def _filtered(rows: Tensor, layout: TokenLayout) -> Tensor:
    """The filter over each view's own grid; `rows` (M, N) are in the order of the layout's columns."""
    result = torch.empty_like(rows)
    for view in layout.views:
        order = torch.searchsorted(layout.columns, view.columns)
        result[:, order] = rank_gaussian(rows[:, order].unflatten(1, view.grid)).flatten(1)
    return result


def _head(model: LvlmModel) -> Any:
    """A function from token ids (n,) to their rows of the language model's head, float32 (n, d) on the CPU.

    Biases, scales and caps of scores are left out: they move all of a token's scores alike, or keep their order.
    """
    network: Any = model.module
    weight = getattr(network.get_output_embeddings(), "weight", None)
    if weight is None or not weight.is_floating_point() or weight.ndim != 2:
        raise BadInput(
            "this model's head cannot be read, so there are no token activation maps",
            input="method",
            value="activation",
            hint="Use attention, or load the model without quantization.",
        )
    return lambda ids: weight[ids.to(weight.device)].detach().float().cpu()


def _same_text(model: LvlmModel, context: Tensor, said: Tensor) -> Tensor:
    """Which of the context's tokens (C,) are the same text as each said one (M,), spaces and case aside: (C, M)."""
    tokenizer = model.tokenizer
    if tokenizer is None:
        return context[:, None] == said
    words = {i: tokenizer.decode([i]).strip().lower() or i for i in {*context.tolist(), *said.tolist()}}
    return torch.tensor(
        [[words[one] == words[other] for other in said.tolist()] for one in context.tolist()], dtype=torch.bool
    ).reshape(len(context), len(said))
