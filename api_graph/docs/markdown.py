"""A node in Markdown: its inputs and outputs as tables."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from api_graph.docs.catalogue import Catalogue
from api_graph.spec import Choices, InputSpec, NodeSpec, OutputSpec


def node_tables(spec: NodeSpec, words: Catalogue) -> list[str]:
    """Lines with a table of the inputs and one of the outputs, each only where there are any."""
    say = words.phrase
    lines: list[str] = []
    if spec.inputs:
        headings = [say(one) for one in ("input", "type", "default", "takes", "what it is")]
        lines += ["", *table(headings, [_input(one, words) for one in spec.inputs])]
    if spec.outputs:
        headings = [say(one) for one in ("output", "type", "what it is")]
        lines += ["", *table(headings, [_output(one, words) for one in spec.outputs])]
    return lines


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; cells are Markdown of one line."""
    return [f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows)]


def plain(text: str) -> str:
    """`text` on one line, with nothing in it that means something to HTML or in a table; backticks stay code type."""
    for sign in "\\*[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    # Within a word an underscore is one.
    return " ".join(re.sub(r"\b_|_\b", r"\\_", text).split())


def code(text: str) -> str:
    """`text` on one line in code type, also inside a table."""
    line = " ".join(text.split()).replace("|", "\\|")
    return f"`` {line} ``" if "`" in line else f"`{line}`"


def _input(one: InputSpec, words: Catalogue) -> list[str]:
    return [_name(one, words), _kind(one, words), _default(one, words), _range(one), plain(words.text(one.description))]


def _output(one: OutputSpec, words: Catalogue) -> list[str]:
    return [_name(one, words), _kind(one, words), plain(words.text(one.description))]


def _name(one: InputSpec | OutputSpec, words: Catalogue) -> str:
    """The name in files; before it the one that the editor shows, where that is another."""
    shown = words.name(one.name)
    return code(one.name) if shown == one.name else f"{plain(shown)} {code(one.name)}"


def _kind(one: InputSpec | OutputSpec, words: Catalogue) -> str:
    return f"{code(one.socket)} ({words.phrase('list')})" if one.is_list else code(one.socket)


def _default(one: InputSpec, words: Catalogue) -> str:
    if one.required:
        return words.phrase("required")
    return code(json.dumps(one.default, ensure_ascii=False)) if one.is_widget else words.phrase("none")


def _range(one: InputSpec) -> str:
    """What may be typed. The entries of a combo that is filled at run time depend on the machine, and are left out."""
    if isinstance(one.choices, Choices):
        return ""
    if one.choices:
        return ", ".join(code(entry) for entry in one.choices)
    low, high = (None if bound is None else _number(bound) for bound in (one.minimum, one.maximum))
    if low is not None and high is not None:
        return f"{low} … {high}"
    return f"≥ {low}" if low is not None else "" if high is None else f"≤ {high}"


def _number(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)
