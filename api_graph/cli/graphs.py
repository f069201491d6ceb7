"""`api-graph graphs` and `api-graph check`: the shipped graphs, and what is wrong with a graph or can be set in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from api_graph.cli.console import one_line, print_json, print_table, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, GraphName, Json

if TYPE_CHECKING:
    from api_graph.graph import Settable


def graphs(as_json: Json = False, debug: Debug = False) -> int:
    """List the shipped graphs: what they take and give."""
    from api_graph.graph import read_graph, settable
    from api_graph.registry import described_nodes
    from api_graph.settings import shipped

    registry = described_nodes()
    facts: list[dict[str, object]] = []
    rows: list[tuple[str, str, str]] = []
    for name, file in shipped().items():
        graph = read_graph(file, registry)
        # A graph says itself what it is for: by the sources that its author titled, and by its output nodes.
        titled = [one for one in settable(graph, registry) if one.given and one.name == one.title]
        takes = [one.name for one in titled if not graph.nodes[one.node].links()]
        specs = [(node, registry[node.class_type]) for node in graph.nodes.values()]
        gives = [node.title or spec.title for node, spec in specs if spec.output]
        facts.append({"name": name, "file": file, "takes": takes, "gives": gives})
        rows.append((name, ", ".join(takes), ", ".join(gives)))
    if as_json:
        print_json(facts)
    else:
        print_table(("graph", "takes", "gives"), rows)
    return OK


def check(graph: GraphName, as_json: Json = False, debug: Debug = False) -> int:
    """Check a graph, and list what can be set in it."""
    from api_graph.graph import check_values, read_graph, settable, validate
    from api_graph.registry import described_nodes
    from api_graph.settings import find_graph

    file = find_graph(graph)
    registry = described_nodes()
    read = read_graph(file, registry)
    validate(read, registry)
    check_values(read, registry)
    inputs = settable(read, registry)
    if as_json:
        print_json({"ok": True, "graph": graph, "nodes": len(read.nodes), "inputs": [_facts(one) for one in inputs]})
        return OK
    say(f"{one_line(str(file))}: {len(read.nodes)} nodes, nothing wrong.")
    if inputs:
        say("\nWhat can be set, with --set NAME=VALUE:")
        print_table(("name", "type", "value", "takes"), [_row_of(one) for one in inputs])
    return OK


def _row_of(one: Settable) -> tuple[str, str, str, str]:
    from api_graph.graph.literals import wanted

    value = "" if one.spec.required and not one.given else json.dumps(one.value, ensure_ascii=False)
    return one.name, one.socket, value if one.given else f"{value} (default)", wanted(one.spec)


def _facts(one: Settable) -> dict[str, object]:
    from api_graph.spec import Choices

    spec = one.spec
    return {
        "name": one.name,
        "names": one.names,
        "node": one.node,
        "title": one.title,
        "input": one.input,
        "type": one.socket,
        "value": one.value,
        "given": one.given,
        "default": None if spec.required else spec.default,
        "required": spec.required,
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "odd": spec.odd,
        "choices": None if spec.choices is None or isinstance(spec.choices, Choices) else spec.choices,
        "description": spec.description,
    }
