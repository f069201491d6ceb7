"""Texts in and out of a graph."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api_graph.context import Context
from api_graph.lvlm import strategies
from api_graph.sockets import AnyValue
from api_graph.spec import Widget, node

from . import estimates
from .socket_types import Text as Words

CATEGORY = "attention prompting/text"

Question = Annotated[str, Field(description="The question."), Widget(multiline=True)]


@node("APText", category=CATEGORY, title="Shared text", formerly="Text", aliases=("question", "query", "prompt"))
def text(
    text: Annotated[str, Field(description="A question, a phrase, any text."), Widget(multiline=True)],
) -> Words:
    """A text that several nodes can share."""
    return text


@node("APTextLines", estimate=estimates.lines, category=CATEGORY, title="Text lines")
def text_lines(
    text: Annotated[str, Field(description="One text per line; blank lines do not count."), Widget(multiline=True)],
) -> list[Annotated[str, Field(description="The lines, one after the other.")]]:
    """Several texts, one per line: what follows runs once for each."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@node("APFormatQuestion", category=CATEGORY, title="Format question", aliases=("suffix", "benchmark"))
def format_question(
    question: Question,
    suffix: Annotated[
        strategies.Suffix,
        Field(
            description="What a benchmark adds: word_or_phrase for TextVQA, yes_or_no for MME, option_letter for MMMU, "
            "unanswerable for VisWiz."
        ),
    ] = "none",
    prompt: Annotated[
        str,
        Field(description="Asked in place of the question, as a benchmark words it; empty: the question."),
        Widget(multiline=True),
    ] = "",
) -> Annotated[str, Field(description="The question with its suffix.")]:
    """The question as a benchmark asks it. Maps are made from the plain question, answers from this one."""
    return strategies.with_suffix(prompt if prompt.strip() else question, suffix)


@node("APStrategyPrompt", category=CATEGORY, title="Strategy prompt", aliases=("step by step", "hint", "reflection"))
def strategy_prompt(
    question: Question,
    strategy: Annotated[
        strategies.Strategy,
        Field(
            description="question: as it is. step_by_step. hint: the answer lies in the visible regions. evaluate: do "
            "they suffice, T or F? reflect: judge the previous answer and give a new one."
        ),
    ] = "question",
    answer: Annotated[str, Field(description="reflect only: the previous answer."), Widget(multiline=True)] = "",
    wording: Annotated[
        strategies.Wording, Field(description="reference: as the official scripts word it, in double quotes.")
    ] = "paper",
) -> Annotated[str, Field(description="What to ask, word for word.")]:
    """What the LVLM is asked under one of the prompting strategies that the paper compares."""
    return strategies.strategy_prompt(question, strategy, answer, wording)


@node("APExtractAnswer", category=CATEGORY, title="Extract answer", version=2, aliases=("parse", "reflection"))
def extract_answer(
    text: Annotated[str, Field(description="What a model said when it was asked to reflect."), Widget(multiline=True)],
) -> Annotated[str, Field(description="The answer alone.")]:
    """The new answer in a reflection: what follows its last "Answer:" or "new answer is"; else the whole text."""
    return strategies.extract_answer(text)


@node("APShowText", category=CATEGORY, title="Show text", output=True, store=True)
def show_text(
    value: Annotated[AnyValue, Field(description="What to show; anything can be linked.")], context: Context
) -> Words:
    """Show a text, or anything else as text."""
    shown = _as_text(value)
    context.show_text(shown)
    return shown


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
