"""Multiple choice: the likeliest of given answers, by what a local LVLM makes of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pydantic import Field
from torch import Tensor

from api_graph.context import Context
from api_graph.errors import inputs_named
from api_graph.lvlm import LvlmModel, Request
from api_graph.lvlm.options import option_losses
from api_graph.lvlm.steer import Steering
from api_graph.pixels.read import to_pil
from api_graph.spec import Widget, node

from .lvlm import CATEGORY
from .socket_types import Picture


class ChosenOption(NamedTuple):
    """What `Choose option` gives."""

    option: Annotated[str, Field(description="The likeliest answer.")]
    place: Annotated[int, Field(description="Its place among the options, counted from 0.")]
    losses: list[
        Annotated[float, Field(description="Of each option the mean loss of its tokens, in nats: the least is taken.")]
    ]


def choose_options(
    image: Sequence[Tensor],
    question: Sequence[str],
    options: Sequence[str],
    system: Sequence[str],
    steering: Sequence[Steering | None],
    context: Sequence[Context],
    *,
    model: LvlmModel,
) -> list[ChosenOption]:
    """`Choose option` for many calls, whose options are read in common batches."""
    requests = [
        Request(text, tuple(to_pil(batch)), own_system.strip(), own)
        for text, batch, own_system, own in zip(question, image, system, steering, strict=True)
    ]
    listed = [[line.strip() for line in text.splitlines() if line.strip()] for text in options]
    with inputs_named(fovea="steering", layers="steering", heads="steering"):
        losses = option_losses(model, requests, listed, progress=context[0].progress)
    chosen: list[ChosenOption] = []
    for own_options, own_losses, own in zip(listed, losses, context, strict=True):
        place = min(range(len(own_losses)), key=own_losses.__getitem__)
        own.show_text(
            "\n".join(f"{loss:.3f} {text}" for loss, text in sorted(zip(own_losses, own_options, strict=True)))
        )
        chosen.append(ChosenOption(own_options[place], place, own_losses))
    return chosen


@node(
    "APChooseOption",
    category=CATEGORY,
    title="Choose option",
    store=True,
    batched=choose_options,
    over=("image", "question", "options", "system", "steering"),
    eight_bits=True,
    aliases=("multiple choice", "likelihood", "perplexity", "V*", "classify"),
)
def choose_option(
    context: Context,
    model: Annotated[LvlmModel, Field(description="Who reads the options, from Load LVLM.")],
    image: Picture,
    question: Annotated[str, Field(description="What is asked, word for word."), Widget(multiline=True)],
    options: Annotated[str, Field(description="The answers to choose from, one per line."), Widget(multiline=True)],
    system: Annotated[str, Field(description="System prompt; empty for none."), Widget(multiline=True)] = "",
    steering: Annotated[
        Steering | None,
        Field(description="Points the model at a place in the images while it reads the options, from Steer."),
    ] = None,
) -> ChosenOption:
    """Take the answer that the model finds likeliest, by the least mean loss of its tokens: it says none itself."""
    return choose_options([image], [question], [options], [system], [steering], [context], model=model)[0]
