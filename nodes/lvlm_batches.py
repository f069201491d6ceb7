"""The batched forms of the LVLM nodes: many calls, as few passes through a model as they allow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from api_graph.errors import BadInput, inputs_named
from api_graph.lvlm import Answer, LvlmAttribution, Request, Sampling, ask_all, attribute
from api_graph.lvlm.ask import MOST_PROMPTS
from api_graph.lvlm.remote import Endpoint
from api_graph.pixels.read import to_pil
from api_graph.sockets import Attribution

from .batches import Call, alike, text_of


class Pointed(NamedTuple):
    """What `Ψ LVLM` gives."""

    attribution: Annotated[Attribution, Field(description="Where the model looked while it answered.")]
    answer: Annotated[str, Field(description="What the model said while it was watched; one line per image.")]


class Reply(NamedTuple):
    """What `Query LVLM` gives."""

    text: Annotated[str, Field(description="The answer.")]
    tokens: Annotated[int, Field(description="How many were generated; 0 where an endpoint does not say.")]
    seconds: Annotated[float, Field(description="How long the answer took.")]
    model: Annotated[str, Field(description="The model that really answered.")]
    finish_reason: Annotated[str, Field(description="stop, length, refusal or error.")]


# ------------------------------------------------------------------------------------------ attention

_WATCHED = ("model", "layers", "steps", "first_step", "last_step", "phrase", "normalization", "max_new_tokens")


def attend_all(calls: Sequence[Call]) -> list[Pointed]:
    """`Ψ LVLM`, for images of any sizes and questions of any lengths."""
    results: dict[int, Pointed] = {}
    for group in alike(calls, *_WATCHED):
        # Reading a given answer and giving one's own are two different passes.
        for told in (True, False):
            own = [i for i in group if bool(calls[i]["answer"].strip()) == told]
            results |= zip(own, _attend([calls[i] for i in own], told), strict=True)
    return [results[i] for i in range(len(calls))]


def _attend(calls: Sequence[Call], told: bool) -> list[Pointed]:
    """Calls that agree in all but image, question and answer."""
    pictures = [to_pil(call["image"]) for call in calls]
    requests = [
        Request(text_of(call["query"], call["hint"]), (picture,))
        for call, own in zip(calls, pictures, strict=True)
        for picture in own
    ]
    answers = [call["answer"] for call, own in zip(calls, pictures, strict=True) for _ in own] if told else None
    maps: list[LvlmAttribution] = []
    for first in range(0, len(requests), MOST_PROMPTS):
        part, one = slice(first, first + MOST_PROMPTS), calls[0]
        with inputs_named(layer="layers", answers="answer", normalize="normalization"):
            maps += attribute(
                one["model"],
                requests[part],
                layers=layers_of(one["layers"]),
                steps=_steps(one),
                normalize=one["normalization"],
                max_new_tokens=one["max_new_tokens"],
                answers=answers[part] if answers is not None else None,
                progress=one["context"].progress,
            )
    taken = iter(maps)
    return [_together(call, [next(taken) for _ in own]) for call, own in zip(calls, pictures, strict=True)]


def _together(call: Call, maps: Sequence[LvlmAttribution]) -> Pointed:
    """The maps of one call's images as one attribution. Equal sizes are equal grids."""
    answer = "\n".join(one.answer for one in maps)
    call["context"].show_text(answer)
    values = torch.stack([one.map for one in maps])  # (B, gh, gw)
    return Pointed(Attribution(values, tuple(one.geometry for one in maps)), answer)


def layers_of(text: str) -> list[int] | None:
    """Layers as they are typed: None for auto, else their numbers. Raises BadInput."""
    if text.strip().lower() in ("", "auto"):
        return None
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise BadInput(
            "is no list of layers", input="layers", value=text, hint="Write auto, or numbers such as 20 or 14,15,17."
        ) from None


def _steps(call: Call) -> Any:
    if call["steps"] == "range":
        if call["last_step"] < call["first_step"]:
            raise BadInput("comes before first_step", input="last_step", value=call["last_step"], hint="Swap them.")
        return range(call["first_step"], call["last_step"] + 1)
    if call["steps"] == "phrase":
        if not call["phrase"].strip():
            raise BadInput("is empty", input="phrase", hint="Write a part of the answer, or take all steps.")
        return call["phrase"]
    return call["steps"]


# ------------------------------------------------------------------------------------------ answers

_SAMPLED = ("model", "max_tokens", "temperature", "seed")
_IMAGES = ("image", "image_2", "image_3", "image_4")


def query_all(calls: Sequence[Call]) -> list[Reply | Exception]:
    """`Query LVLM`: batched on a local model, at once at an endpoint. A call that fails is its exception."""
    results: dict[int, Reply | Exception] = {}
    for group in alike(calls, *_SAMPLED):
        one = calls[group[0]]
        context = one["context"]
        requests = [_request(calls[i]) for i in group]
        with context.waiting() if isinstance(one["model"], Endpoint) else nullcontext():
            answers = ask_all(
                one["model"],
                requests,
                Sampling(one["max_tokens"], one["temperature"], one["seed"]),
                run_id=context.run_id,
                is_cancelled=context.is_cancelled,
                progress=context.progress,
            )
        results |= {i: _reply(calls[i], answer) for i, answer in zip(group, answers, strict=True)}
    return [results[i] for i in range(len(calls))]


def _request(call: Call) -> Request:
    batches: list[Tensor] = [call[name] for name in _IMAGES if call[name] is not None]
    pictures = tuple(picture for batch in batches for picture in to_pil(batch))
    return Request(call["question"], pictures, call["system"].strip())


def _reply(call: Call, answer: Answer | Exception) -> Reply | Exception:
    if isinstance(answer, Exception):
        return answer
    if answer.finish_reason == "error":
        call["context"].keep_for_this_run_only()
    call["context"].show_text(answer.text)
    return Reply(answer.text, answer.tokens, answer.seconds, answer.model, answer.finish_reason)
