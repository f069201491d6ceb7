"""One of a few words."""

from __future__ import annotations

from typing import Any, get_args

from api_graph.errors import BadInput


def check_choice(word: str, choices: Any, input: str) -> None:
    """A BadInput that lists them if `word` is none of `choices`, a Literal of strings."""
    if word not in get_args(choices):
        hint = f"Use one of {', '.join(get_args(choices))}."
        raise BadInput(f"unknown {input.replace('_', ' ')}", input=input, value=word, hint=hint)
