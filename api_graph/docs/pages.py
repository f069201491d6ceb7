"""Pages about the nodes in Markdown: the reference of all nodes, and a help page of each for the editor."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from api_graph.docs.catalogue import Catalogue
from api_graph.registry import Registry
from api_graph.spec import Choices, InputSpec, NodeSpec, OutputSpec

_INTRODUCTION = """\
# Nodes

Written from the nodes' own signatures by `tools/make_docs.py`. `api-graph nodes NAME` says the same, and lists what the
combos hold on your machine. INT, FLOAT, STRING, BOOLEAN and COMBO are typed or linked; all else is linked."""


class Example(NamedTuple):
    """A graph with a node in it: its name, its picture, and the page that has it under that name."""

    graph: str
    picture: str
    page: str


def reference(registry: Registry, examples: Mapping[str, Example] = MappingProxyType({})) -> str:
    """All nodes by category, in the registry's order: description, inputs and outputs of each, and an example."""
    by_category: dict[str, list[NodeSpec]] = {}
    for spec in registry.values():
        by_category.setdefault(spec.category, []).append(spec)
    lines = [_INTRODUCTION, ""]
    for category, specs in by_category.items():
        titles = ", ".join(f"[{plain(spec.title)}](#{spec.id.lower()})" for spec in specs)
        lines.append(f"* {plain(category)}: {titles}")
    for category, specs in by_category.items():
        lines += ["", f"## {plain(category)}"]
        for spec in specs:
            lines += _section(spec)
            if spec.id in examples:
                one = examples[spec.id]
                shown = f"[![What {one.graph} makes]({one.picture})]({one.page}#{one.graph})"
                lines += ["", f"In the graph {code(one.graph)}:", "", shown]
    return "\n".join(lines) + "\n"


def help_page(spec: NodeSpec, words: Catalogue, graphs: Sequence[str] = ()) -> str:
    """What the node does, what it takes and gives, and which of the shipped `graphs` have it."""
    lines = [f"# {plain(words.text(spec.title))}", "", plain(words.text(spec.description)), *_tables(spec, words)]
    if graphs:
        named = ", ".join(code(name) for name in graphs)
        lines += ["", f"{words.phrase('Shipped graphs with this node:')} {named}"]
    return "\n".join(lines) + "\n"


def _section(spec: NodeSpec) -> list[str]:
    # The heading's own anchor would be that of its title, and titles are not unique: an id is.
    heading = f'### <a id="{spec.id.lower()}"></a>{plain(spec.title)}'
    facts = [code(spec.id)]
    if spec.output:
        facts.append("output node")
    if spec.aliases:
        facts.append(f"also found as {', '.join(map(plain, spec.aliases))}")
    return ["", heading, "", f"{plain(spec.description)} ({'; '.join(facts)})", *_tables(spec, Catalogue())]


# ----------------------------------------------------------------------------------------------------- tables


def _tables(spec: NodeSpec, words: Catalogue) -> list[str]:
    """Lines with a table of the inputs and one of the outputs, each only if there are any."""
    say = words.phrase
    lines: list[str] = []
    if spec.inputs:
        headings = [say(one) for one in ("input", "type", "default", "takes", "what it is")]
        lines += ["", *_table(headings, [_input(one, words) for one in spec.inputs])]
    if spec.outputs:
        headings = [say(one) for one in ("output", "type", "what it is")]
        lines += ["", *_table(headings, [_output(one, words) for one in spec.outputs])]
    return lines


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; cells are Markdown of one line."""
    return [f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows)]


def _input(one: InputSpec, words: Catalogue) -> list[str]:
    return [_name(one, words), _type(one, words), _default(one, words), _range(one), plain(words.text(one.description))]


def _output(one: OutputSpec, words: Catalogue) -> list[str]:
    return [_name(one, words), _type(one, words), plain(words.text(one.description))]


def _name(one: InputSpec | OutputSpec, words: Catalogue) -> str:
    """The name in files; before it the one that the editor shows, if that is another."""
    shown = words.name(one.name)
    return code(one.name) if shown == one.name else f"{plain(shown)} {code(one.name)}"


def _type(one: InputSpec | OutputSpec, words: Catalogue) -> str:
    return f"{code(one.socket)} ({words.phrase('list')})" if one.is_list else code(one.socket)


def _default(one: InputSpec, words: Catalogue) -> str:
    if one.required:
        return words.phrase("required")
    return code(json.dumps(one.default, ensure_ascii=False)) if one.is_widget else words.phrase("none")


def _range(one: InputSpec) -> str:
    """What may be typed. The choices of a combo that is filled at run time depend on the machine, and are left out."""
    if isinstance(one.choices, Choices):
        return ""
    if one.choices:
        return ", ".join(code(choice) for choice in one.choices)
    low, high = (None if bound is None else _number(bound) for bound in (one.minimum, one.maximum))
    if one.odd and one.minimum is not None:
        return f"{low}, {_number(one.minimum + 2)} … {high or ''}".rstrip()
    if low is not None and high is not None:
        return f"{low} … {high}"
    return f"≥ {low}" if low is not None else "" if high is None else f"≤ {high}"


def _number(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)


# ---------------------------------------------------------------------------------------------------- Markdown


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
