"""`api-graph explain`: what a graph does, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_graph.cli.console import one_line, print_json, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, GraphName, Json, Setting, parse_settings

if TYPE_CHECKING:
    from api_graph.draw.explain import Step, Wire


def explain(graph: GraphName, set_: Setting = None, as_json: Json = False, debug: Debug = False) -> int:
    """Say what a graph does, node by node, in the order in which they run.

    Of the settings those are told that differ from the defaults; `api-graph check` lists all.
    """
    from api_graph.draw.cards import CARDS
    from api_graph.draw.explain import explained
    from api_graph.graph import read_graph, set_inputs
    from api_graph.registry import described_nodes
    from api_graph.settings import find_graph, is_shipped

    values = parse_settings(set_ or ())
    registry, file = described_nodes(), find_graph(graph)
    steps = explained(set_inputs(read_graph(file, registry), registry, {}, values), registry)
    card = CARDS.get(file.stem) if is_shipped(graph) else None
    if as_json:
        about = {"what": card.what, "when": card.when} if card is not None else {}
        print_json({"ok": True, "graph": graph, **about, "steps": [_facts(step) for step in steps]})
        return OK
    say(f"{one_line(graph)}: {len(steps)} nodes, in the order in which they run.")
    if card is not None:
        say(f"What it does: {card.what}.")
        say(f"When to use it: {card.when}")
    for step in steps:
        _say_step(step)
    return OK


def _say_step(step: Step) -> None:
    from api_graph.graph.words import as_json

    named = f"{step.title}: {step.name}" if step.title != step.name else step.name
    unused = "" if step.runs else " Nothing that is saved or shown needs it: it does not run."
    say()
    say(one_line(f"{step.number}. {named}"))
    say(f"   {one_line(f'{step.does}.{unused}')}")
    for wire in step.wires:
        say(f"   {one_line(f'{wire.input}: from {_source(wire)}')}")
    for one in step.settings:
        default = "" if one.required else f" (default {as_json(one.default)})"
        say(f"   {one_line(f'{one.input} = {as_json(one.value)}{default}')}")


def _source(wire: Wire) -> str:
    return f"{wire.step}. {wire.title}" + (f", its {wire.output}" if wire.output else "")


def _facts(step: Step) -> dict[str, object]:
    return {
        **step._asdict(),
        "settings": [one._asdict() for one in step.settings],
        "wires": [wire._asdict() for wire in step.wires],
    }
