"""A graph in words: what each of its nodes does, in the order in which they run, what is set in it, what feeds it."""

from __future__ import annotations

from typing import NamedTuple

from api_graph.graph.model import Graph, GraphNode, Link, title_of
from api_graph.graph.order import execution_order
from api_graph.graph.validate import validate
from api_graph.registry import Registry
from api_graph.spec import NodeSpec


class SetValue(NamedTuple):
    """A value that the graph sets. `default` is what it would be else; of a `required` one there is none."""

    input: str
    value: object
    default: object
    required: bool


class Wire(NamedTuple):
    """What feeds an input: the step, its title, and which of its outputs where it has several."""

    input: str
    step: int
    title: str
    output: str


class Step(NamedTuple):
    """A node of a graph. `name` is the title of its class; it `runs` if something that is saved or shown needs it."""

    number: int
    id: str
    title: str
    name: str
    class_type: str
    does: str
    settings: tuple[SetValue, ...]
    wires: tuple[Wire, ...]
    output: bool
    runs: bool


def explained(graph: Graph, registry: Registry) -> list[Step]:
    """The steps of a graph in their order: those that run, then those that nothing needs.

    Values that stand at their default are left out. Raises GraphError for a graph that cannot run.
    """
    validate(graph, registry)
    specs = {id: registry[node.class_type] for id, node in graph.nodes.items()}
    needed = execution_order(graph, [id for id, spec in specs.items() if spec.output])
    order = [*needed, *(id for id in execution_order(graph) if id not in set(needed))]
    numbers = {id: number for number, id in enumerate(order, start=1)}
    return [
        Step(
            number=numbers[id],
            id=id,
            title=title_of(graph.nodes[id], specs[id]),
            name=specs[id].title,
            class_type=graph.nodes[id].class_type,
            does=specs[id].summary,
            settings=_settings(graph.nodes[id], specs[id]),
            wires=tuple(_wire(graph, specs, numbers, input, link) for input, link in graph.nodes[id].links().items()),
            output=specs[id].output,
            runs=numbers[id] <= len(needed),
        )
        for id in order
    ]


def _settings(node: GraphNode, spec: NodeSpec) -> tuple[SetValue, ...]:
    found: list[SetValue] = []
    for name, value in node.literals().items():
        declared = spec.input(name)
        if declared is not None and (declared.required or not _same(value, declared.default)):
            default = None if declared.required else declared.default
            found.append(SetValue(name, value, default, declared.required))
    return tuple(found)


def _same(value: object, default: object) -> bool:
    """Whether a value is the default: 1 and 1.0 are one number, but true is none."""
    return value == default and isinstance(value, bool) == isinstance(default, bool)


def _wire(graph: Graph, specs: dict[str, NodeSpec], numbers: dict[str, int], input: str, link: Link) -> Wire:
    outputs = specs[link.node].outputs
    output = outputs[link.output].name if len(outputs) > 1 else ""
    return Wire(input, numbers[link.node], title_of(graph.nodes[link.node], specs[link.node]), output)
