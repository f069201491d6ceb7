"""Hold a graph against the nodes' contracts: every fault at once, each with its place and its hint."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from api_graph.graph.faults import NO_VALUE, Fault, GraphError, fault_at, file_fault
from api_graph.graph.literals import literal_problem, wanted
from api_graph.graph.model import Graph, GraphNode, Link, Unreadable, label
from api_graph.graph.order import cycle_faults
from api_graph.graph.words import closest, listed, one_line, quoted
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec


def validate(graph: Graph, registry: Registry) -> None:
    """Raise a GraphError with all faults, in file order, unless the graph can run."""
    faults = find_faults(graph, registry)
    if faults:
        raise GraphError(faults)


def find_faults(graph: Graph, registry: Registry) -> list[Fault]:
    """All that keeps a graph from running, in file order; [] for a good graph.

    Each cause is named once: what only follows from an unknown class, say, is left out. As in ComfyUI every node's
    class must be known; unlike there, all nodes are checked, not only those that an output needs.
    """
    checker = _Checker(graph, registry)
    rank = {id: position for position, id in enumerate(graph.nodes)}
    faults = [fault for node in graph.nodes.values() for fault in checker.node(node)]
    faults += cycle_faults(graph, registry)
    faults.sort(key=lambda fault: rank[fault.node])
    return [*faults, *_no_output(graph, registry)]


def fits(given: str, taken: str) -> bool:
    """Whether an output socket may feed an input socket: `*` fits all, `INT,FLOAT` is either (ComfyUI's rule)."""
    given_names, taken_names = ({name.strip() for name in socket.split(",")} for socket in (given, taken))
    return "*" in given_names or "*" in taken_names or bool(given_names & taken_names)


def unknown_class(node: GraphNode, registry: Registry) -> Fault:
    """The fault of a node whose class is not in the registry."""
    classes = {spec.title: spec for spec in registry.values()} | dict(registry)
    near = closest(node.class_type, classes)
    hint = "`api-graph nodes` lists the nodes that there are."
    if near:
        spec = classes[near]
        hint = f"Did you mean {spec.id} ({quoted(spec.title)})? {hint}"
    return fault_at(node, None, None, NO_VALUE, f"there is no node class {quoted(node.class_type)}", hint)


def _no_output(graph: Graph, registry: Registry) -> list[Fault]:
    specs = [registry.get(node.class_type) for node in graph.nodes.values()]
    if any(spec is None or spec.output for spec in specs):  # an unknown class might be the output
        return []
    would_do = [spec.id for spec in registry.values() if spec.output]
    return [file_fault("nothing in the graph puts a result out", f"Add an output node: {listed(would_do)}.")]


class _Checker:
    """Checks one node at a time against its spec and against the nodes that feed it."""

    def __init__(self, graph: Graph, registry: Registry) -> None:
        self.graph, self.registry = graph, registry
        self._ids = list(graph.nodes)
        self._options = cache(InputSpec.options)

    def node(self, node: GraphNode) -> Iterator[Fault]:
        spec = self.registry.get(node.class_type)
        if spec is None:
            yield unknown_class(node, self.registry)
            return
        for name, value in node.inputs.items():
            problem = self.input(spec, name, value)
            if problem:
                yield fault_at(node, spec, name, value, *problem)
        misspelt = {_meant(spec, name) for name in node.inputs}
        for input in spec.inputs:
            if input.required and input.name not in node.inputs and input.name not in misspelt:
                hint = f"Give {wanted(input, self._options)}."
                yield fault_at(node, spec, input.name, NO_VALUE, "missing, and it has no default", hint)

    def input(self, spec: NodeSpec, name: str, value: Any) -> tuple[str, str] | None:
        """What is wrong with the value or link at input `name` of a node, and the hint."""
        input = spec.input(name)
        if input is None:
            return _unknown_input(spec, name)
        if isinstance(value, Unreadable):
            return value.problem, value.hint
        if isinstance(value, Link):
            return self._link(spec, input, value)
        return literal_problem(value, input, self._options)

    def _link(self, spec: NodeSpec, input: InputSpec, link: Link) -> tuple[str, str] | None:
        if input.name in spec.fingerprinted:
            problem = "a link, but it names a file whose content enters the cache key, before anything runs"
            return problem, f"Type {wanted(input, self._options)}."
        source = self.graph.nodes.get(link.node)
        if source is None:
            return f"there is no node {quoted(link.node)} to link to", f"Link it to one of {listed(self._ids)}."
        source_spec = self.registry.get(source.class_type)
        if source_spec is None:
            return None
        if not 0 <= link.output < len(source_spec.outputs):
            return f"node {label(source, source_spec)} has no output {link.output}", _outputs(source_spec)
        given = source_spec.outputs[link.output].socket
        if not fits(given, input.socket):
            problem = f"node {label(source, source_spec)} gives {given}, which does not fit {input.socket}"
            return problem, self._relink(input)
        return None

    def _relink(self, input: InputSpec) -> str:
        typed = f", or type {wanted(input, self._options)}" if input.is_widget else ""
        return f"Link {input.socket} to it{typed}."


def _unknown_input(spec: NodeSpec, name: str) -> tuple[str, str]:
    near, names = _meant(spec, name), [input.name for input in spec.inputs]
    meant = f"Did you mean {quoted(near)}? " if near else ""
    return f"{spec.id} has no such input", f"{meant}It takes {listed(names)}." if names else "It takes none."


def _meant(spec: NodeSpec, name: str) -> str | None:
    """The input that an unknown name was probably meant to be."""
    return None if spec.input(name) else closest(name, (input.name for input in spec.inputs))


def _outputs(spec: NodeSpec) -> str:
    if not spec.outputs:
        return "It has none."
    named = ", ".join(f"{i} ({one_line(o.name)}: {o.socket})" for i, o in enumerate(spec.outputs))
    return f"It has {named}."
