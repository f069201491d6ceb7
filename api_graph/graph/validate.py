"""Check a graph against the nodes' contracts: every fault at once, each with its input and a hint."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache

from api_graph.errors import BadInput
from api_graph.graph.faults import NO_VALUE, Fault, GraphError, fault_at, file_fault
from api_graph.graph.literals import literal_problem, wanted
from api_graph.graph.model import Graph, GraphNode, Link, Unreadable, label
from api_graph.graph.order import cycle_faults
from api_graph.graph.words import closest, listed, one_line, quoted
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec

LISTS_NODES = "`api-graph nodes` lists the nodes that there are."


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
    checker = _NodeChecker(graph, registry)
    rank = {id: position for position, id in enumerate(graph.nodes)}
    faults = [fault for node in graph.nodes.values() for fault in checker.faults_of(node)]
    faults += cycle_faults(graph, registry)
    faults.sort(key=lambda fault: rank[fault.node])
    specs = [registry.get(node.class_type) for node in graph.nodes.values()]
    if not any(spec is None or spec.output for spec in specs):  # an unknown class might be the output
        would_do = listed([spec.id for spec in registry.values() if spec.output])
        faults.append(file_fault("nothing in the graph puts a result out", f"Add an output node: {would_do}."))
    return faults


def check_values(graph: Graph, registry: Registry, without: Collection[tuple[str, str]] = ()) -> None:
    """Raise a GraphError for values of a valid graph that their nodes would not take, whatever else they get.

    Which inputs tell so before a run, their `Check` says. Inputs in `without`, node id and name, have others in a run.
    """
    faults: list[Fault] = []
    for node in graph.nodes.values():
        for input in registry[node.class_type].inputs:
            if input.refuse is not None and (node.id, input.name) not in without:
                faults += refused_value(node, registry[node.class_type], input)
    if faults:
        raise GraphError(faults)


def refused_value(node: GraphNode, spec: NodeSpec, input: InputSpec) -> list[Fault]:
    """The fault of a value that a node would not take; none where it takes it, or the input says nothing of it."""
    value = node.inputs.get(input.name, input.default)
    if input.refuse is None or value == input.default or isinstance(value, Link):
        return []
    try:
        input.refuse(value)
    except BadInput as error:
        where = "" if error.input in (None, input.name) else f"{error.input}: "
        return [fault_at(node, spec, input.name, value, f"{where}{error.problem}", error.hint)]
    return []


def fits(given: str, taken: str) -> bool:
    """Whether an output socket may feed an input socket: `*` fits all, `INT,FLOAT` is either (ComfyUI's rule)."""
    given_names, taken_names = ({name.strip() for name in socket.split(",")} for socket in (given, taken))
    return "*" in given_names or "*" in taken_names or bool(given_names & taken_names)


def unknown_class(node: GraphNode, registry: Registry) -> Fault:
    """The fault of a node whose class is not in the registry."""
    classes = {spec.title: spec for spec in registry.values()} | dict(registry)
    near = closest(node.class_type, classes)
    hint = LISTS_NODES
    if near:
        spec = classes[near]
        hint = f"Did you mean {spec.id} ({quoted(spec.title)})? {hint}"
    return fault_at(node, None, None, NO_VALUE, f"there is no node class {quoted(node.class_type)}", hint)


class _NodeChecker:
    """Checks one node at a time against its spec and against the nodes that feed it."""

    def __init__(self, graph: Graph, registry: Registry) -> None:
        self._graph, self._registry = graph, registry
        self._ids = list(graph.nodes)
        self._choices_of = cache(InputSpec.options)

    def faults_of(self, node: GraphNode) -> Iterator[Fault]:
        spec = self._registry.get(node.class_type)
        if spec is None:
            yield unknown_class(node, self._registry)
            return
        for name, value in node.inputs.items():
            input = spec.input(name)
            if input is None:
                problem = _unknown_input(spec, name)
            elif isinstance(value, Unreadable):
                problem = value.problem, value.hint
            elif isinstance(value, Link):
                problem = self._link_problem(spec, input, value)
            else:
                problem = literal_problem(value, input, self._choices_of)
            if problem:
                yield fault_at(node, spec, name, value, *problem)
        missing = [input for input in spec.inputs if input.required and input.name not in node.inputs]
        misspelt = {_meant(spec, name) for name in node.inputs} if missing else ()
        for input in missing:
            if input.name not in misspelt:
                hint = f"Give {wanted(input, self._choices_of)}."
                yield fault_at(node, spec, input.name, NO_VALUE, "missing, and it has no default", hint)

    def _link_problem(self, spec: NodeSpec, input: InputSpec, link: Link) -> tuple[str, str] | None:
        """What is wrong with a link into `input`, and a hint; None if it is fine or its node's class is unknown."""
        if input.name in spec.fingerprinted:
            problem = "a link, but it names a file whose content enters the cache key, before anything runs"
            return problem, f"Type {wanted(input, self._choices_of)}."
        source = self._graph.nodes.get(link.node)
        if source is None:
            return f"there is no node {quoted(link.node)} to link to", f"Link it to one of {listed(self._ids)}."
        source_spec = self._registry.get(source.class_type)
        if source_spec is None:
            return None
        if not 0 <= link.output < len(source_spec.outputs):
            return f"node {label(source, source_spec)} has no output {link.output}", _outputs(source_spec)
        given = source_spec.outputs[link.output].socket
        if not fits(given, input.socket):
            problem = f"node {label(source, source_spec)} gives {given}, which does not fit {input.socket}"
            typed = f", or type {wanted(input, self._choices_of)}" if input.is_widget else ""
            return problem, f"Link {input.socket} to it{typed}."
        return None


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
