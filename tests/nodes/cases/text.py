"""Texts in and out of a graph: nodes/text.py."""

from __future__ import annotations

from typing import Any

from api_graph.context import Context
from api_graph.lvlm.strategies import SUFFIXES, extract_answer, strategy_prompt
from tests.nodes.case import Case, at, case
from tests.nodes.world import World


def shown(value: Any, context: Context) -> str:
    """A text as it is, anything else as Python writes it."""
    text = value if isinstance(value, str) else repr(value)
    context.show_text(text)
    return text


@case("APText")
def text(world: World) -> Case:
    return Case(lambda text: text, given={"text": "one\ntwo"}, others={"text": at("other")})


@case("APTextLines")
def text_lines(world: World) -> Case:
    return Case(
        lambda text: {" one\n\n two ": ["one", "two"], "three": ["three"]}[text],
        given={"text": " one\n\n two "},
        others={"text": at("three")},
    )


@case("APFormatQuestion")
def format_question(world: World) -> Case:
    return Case(
        lambda question, suffix, prompt: f"{prompt or question} {SUFFIXES[suffix]}".strip(),
        given={"question": "What is it?"},
        others={
            "question": at("Is it red?"),
            "suffix": [at(name) for name in SUFFIXES if name != "none"],
            "prompt": [at("What is it? A ring or a box?"), at("Which?", suffix="yes_or_no")],
        },
    )


@case("APStrategyPrompt")
def strategy(world: World) -> Case:
    return Case(
        lambda question, strategy, answer, wording: strategy_prompt(
            question, strategy=strategy, answer=answer, wording=wording
        ),
        given={"question": "What is it?"},
        others={
            "question": at("Is it red?"),
            "strategy": [at("hint"), at("step_by_step"), at("evaluate"), at("reflect", answer="blue")],
            "answer": at("red", strategy="reflect"),
            "wording": at("reference"),
        },
    )


@case("APExtractAnswer")
def extracted(world: World) -> Case:
    return Case(
        extract_answer,
        given={"text": "It was wrong. New answer: blue"},
        others={"text": at("The new answer is red")},
    )


@case("APShowText")
def show_text(world: World) -> Case:
    return Case(shown, given={"value": "a text"}, others={"value": at([1, "two"])})
