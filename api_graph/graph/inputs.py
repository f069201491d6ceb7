"""What a graph lets its user set, and the graph with other values in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from api_graph.errors import BadInput
from api_graph.graph.faults import Fault, GraphError, fault_at
from api_graph.graph.literals import json_problem, literal_problem, parse_value
from api_graph.graph.model import Graph, GraphNode, Link, label, title_of, value_to_api
from api_graph.graph.names import Names, Place
from api_graph.graph.words import listed, quoted
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Settable:
    """One value that a graph lets its user set.

    `names` are all its names, the handiest first (`query`), the full one last (`Mean filter.kernel_size`). `value` is
    what the graph has now; where `given` is false the graph leaves the input out, and `value` is the default (REQUIRED
    where there is none). `spec` has the choices, the range and the description.
    """

    names: tuple[str, ...]
    node: str
    title: str
    input: str
    socket: str
    value: Any
    given: bool
    spec: InputSpec

    @property
    def name(self) -> str:
        """The handiest name."""
        return self.names[0]


def settable(graph: Graph, registry: Registry) -> list[Settable]:
    """All values that can be set, in file order: those the graph gives, then those it leaves at their default."""
    names = Names(graph, registry)
    return [_settable(graph, registry, place, names.all_names(*place)) for place in names.free()]


def _settable(graph: Graph, registry: Registry, place: Place, names: tuple[str, ...]) -> Settable:
    node, spec, input = _at(graph, registry, place)
    return Settable(
        names=names,
        node=node.id,
        title=title_of(node, spec),
        input=input.name,
        socket=input.socket,
        value=value_to_api(node.inputs.get(input.name, input.default)),
        given=input.name in node.inputs,
        spec=input,
    )


def _at(graph: Graph, registry: Registry, place: Place) -> tuple[GraphNode, NodeSpec, InputSpec]:
    node = graph.nodes[place[0]]
    spec = registry[node.class_type]
    input = spec.input(place[1])
    assert input is not None  # Names gives only places that the node's class declares
    return node, spec, input


def set_inputs(
    graph: Graph,
    registry: Registry,
    values: Mapping[str, Any],
    texts: Mapping[str, str] = _NOTHING,
) -> Graph:
    """A new graph with other values at the named inputs; `graph` stays as it is.

    `values` are JSON values by name; `texts` are what a command line or a table's column gives by name, read as
    `parse_value` does. See `Names` for what a name may be. Raises a GraphError with every fault: an unknown or
    ambiguous name, an input that is linked, a value that the input does not take.
    """
    return InputSetter(graph, registry).set(values, texts)


class InputSetter:
    """Sets a graph's inputs many times over, as for the rows of a table; see `set_inputs`."""

    def __init__(self, graph: Graph, registry: Registry) -> None:
        self._graph, self._registry = graph, registry
        self._names = Names(graph, registry)
        self._options = cache(InputSpec.options)

    def set(self, values: Mapping[str, Any], texts: Mapping[str, str] = _NOTHING) -> Graph:
        """A new graph with other values at the named inputs. Raises GraphError."""
        given = [(name, value, self._checked) for name, value in values.items()]
        given += [(name, text, self._parsed) for name, text in texts.items()]
        faults: list[Fault] = []
        changed: dict[Place, Any] = {}
        names: dict[Place, str] = {}
        for name, value, read in given:
            try:
                place = self._names.find(name)
                changed[place] = read(place, value)
                if place in names:
                    problem = f"it is set twice, as {quoted(names[place])} and as {quoted(name)}"
                    raise GraphError([self._fault(place, value, problem, "Set it once.")])
                names[place] = name
            except GraphError as error:
                faults += error.faults
        if faults:
            raise GraphError(faults)
        return self._with(changed)

    def _parsed(self, place: Place, text: str) -> Any:
        """The checked value that `text` means. Raises GraphError."""
        spec = self._free_input(place)
        try:
            value = parse_value(text, spec)
        except BadInput as error:
            raise GraphError([self._fault(place, text, error.problem, error.hint)]) from None
        return self._checked(place, value)

    def _checked(self, place: Place, value: Any) -> Any:
        """`value`, if its place takes it. Raises GraphError."""
        spec = self._free_input(place)
        problem = json_problem(value) or literal_problem(value, spec, self._options)
        if problem:
            raise GraphError([self._fault(place, value, *problem)])
        return value

    def _free_input(self, place: Place) -> InputSpec:
        """The spec of an input that is not linked. Raises GraphError for one that is."""
        node, _, input = _at(self._graph, self._registry, place)
        link = node.inputs.get(input.name)
        if not isinstance(link, Link):
            return input
        source = self._graph.nodes.get(link.node)
        if source is None:
            raise GraphError(
                [self._fault(place, link, f"it is linked to {quoted(link.node)}", "No such node is there.")]
            )
        feeding = [self._names.all_names(*p)[0] for p in self._names.free() if p[0] == source.id]
        hint = f"Set that instead: {listed(feeding)}." if feeding else "Set what feeds that, or cut the link."
        problem = f"it is linked: node {label(source, self._registry.get(source.class_type))} feeds it"
        raise GraphError([self._fault(place, link, problem, hint)])

    def _fault(self, place: Place, value: Any, problem: str, hint: str) -> Fault:
        node, spec, input = _at(self._graph, self._registry, place)
        return fault_at(node, spec, input.name, value, problem, hint)

    def _with(self, changed: Mapping[Place, Any]) -> Graph:
        if not changed:
            return self._graph
        nodes = dict(self._graph.nodes)
        for (id, input), value in changed.items():
            nodes[id] = replace(nodes[id], inputs={**nodes[id].inputs, input: value})
        # The editor's own form of the graph has the old values, and an editor that opens a saved picture goes by it.
        extra = {name: value for name, value in self._graph.extra.items() if name != "workflow"}
        return replace(self._graph, nodes=nodes, extra=extra)
