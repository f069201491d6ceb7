"""Texts in and out of a graph."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from api_graph.context import Context
from api_graph.sockets import AnyValue
from api_graph.spec import Widget, node

CATEGORY = "attention prompting/text"


@node("APText", category=CATEGORY, title="Text", aliases=("question", "query", "prompt"))
def text(
    text: Annotated[str, Field(description="A question, a phrase, any text."), Widget(multiline=True)],
) -> str:
    """A text that several nodes can share."""
    return text


@node("APTextLines", category=CATEGORY, title="Text lines")
def text_lines(
    text: Annotated[str, Field(description="One text per line; blank lines do not count."), Widget(multiline=True)],
) -> list[str]:
    """Several texts, one per line: what follows runs once for each."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@node("APShowText", category=CATEGORY, title="Show text", output=True)
def show_text(value: AnyValue, context: Context) -> str:
    """Show a text, or anything else as text."""
    shown = _as_text(value)
    context.show_text(shown)
    return shown


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
