"""Which of some given answers a model finds likeliest: it reads each after the question, and says none itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.lvlm.asking import MOST_PROMPTS
from api_graph.lvlm.decoder import context_length
from api_graph.lvlm.forced import answer_ids
from api_graph.lvlm.generation import Progress, generate_ids, layouts_for
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.prefix import with_prefix_run
from api_graph.lvlm.prompt import build_prompt
from api_graph.lvlm.request import Request, Sampling
from api_graph.lvlm.steer import settings_key, steered


def option_losses(
    model: LvlmModel,
    requests: Sequence[Request],
    options: Sequence[Sequence[str]],
    *,
    progress: Progress | None = None,
) -> list[list[float]]:
    """For each request the losses of its own options, in their order: the least one is the likeliest answer (V*Bench).

    The loss of an option is the mean over its tokens, its end token included, of −log p(token | images, question,
    tokens before it), in nats. `options` has a list for each request, of two or more.

    Raises BadInput for options that are fewer, empty or equal, for prompts and options longer than the model's
    context, and for what `generate` refuses.
    """
    rows: dict[Hashable, list[tuple[int, int]]] = defaultdict(list)
    for index, (request, own) in enumerate(zip(requests, options, strict=True)):
        _check(own)
        if request.contrast is not None:
            raise BadInput("a loss is of one reading of the image, and a contrast has two", input="contrast")
        way = (not request.images, settings_key(model, request.steering))
        rows[way] += [(index, place) for place in range(len(own))]
    losses = [[0.0] * len(own) for own in options]
    for same in rows.values():
        for batch in (same[first : first + MOST_PROMPTS] for first in range(0, len(same), MOST_PROMPTS)):
            read = _read(model, [requests[i] for i, _ in batch], [options[i][j] for i, j in batch], progress)
            for (index, place), loss in zip(batch, read, strict=True):
                losses[index][place] = loss
    return losses


def _check(options: Sequence[str]) -> None:
    if len(options) < 2:
        raise BadInput("at least two options are needed", input="options", value=list(options))
    for place, option in enumerate(options):
        if not option.strip():
            raise BadInput("an option is empty", input="options", value=list(options))
        if option in options[:place]:
            raise BadInput("two options are the same", input="options", value=option)


def _read(
    model: LvlmModel, requests: Sequence[Request], answers: Sequence[str], progress: Progress | None
) -> list[float]:
    """The loss of one answer after each request, in one batch."""
    ids = [answer_ids(model, answer) for answer in answers]
    prompt = build_prompt(model, requests)
    longest, context = max(map(len, ids)), context_length(model.module)
    if context is not None and prompt.length + longest > context:
        raise BadInput(
            f"question and option have {prompt.length + longest} tokens, image included, and {model.name} has room "
            f"for {context}",
            input="options",
            hint="Give shorter options, or show fewer or smaller images.",
        )
    heard: list[Tensor] = []  # at each step the log-probabilities (B,) of the tokens that are read

    def hear(scores: Tensor) -> Tensor:
        step = len(heard)
        tokens = torch.tensor([[own[min(step, len(own) - 1)]] for own in ids], device=scores.device)
        heard.append(scores.float().log_softmax(-1).gather(1, tokens)[:, 0].cpu())
        return scores

    steerings = [request.steering for request in requests]
    prompt = with_prefix_run(model, prompt, steerings, longest)
    with steered(model, layouts_for(model, prompt, steerings), steerings, prompt.length):
        generate_ids(model, prompt.tensors, Sampling(max_tokens=longest), progress, ids, hear, prompt.cache)
    likely = torch.stack(heard, 1).double()  # (B, longest)
    return [-float(row[: len(own)].mean()) for row, own in zip(likely, ids, strict=True)]
