"""LVLMs: the one whose attention says where to look, and the one that answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Annotated, Literal, NamedTuple

import torch
from PIL.Image import Image as PilImage
from pydantic import Field
from torch import Tensor

from api_graph.context import Context
from api_graph.errors import BadInput, inputs_named
from api_graph.lvlm import Answer, Contrast, LvlmAttribution, LvlmModel, Request, Sampling, ask_all, attribute
from api_graph.lvlm.asking import MOST_PROMPTS, Answerer
from api_graph.lvlm.heads.profile import HeadProfile
from api_graph.lvlm.remote import Endpoint
from api_graph.lvlm.steer import Steering, settings_key
from api_graph.lvlm.steps import Steps
from api_graph.lvlm.strategies import says_true
from api_graph.pixels.read import to_pil
from api_graph.sockets import Attribution, Image, Socket
from api_graph.spec import Widget, node

from .heads import OtherHeads, heads_to_read
from .socket_types import Picture

CATEGORY = "attention prompting/LVLM"

Normalization = Literal["full", "image_only"]
WhichSteps = Literal["all", "first", "range", "phrase"]

_OF_STEERING: dict[str | None, str] = {name: "steering" for name in ("fovea", "layers", "heads", "strength")}
"""What complaints call the parts of what these nodes get as one."""

WatchedTokens = Annotated[int, Field(ge=1, le=4096, description="Length of the answer that is watched.")]
GivenAnswer = Annotated[
    str,
    Field(description="Watch the model read this answer instead of giving its own; empty: its own."),
    Widget(multiline=True),
]
WatchedSteering = Annotated[
    Steering | None, Field(description="Points the model at a place in the image while it is watched, from Steer.")
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1, description="Of the sampling; greedy answers need none.")]


# ------------------------------------------------------------------------------------------ attention


class AttentionResult(NamedTuple):
    """What `Ψ LVLM` gives."""

    attribution: Annotated[Attribution, Field(description="Where the model looked while it answered.")]
    answer: Annotated[str, Field(description="What the model said while it was watched; one line per image.")]


def attend_all(
    image: Sequence[Tensor],
    query: Sequence[str],
    hint: Sequence[str],
    answer: Sequence[str],
    steering: Sequence[Steering | None],
    context: Sequence[Context],
    *,
    model: LvlmModel,
    layers: str,
    steps: WhichSteps,
    first_step: int,
    last_step: int,
    phrase: str,
    normalization: Normalization,
    max_new_tokens: int,
    profile: HeadProfile | None,
    other_heads: int,
) -> list[AttentionResult]:
    """`Ψ LVLM` for many calls, whose images (B, H, W, 3) and questions may differ in size and length."""
    questions = [own_hint if own_hint.strip() else text for text, own_hint in zip(query, hint, strict=True)]
    chosen = _chosen_steps(steps, first_step, last_step, phrase)
    heads = heads_to_read(profile, layers, other_heads)
    prompts = [
        Watched(index, request, way, answer[index])
        for index in range(len(image))
        for request, way in requests_of_each(model, questions[index], to_pil(image[index]), steering[index])
    ]
    attend = partial(
        attribute,
        model,
        layers=layers if heads is None else None,
        heads=heads,
        steps=chosen,
        normalize=normalization,
        max_new_tokens=max_new_tokens,
        progress=context[0].progress,
    )
    with inputs_named(heads="profile"):
        maps = watched_by_call(prompts, attend)
    return [_result(maps[index], own) for index, own in enumerate(context)]


class Watched(NamedTuple):
    """A request of the call of that number. `way` is equal for those steered alike; a blank `answer` is none."""

    call: int
    request: Request
    way: Hashable
    answer: str


def watched_by_call(
    prompts: Iterable[Watched], attend: Callable[..., Sequence[LvlmAttribution]]
) -> dict[int, list[LvlmAttribution]]:
    """By call, what `attend(requests, answers=...)` gives for its requests, in their order."""
    # Reading a given answer and giving one's own are two different passes, and a pass is steered in one way.
    passes: dict[tuple[bool, Hashable], list[Watched]] = defaultdict(list)
    for prompt in prompts:
        passes[bool(prompt.answer.strip()), prompt.way].append(prompt)
    found: dict[int, list[LvlmAttribution]] = defaultdict(list)
    for (is_given, _), own in passes.items():
        for part in (own[first : first + MOST_PROMPTS] for first in range(0, len(own), MOST_PROMPTS)):
            answers = tuple(prompt.answer for prompt in part) if is_given else None
            with inputs_named(normalize="normalization", fovea="steering"):
                maps = attend([prompt.request for prompt in part], answers=answers)
            for prompt, one in zip(part, maps, strict=True):
                found[prompt.call].append(one)
    return found


def requests_of_each(
    model: LvlmModel, question: str, pictures: Sequence[PilImage], steering: Steering | None
) -> Iterator[tuple[Request, Hashable]]:
    """A request for each of a call's images, with its own fovea; and what is equal for those that are steered alike."""
    with inputs_named(fovea="steering", layers="steering", heads="steering"):
        steerings = [None] * len(pictures) if steering is None else steering.of_each(len(pictures))
        way = settings_key(model, steering)
    for picture, own in zip(pictures, steerings, strict=True):
        yield Request(question, (picture,), steering=own), way


def _result(maps: Sequence[LvlmAttribution], context: Context) -> AttentionResult:
    """The maps of one call's images as one attribution: images of one size have one grid."""
    answer = "\n".join(one.answer for one in maps)
    context.show_text(answer)
    values = torch.stack([one.map for one in maps])  # (B, gh, gw)
    return AttentionResult(Attribution(values, tuple(one.geometry for one in maps)), answer)


def _chosen_steps(steps: WhichSteps, first_step: int, last_step: int, phrase: str) -> Steps:
    """The steps as `lvlm.attribute` takes them."""
    if steps == "range":
        if last_step < first_step:
            raise BadInput("comes before first_step", input="last_step", value=last_step, hint="Swap them.")
        return range(first_step, last_step + 1)
    if steps == "phrase":
        if not phrase.strip():
            raise BadInput("is empty", input="phrase", hint="Write a part of the answer, or take all steps.")
        return phrase
    return steps


@node(
    "APLvlmAttention",
    category=CATEGORY,
    title="Ψ LVLM",
    store=True,
    batched=attend_all,
    over=("image", "query", "hint", "answer", "steering"),
    eight_bits=True,
    aliases=("attention", "attention map", "saliency", "where to look", "LLaVA", "attribution", "self-reflection"),
)
def attend(
    context: Context,
    model: Annotated[LvlmModel, Field(description="The LVLM whose attention is read, from Load LVLM.")],
    image: Picture,
    query: Annotated[
        str, Field(description="The question, as it is: without a benchmark's suffix."), Widget(multiline=True)
    ],
    hint: Annotated[
        str, Field(description="Steers the map in place of the question, which stays as it is for who answers.")
    ] = "",
    layers: Annotated[
        str,
        Field(
            description="auto is the model's own, or the paper's 20 of 0 to 39, or half-way up. "
            "Else numbers from 0, such as 20 or 14,15,17 or -3; several are averaged. profile: the chosen heads alone."
        ),
    ] = "auto",
    steps: Annotated[
        WhichSteps,
        Field(description="Which generated tokens count: all, the first, a range, or those of a part of the answer."),
    ] = "all",
    first_step: Annotated[int, Field(ge=0, le=4096, description="range only: the first token, from 0.")] = 0,
    last_step: Annotated[int, Field(ge=0, le=4096, description="range only: the last token, inclusive.")] = 0,
    phrase: Annotated[str, Field(description="phrase only: a part of the answer, as it stands there.")] = "",
    normalization: Annotated[
        Normalization,
        Field(
            description="full: the attention itself (API eq. 8). image_only: softmax over the image tokens alone, "
            "as the official code has it."
        ),
    ] = "full",
    max_new_tokens: WatchedTokens = 20,
    answer: GivenAnswer = "",
    steering: WatchedSteering = None,
    profile: Annotated[
        HeadProfile | None,
        Field(description='layers = "profile": the heads that it has chosen, in their layers, each counting alike.'),
    ] = None,
    other_heads: OtherHeads = -1,
) -> AttentionResult:
    """Where the model looks while it answers: its attention from generated tokens to image tokens (API eq. 8)."""
    return attend_all(
        [image],
        [query],
        [hint],
        [answer],
        [steering],
        [context],
        model=model,
        layers=layers,
        steps=steps,
        first_step=first_step,
        last_step=last_step,
        phrase=phrase,
        normalization=normalization,
        max_new_tokens=max_new_tokens,
        profile=profile,
        other_heads=other_heads,
    )[0]


# ------------------------------------------------------------------------------------------ answers


class Reply(NamedTuple):
    """What `Query LVLM` gives."""

    text: Annotated[str, Field(description="The answer.")]
    tokens: Annotated[int, Field(description="How many were generated; 0 where an endpoint does not say.")]
    seconds: Annotated[float, Field(description="How long the answer took.")]
    model: Annotated[str, Field(description="The model that really answered.")]
    finish_reason: Annotated[str, Field(description="stop, length, refusal or error.")]


def query_all(
    question: Sequence[str],
    image: Sequence[Tensor | None],
    image_2: Sequence[Tensor | None],
    image_3: Sequence[Tensor | None],
    image_4: Sequence[Tensor | None],
    system: Sequence[str],
    steering: Sequence[Steering | None],
    contrast: Sequence[Contrast | None],
    context: Sequence[Context],
    *,
    model: Answerer,
    max_tokens: int,
    temperature: float,
    seed: int,
) -> list[Reply | Exception]:
    """`Query LVLM` for many calls: in batches on a local model, all at once at an endpoint.

    A call that fails has its exception in the place of its reply.
    """
    requests: list[Request] = []
    told = zip(question, system, steering, contrast, image, image_2, image_3, image_4, strict=True)
    for text, own_system, own_steering, own_contrast, *batches in told:
        pictures = tuple(picture for batch in batches if batch is not None for picture in to_pil(batch))
        requests.append(Request(text, pictures, own_system.strip(), own_steering, own_contrast))
    with context[0].waiting() if isinstance(model, Endpoint) else nullcontext():
        answers = ask_all(
            model,
            requests,
            Sampling(max_tokens, temperature, seed),
            run_id=context[0].run_id,
            is_cancelled=context[0].is_cancelled,
            progress=context[0].progress,
        )
    return [_reply(answer, own) for answer, own in zip(answers, context, strict=True)]


def _reply(answer: Answer | Exception, context: Context) -> Reply | Exception:
    if isinstance(answer, BadInput):
        input = _OF_STEERING.get(answer.input, answer.input)
        return BadInput(answer.problem, input=input, value=answer.value, hint=answer.hint)
    if isinstance(answer, Exception):
        return answer
    if answer.finish_reason in ("error", "refusal"):  # the empty text only stands for an answer
        context.keep_for_this_run_only()
    context.show_text(answer.text)
    return Reply(answer.text, answer.tokens, answer.seconds, answer.model, answer.finish_reason)


@node(
    "APQueryLVLM",
    category=CATEGORY,
    title="Query LVLM",
    store=True,
    batched=query_all,
    over=("question", "image", "image_2", "image_3", "image_4", "system", "steering", "contrast"),
    eight_bits=True,
    aliases=(
        *("ask", "VQA", "visual question answering", "describe", "describe image", "caption", "image to text"),
        *("chat", "GPT-4V", "OpenAI"),
    ),
)
def query_lvlm(
    context: Context,
    model: Annotated[
        Answerer, Socket("AP_LVLM,AP_ANSWERER"), Field(description="Who answers: from Load LVLM or Answering model.")
    ],
    question: Annotated[str, Field(description="What is asked, word for word."), Widget(multiline=True)],
    image: Annotated[Image | None, Field(description="All images of the batch go into one request.")] = None,
    image_2: Annotated[Image | None, Field(description="Shown after the first, in the same request.")] = None,
    image_3: Annotated[Image | None, Field(description="Shown after the second.")] = None,
    image_4: Annotated[Image | None, Field(description="Shown after the third.")] = None,
    system: Annotated[str, Field(description="System prompt; empty for none."), Widget(multiline=True)] = "",
    max_tokens: Annotated[int, Field(ge=1, le=32768, description="The longest answer.")] = 512,
    temperature: Annotated[
        float, Field(ge=0, le=2, description="0 takes the likeliest token at every step."), Widget(step=0.1)
    ] = 0.0,
    seed: Seed = 0,
    steering: Annotated[
        Steering | None,
        Field(description="Points a local model at a place in the images while it answers, from Steer."),
    ] = None,
    contrast: Annotated[
        Contrast | None,
        Field(description="Sets a local model's answer against what it would say otherwise, from Contrast."),
    ] = None,
) -> Reply:
    """Ask a model about one image or several: a local one, or one behind an endpoint."""
    (reply,) = query_all(
        [question],
        [image],
        [image_2],
        [image_3],
        [image_4],
        [system],
        [steering],
        [contrast],
        [context],
        model=model,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
    )
    if isinstance(reply, Exception):
        raise reply
    return reply


def _image_needed(verdict: str, unclear: str) -> list[str]:
    return [] if verdict is None else ["when_true" if _holds(verdict, unclear) else "when_false"]


def _holds(verdict: str, unclear: str) -> bool:
    said = says_true(verdict)
    return unclear == "when_true" if said is None else said


class ChosenImage(NamedTuple):
    image: Annotated[Image, Field(description="The image that was chosen.")]
    suffices: Annotated[bool, Field(description="Whether that is the one for T, the annotated image.")]


@node(
    "APChooseImage",
    category=CATEGORY,
    title="Choose image",
    version=2,
    needs=_image_needed,
    eight_bits=True,
    aliases=("switch", "if"),
)
def choose_image(
    context: Context,
    verdict: Annotated[str, Field(description="An answer that says T or F, true or false; the last clear one counts.")],
    when_true: Annotated[Image | None, Field(description="For T: the annotated image.")] = None,
    when_false: Annotated[Image | None, Field(description="For F: the original image.")] = None,
    unclear: Annotated[
        Literal["when_true", "when_false"], Field(description="What an answer without a clear verdict means.")
    ] = "when_false",
) -> ChosenImage:
    """Take the annotated image where the model finds that it suffices, else the original one (strategy "evaluate")."""
    chosen = _image_needed(verdict, unclear)[0]
    unsaid = "" if says_true(verdict) is not None else " (no clear verdict)"
    context.show_text(f"{chosen.replace('_', ' ')}{unsaid}: {verdict.strip() or '(no answer)'}")
    image = when_true if chosen == "when_true" else when_false
    if image is None:
        raise BadInput("the verdict asks for this image, but nothing is linked", input=chosen, hint="Link an image.")
    return ChosenImage(image, chosen == "when_true")
