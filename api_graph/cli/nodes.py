"""`api-graph nodes`: the nodes that graphs may use."""

from __future__ import annotations

import json
from difflib import get_close_matches
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api_graph.cli.console import print_json, print_table, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json
from api_graph.errors import BadInput

if TYPE_CHECKING:
    from api_graph.registry import Registry
    from api_graph.spec import NodeSpec

_MOST_NEAR = 4


def _names_of_nodes() -> list[str]:
    """The nodes' ids, for the shell's completion."""
    from api_graph.registry import described_nodes

    return [*described_nodes()]


def nodes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A node's id or title; all nodes if left out.", autocompletion=_names_of_nodes
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """List the nodes, or show one of them in full."""
    from api_graph.registry import described_nodes
    from api_graph.spec.schema import describe, node_schema

    registry = described_nodes()
    if name is None:
        if as_json:
            print_json([describe(spec) for spec in registry.values()])
        else:
            rows = [(spec.id, spec.title, spec.category, spec.summary) for spec in registry.values()]
            print_table(("node", "title", "category", "what it does"), rows)
        return OK
    spec = _find(name, registry)
    if as_json:
        print_json({**describe(spec), "schema": node_schema(spec)})
    else:
        _print_node(describe(spec))
    return OK


def _find(name: str, registry: Registry) -> NodeSpec:
    """The node with this id, else title, else title of before; upper and lower case are one. Raises BadInput."""
    wanted = name.casefold()
    for named in (attrgetter("id"), attrgetter("title"), attrgetter("formerly")):
        for spec in registry.values():
            if wanted and named(spec).casefold() == wanted:
                return spec
    known = {n.casefold(): n for spec in registry.values() for n in (spec.id, spec.title, *spec.aliases)}
    holding = {known[n] for n in known if wanted.strip() and wanted in n}
    near = [known[n] for n in get_close_matches(wanted, known, n=1)] or sorted(holding)[:_MOST_NEAR]
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    raise BadInput("there is no such node", input="NAME", value=name, hint=f"{meant}`api-graph nodes` lists them.")


def _print_node(facts: dict[str, Any]) -> None:
    say(f"{facts['id']} — {facts['title']}")
    say(facts["category"])
    say(f"\n{facts['description']}")
    if facts["aliases"]:
        say(f"Also known as: {', '.join(facts['aliases'])}.")
    for heading, described in (("Inputs", facts["inputs"]), ("Outputs", facts["outputs"])):
        if described:
            say(f"\n{heading}")
        for one in described:
            say(f"  {one['name']}: {_socket(one)}{_rule(one)}")
            if one["description"]:
                say(f"      {one['description']}")


def _socket(facts: dict[str, Any]) -> str:
    return f"list of {facts['socket']}" if facts["list"] else facts["socket"]


def _rule(facts: dict[str, Any]) -> str:
    """Default of an input, and what it takes; nothing for an output."""
    if "required" not in facts:
        return ""
    if not facts["literal"]:
        return "" if facts["required"] else " (optional)"
    default = "" if facts["required"] else f" = {json.dumps(facts['default'], ensure_ascii=False)}"
    takes = _takes(facts)
    return f"{default}{f' ({takes})' if takes else ''}"


def _takes(facts: dict[str, Any]) -> str:
    """Range or choices of a value that is typed."""
    if facts.get("choices"):
        return ", ".join([*facts["choices"], *(["any other text"] if facts["open"] else [])])
    low, high = facts.get("minimum"), facts.get("maximum")
    if low is None and high is None:
        return ""
    odd = "odd, " if facts.get("odd") else ""
    return odd + (f"at least {low}" if high is None else f"at most {high}" if low is None else f"{low} to {high}")
