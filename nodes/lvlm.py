"""LVLMs: the one whose attention says where to look, and the one that answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.lvlm import LvlmModel
from api_graph.lvlm.strategies import says_true
from api_graph.sockets import Image, Socket
from api_graph.spec import Widget, node

from . import lvlm_batches
from .lvlm_batches import Pointed, Reply
from .wires import Picture

CATEGORY = "attention prompting/LVLM"

Answerer = Annotated[Any, Socket("AP_LVLM,AP_ANSWERER")]
"""A local LVLM, or whoever an `Answering model` node names."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1, description="Of the sampling; greedy answers need none.")]


@node(
    "APLvlmAttention",
    category=CATEGORY,
    title="Ψ LVLM",
    store=True,
    batched=lvlm_batches.attend_all,
    aliases=("attention", "LLaVA", "attribution", "self-reflection"),
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
            "Else numbers from 0, such as 20 or 14,15,17 or -3; several are averaged."
        ),
    ] = "auto",
    steps: Annotated[
        Literal["all", "first", "range", "phrase"],
        Field(description="Which generated tokens count: all, the first, a range, or those of a part of the answer."),
    ] = "all",
    first_step: Annotated[int, Field(ge=0, le=4096, description="range only: the first token, from 0.")] = 0,
    last_step: Annotated[int, Field(ge=0, le=4096, description="range only: the last token, inclusive.")] = 0,
    phrase: Annotated[str, Field(description="phrase only: a part of the answer, as it stands there.")] = "",
    normalization: Annotated[
        Literal["full", "image_only"],
        Field(
            description="full: the attention itself (API eq. 8). image_only: softmax over the image tokens alone, "
            "as the official code has it."
        ),
    ] = "full",
    max_new_tokens: Annotated[int, Field(ge=1, le=4096, description="Length of the answer that is watched.")] = 20,
    answer: Annotated[
        str,
        Field(description="Watch the model read this answer instead of giving its own; empty: its own."),
        Widget(multiline=True),
    ] = "",
) -> Pointed:
    """Where the model looks while it answers: its attention from generated tokens to image tokens (API eq. 8)."""
    call = {
        "context": context,
        "model": model,
        "image": image,
        "query": query,
        "hint": hint,
        "layers": layers,
        "steps": steps,
        "first_step": first_step,
        "last_step": last_step,
        "phrase": phrase,
        "normalization": normalization,
        "max_new_tokens": max_new_tokens,
        "answer": answer,
    }
    return lvlm_batches.attend_all([call])[0]


@node(
    "APQueryLVLM",
    category=CATEGORY,
    title="Query LVLM",
    store=True,
    batched=lvlm_batches.query_all,
    aliases=("ask", "VQA", "chat", "GPT-4V", "OpenAI"),
)
def query_lvlm(
    context: Context,
    model: Annotated[Answerer, Field(description="Who answers: from Load LVLM or Answering model.")],
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
) -> Reply:
    """Ask a model about one image or several: a local one, or one behind an endpoint."""
    call = {
        "context": context,
        "model": model,
        "question": question,
        "image": image,
        "image_2": image_2,
        "image_3": image_3,
        "image_4": image_4,
        "system": system,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
    }
    reply = lvlm_batches.query_all([call])[0]
    if isinstance(reply, Exception):
        raise reply
    return reply


def _image_needed(verdict: str, unclear: str) -> list[str]:
    return [] if verdict is None else ["when_true" if _holds(verdict, unclear) else "when_false"]


def _holds(verdict: str, unclear: str) -> bool:
    said = says_true(verdict)
    return unclear == "when_true" if said is None else said


@node("APChooseImage", category=CATEGORY, title="Choose image", needs=_image_needed, aliases=("switch", "if"))
def choose_image(
    context: Context,
    verdict: Annotated[str, Field(description="An answer that says T or F, true or false.")],
    when_true: Annotated[Image | None, Field(description="For T: the annotated image.")] = None,
    when_false: Annotated[Image | None, Field(description="For F: the original image.")] = None,
    unclear: Annotated[
        Literal["when_true", "when_false"], Field(description="What an answer that says neither means.")
    ] = "when_false",
) -> Annotated[Image, Field(description="The image that was chosen.")]:
    """Take the annotated image where the model finds that it suffices, else the original one (strategy "evaluate")."""
    chosen = _image_needed(verdict, unclear)[0]
    context.show_text(f"{chosen.replace('_', ' ')}: {verdict.strip() or '(no answer)'}")
    image = when_true if chosen == "when_true" else when_false
    if image is None:
        raise BadInput("the verdict asks for this image, but nothing is linked", input=chosen, hint="Link an image.")
    return image
