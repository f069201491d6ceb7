"""Ask a local LVLM: a batch of requests goes in, and an answer to each comes out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.lvlm import library
from api_graph.lvlm.contrast import contrasted
from api_graph.lvlm.contrast_rows import contrast_prompt
from api_graph.lvlm.decoder import context_length
from api_graph.lvlm.layout import TokenLayout, token_layouts
from api_graph.lvlm.model import LvlmModel, out_of_memory_explained
from api_graph.lvlm.prefix import following, with_prefix_run
from api_graph.lvlm.prompt import Prompt, arguments_of, build_prompt
from api_graph.lvlm.protocols import Cache, GenerationSettings, ModelInputs
from api_graph.lvlm.request import Answer, Request, Sampling
from api_graph.lvlm.steer import Steering, settings_key, steered, warn_if_repeating
from api_graph.lvlm.vision import each_picture_once

Progress = Callable[[int, int], None]
"""Called with (tokens so far, most there can be) after every token; an exception from it stops the run."""


def generate(
    model: LvlmModel,
    requests: Sequence[Request],
    sampling: Sampling | None = None,
    *,
    progress: Progress | None = None,
) -> list[Answer]:
    """Answer every request, in order, as one left-padded batch.

    There are more batches where only some requests have images, and where they are steered in different ways. A
    request that is decoded by contrast has two rows in its batch. Requests that show the same pictures share the work
    on them (`lvlm.prefix`, `lvlm.vision`).

    Greedy, unless `sampling.temperature` is above 0. Then each request draws from a generator of its own: equal
    requests get equal answers in any batch, and torch's own random state stays as it was. The model's own generation
    settings (temperature, repetition penalty, ...) are not used. `seconds` of an answer is the wall time of the batch.

    Raises BadInput for a prompt that is longer than the model's context, sampling out of range, a steering or contrast
    that does not fit the model or the pictures, and when the device runs out of memory.
    """
    sampling = Sampling() if sampling is None else sampling
    answers: dict[int, Answer] = {}
    batches: dict[Hashable, list[int]] = {}
    for i, request in enumerate(requests):  # processors want images for all prompts of a batch, or for none
        key = not request.images, settings_key(model, request.steering), request.contrast
        batches.setdefault(key, []).append(i)
    for batch in batches.values():
        found = _answer_batch(model, [requests[i] for i in batch], sampling, progress)
        answers.update(zip(batch, found, strict=True))
    return [answers[i] for i in range(len(requests))]


def _answer_batch(
    model: LvlmModel, requests: Sequence[Request], sampling: Sampling, progress: Progress | None
) -> list[Answer]:
    start = time.perf_counter()
    contrast, adjust = requests[0].contrast, None
    if contrast is None:
        prompt, steerings = build_prompt(model, requests), [request.steering for request in requests]
    else:
        prompt, steerings = contrast_prompt(model, requests, contrast)
        adjust = partial(contrasted, contrast=contrast)
    prompt = with_prefix_run(model, prompt, steerings, sampling.max_tokens)
    with steered(model, layouts_for(model, prompt, steerings), steerings, prompt.length):
        found = generate_ids(model, prompt.tensors, sampling, progress, adjust=adjust, cache=prompt.cache)
    rows = found[: len(requests)]
    for ids, steering in zip(rows, steerings, strict=False):
        if steering is not None:
            warn_if_repeating(ids)
    seconds, ends = time.perf_counter() - start, end_ids(model)
    return [
        Answer(decoded(model, ids), len(ids), seconds, model.name, "stop" if ids[-1] in ends else "length")
        for ids in rows
    ]


def layouts_for(model: LvlmModel, prompt: Prompt, steerings: Sequence[Steering | None]) -> list[list[TokenLayout]]:
    """The layouts of each prompt's pictures, for `steered`; none are looked for where nothing is steered."""
    if not any(steerings) or not any(prompt.sizes):
        return [[] for _ in steerings]
    return token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)


def decoded(model: LvlmModel, ids: Sequence[int]) -> str:
    """The text of generated ids, without special tokens; "" for a model without a tokenizer."""
    tokenizer = model.tokenizer
    return "" if tokenizer is None else tokenizer.decode(list(ids), skip_special_tokens=True).strip()


def generate_ids(
    model: LvlmModel,
    inputs: ModelInputs,
    sampling: Sampling,
    progress: Progress | None = None,
    forced: Sequence[Sequence[int]] | None = None,
    adjust: Callable[[Tensor], Tensor] | None = None,
    cache: Cache | None = None,
) -> list[list[int]]:
    """The ids that follow each prompt of `inputs`, up to and including its end token. Raises what `generate` raises.

    `forced` has one list of ids per prompt. The model is made to say them, whatever it would say itself, and no end
    token stops it early. `adjust` changes the scores (B, V) of every next token before one is chosen. `cache` has what
    `with_prefix_run` has run of the prompts, their pictures included; it is used up.
    """
    with model.lock, out_of_memory_explained(), torch.no_grad(), each_picture_once(model):
        batch, length = inputs["input_ids"].shape
        most, ends = _most_tokens(model, length, sampling), end_ids(model) if forced is None else set()
        draws = [_dictated(forced)] if forced else [_gumbel(sampling, batch)] if sampling.temperature else []
        with _own_settings(model, most, ends) as config:
            sequences = model.network.generate(
                **(arguments_of(model, inputs) if cache is None else following(model, inputs, cache)),
                generation_config=config,
                stopping_criteria=library.each_token(
                    lambda ids: None if progress is None else progress(ids.shape[1] - length, most)
                ),
                logits_processor=library.score_processors([*([adjust] if adjust else []), *draws]),
            )
    return [_until_end(row, ends) for row in sequences[:, length:].tolist()]


def end_ids(model: LvlmModel) -> set[int]:
    """The tokens that end this model's answers."""
    with model.lock:  # while it generates, other settings are in force
        ends = model.network.generation_config.eos_token_id
    return set() if ends is None else set(ends) if isinstance(ends, list | tuple) else {int(ends)}


@contextmanager
def _own_settings(model: LvlmModel, most: int, ends: set[int]) -> Iterator[GenerationSettings]:
    """Inside, the model has no generation config but this one: `generate` would add the model's own settings to it."""
    network = model.network
    before = network.generation_config
    pad = before.pad_token_id
    network.generation_config = library.generation_config(
        do_sample=False,
        max_new_tokens=most,
        eos_token_id=sorted(ends) or None,
        pad_token_id=min(ends, default=0) if pad is None else pad,  # after answers that end first; never read
        use_cache=True,
    )
    try:
        yield network.generation_config
    finally:
        network.generation_config = before


def _most_tokens(model: LvlmModel, length: int, sampling: Sampling) -> int:
    """How many tokens may follow a prompt of `length`: as many as asked for, if the context has room for them."""
    if not (isinstance(sampling.max_tokens, int) and sampling.max_tokens >= 1):
        raise BadInput("at least one token must be generated", input="max_tokens", value=sampling.max_tokens)
    if not 0 <= sampling.temperature < float("inf"):
        raise BadInput("the temperature is 0 (greedy) or more", input="temperature", value=sampling.temperature)
    context = context_length(model.module)
    if context is not None and length >= context:
        raise BadInput(
            f"the prompt has {length} tokens, image included, and {model.name} has room for {context}",
            input="question",
            hint="Ask a shorter question, or show fewer or smaller images.",
        )
    return sampling.max_tokens if context is None else min(sampling.max_tokens, context - length)


def _gumbel(sampling: Sampling, batch: int) -> Callable[[Tensor], Tensor]:
    """Scores whose maximum is a draw from softmax(scores / temperature): Gumbel noise on top, per prompt.

    The noise is made on the CPU, so that every device draws alike.
    """
    generators = [torch.Generator().manual_seed(sampling.seed) for _ in range(batch)]

    def noisy(scores: Tensor) -> Tensor:
        width = scores.shape[-1]
        noise = torch.stack([-torch.empty(width).exponential_(generator=g).log() for g in generators])
        return scores.float() / sampling.temperature + noise.to(scores.device)

    return noisy


def _dictated(answers: Sequence[Sequence[int]]) -> Callable[[Tensor], Tensor]:
    """Scores whose maximum is the next token of each answer; once an answer is over, its last token again."""
    steps = itertools.count()

    def dictated(scores: Tensor) -> Tensor:
        step = next(steps)
        tokens = scores.new_tensor([[answer[min(step, len(answer) - 1)]] for answer in answers], dtype=torch.long)
        return torch.zeros_like(scores).scatter(1, tokens, 1.0)  # (B, V)

    return dictated


def _until_end(ids: list[int], ends: set[int]) -> list[int]:
    stop = next((i for i, token in enumerate(ids) if token in ends), len(ids) - 1)
    return ids[: stop + 1]
