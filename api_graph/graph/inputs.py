"""What a graph lets its user set, by which names, and the graph with other values in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from api_graph.errors import BadInput
from api_graph.graph.faults import NO_VALUE, Fault, GraphError, fault_at
from api_graph.graph.literals import json_problem, literal_problem, parse_value
from api_graph.graph.model import Graph, Link, label, title_of, value_to_api
from api_graph.graph.words import closest, listed, quoted
from api_graph.registry import Registry
from api_graph.spec import InputSpec

InputAddress = tuple[str, str]
"""Node id and input name."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Settable:
    """One value that a graph lets its user set.

    `names` are all its names, the handiest first (`query`), the full one last (`Mean filter.kernel_size`). `value` is
    what the graph has now; if `given` is false the graph leaves the input out, and `value` is the default (REQUIRED if
    there is none). `spec` has the choices, the range and the description.
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
    names = InputNames(graph, registry)
    found = []
    for id, name in names.free:
        node, spec = graph.nodes[id], names.specs[id, name]
        one = Settable(
            names=names.all_names(id, name),
            node=id,
            title=title_of(node, registry[node.class_type]),
            input=name,
            socket=spec.socket,
            value=value_to_api(node.inputs.get(name, spec.default)),
            given=name in node.inputs,
            spec=spec,
        )
        found.append(one)
    return found


def set_inputs(
    graph: Graph,
    registry: Registry,
    values: Mapping[str, object],
    texts: Mapping[str, str] = _NOTHING,
) -> Graph:
    """A new graph with other values at the named inputs; `graph` stays as it is.

    `values` are JSON values by name; `texts` are what a command line or a table's column gives by name, read as
    `parse_value` does. See `InputNames` for what a name may be. Raises a GraphError with every fault: an unknown or
    ambiguous name, an input that is linked, a value that the input does not take.
    """
    return InputSetter(graph, registry).set(values, texts)


def on_device(graph: Graph, registry: Registry, device: str, *, input: str = "device") -> Graph:
    """The graph with all its models on `device`; errors call what asked for it `input`.

    Raises BadInput where no loader can be told, GraphError for a device that none knows.
    """
    loaders = [id for id, node in graph.nodes.items() if (spec := registry.get(node.class_type)) and spec.model]
    names = [f"{id}.device" for id in loaders if registry[graph.nodes[id].class_type].input("device")]
    if not names:
        raise BadInput("the graph loads no model that could be told its device", input=input, hint="Leave it out.")
    return set_inputs(graph, registry, dict.fromkeys(names, device))


class InputSetter:
    """Sets a graph's inputs many times over, as for the rows of a table; see `set_inputs`."""

    def __init__(self, graph: Graph, registry: Registry) -> None:
        self._graph, self._registry = graph, registry
        self._names = InputNames(graph, registry)
        self._entries_of = cache(InputSpec.options)

    def set(self, values: Mapping[str, object], texts: Mapping[str, str] = _NOTHING) -> Graph:
        """A new graph with other values at the named inputs. Raises GraphError."""
        given: list[tuple[str, object, bool]] = [(name, value, False) for name, value in values.items()]
        given += [(name, text, True) for name, text in texts.items()]
        faults: list[Fault] = []
        changed: dict[InputAddress, object] = {}
        set_as: dict[InputAddress, str] = {}
        for name, value, is_text in given:
            try:
                address = self._names.find(name)
                changed[address] = self._checked(address, value, is_text)
                if address in set_as:
                    problem = f"it is set twice, as {quoted(set_as[address])} and as {quoted(name)}"
                    raise GraphError([self._fault(address, value, problem, "Set it once.")])
                set_as[address] = name
            except GraphError as error:
                faults += error.faults
        if faults:
            raise GraphError(faults)
        if not changed:
            return self._graph
        nodes = dict(self._graph.nodes)
        for (id, input), value in changed.items():
            nodes[id] = replace(nodes[id], inputs={**nodes[id].inputs, input: value})
        # The editor's own form of the graph has the old values, and an editor that opens a saved picture goes by it.
        extra = {name: value for name, value in self._graph.extra.items() if name != "workflow"}
        return replace(self._graph, nodes=nodes, extra=extra)

    def _checked(self, address: InputAddress, value: object, is_text: bool) -> object:
        """`value`, or what it means as a text, if the input takes it. Raises GraphError."""
        spec = self._names.specs[address]
        link = self._graph.nodes[address[0]].inputs.get(spec.name)
        if isinstance(link, Link):
            raise GraphError([self._linked_fault(address, link)])
        if is_text:
            try:
                value = parse_value(str(value), spec)
            except BadInput as error:
                raise GraphError([self._fault(address, value, error.problem, error.hint)]) from None
        problem = json_problem(value) or literal_problem(value, spec, self._entries_of)
        if problem:
            raise GraphError([self._fault(address, value, *problem)])
        return value

    def _linked_fault(self, address: InputAddress, link: Link) -> Fault:
        """The fault of setting an input that a link feeds."""
        source = self._graph.nodes.get(link.node)
        if source is None:
            return self._fault(address, link, f"it is linked to {quoted(link.node)}", "No such node is there.")
        instead = [self._names.all_names(*other)[0] for other in self._names.free if other[0] == source.id]
        hint = f"Set that instead: {listed(instead)}." if instead else "Set what feeds that, or cut the link."
        problem = f"it is linked: node {label(source, self._registry.get(source.class_type))} feeds it"
        return self._fault(address, link, problem, hint)

    def _fault(self, address: InputAddress, value: object, problem: str, hint: str) -> Fault:
        node = self._graph.nodes[address[0]]
        return fault_at(node, self._registry[node.class_type], address[1], value, problem, hint)


# ------------------------------------------------------------------------------------------------------- names


class InputNames:
    """Finds a graph's inputs by name: `query`, `Mean filter.kernel_size`, `3.kernel_size`.

    `NODE.input` names any input; NODE is an id, else a title that no other node has; the last dot counts. `NAME` alone
    is the title of a node with one literal input, or with one that has no default (the editor saves the others too),
    else an input that one node alone has as a literal. Upper and lower case differ, unless nothing fits but for case.

    `free` are the inputs that can be set, in file order: those with a value, then those at their default. `specs` has
    every input that a node of the graph declares.
    """

    def __init__(self, graph: Graph, registry: Registry) -> None:
        self._graph, self._registry = graph, registry
        self._exact = _Index(graph, registry, str)
        self._any_case: _Index | None = None  # made when a name first needs it
        self.free: list[InputAddress] = self._exact.literals + self._exact.left_out
        self.specs: Mapping[InputAddress, InputSpec] = self._exact.specs

    def find(self, name: str) -> InputAddress:
        """The one input that `name` means. Raises GraphError when there is none, or more than one."""
        fitting = self.matching(name)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            full_names = listed([self.full_name(*address) for address in fitting])
            raise _name_error(name, "this name fits several inputs", f"Say which: {full_names}.")
        raise self._unknown(name)

    def matching(self, name: str) -> list[InputAddress]:
        """All inputs that `name` may mean, linked ones among them."""
        fitting = self._exact.find(name)
        if not fitting:
            self._any_case = self._any_case or _Index(self._graph, self._registry, str.casefold)
            fitting = self._any_case.find(name)
        return fitting

    def full_name(self, node: str, input: str) -> str:
        """`TITLE.input`; `ID.input` if another node has the same title, or has it as its id."""
        title = title_of(self._graph.nodes[node], self._registry.get(self._graph.nodes[node].class_type))
        return f"{title}.{input}" if self._exact.nodes_called(title) == [node] else f"{node}.{input}"

    def all_names(self, node: str, input: str) -> tuple[str, ...]:
        """Every name of an input, handiest first; the full name is the last.

        A title that someone gave goes before the input's name, and a title that only repeats the class's after it.
        """
        spec = self._registry.get(self._graph.nodes[node].class_type)
        title = title_of(self._graph.nodes[node], spec)
        short = (input, title) if spec and spec.is_own_title(title) else (title, input)
        fitting = (name for name in short if self._exact.find(name) == [(node, input)])
        return *dict.fromkeys(fitting), self.full_name(node, input)

    def _unknown(self, name: str) -> GraphError:
        names = [self.all_names(*address) for address in self.free]
        if not names:
            return _name_error(name, "the graph has no such input", "Nothing can be set in this graph.")
        near = closest(name, (n for all_names in names for n in all_names))
        meant = f"Did you mean {quoted(near)}? " if near else ""
        handiest = listed([all_names[0] for all_names in names])
        return _name_error(name, "the graph has no such input", f"{meant}What can be set: {handiest}.")


def _name_error(name: str, problem: str, hint: str) -> GraphError:
    return GraphError([Fault("", "", "", name, NO_VALUE, problem, hint)])


class _Index:
    """A graph's inputs by name; `fold` says which names are equal."""

    def __init__(self, graph: Graph, registry: Registry, fold: Callable[[str], str]) -> None:
        self._fold = fold
        self.specs: dict[InputAddress, InputSpec] = {}
        self.literals: list[InputAddress] = []
        self.left_out: list[InputAddress] = []
        self._ids: defaultdict[str, list[str]] = defaultdict(list)
        self._titles: defaultdict[str, list[str]] = defaultdict(list)
        self._former_titles: defaultdict[str, list[str]] = defaultdict(list)  # of nodes without a title; "" of others
        self._declared: defaultdict[tuple[str, str], list[InputAddress]] = defaultdict(list)  # by id and folded name
        self._sole_literals: defaultdict[str, list[InputAddress]] = defaultdict(list)  # by their node's title
        self._former_literals: defaultdict[str, list[InputAddress]] = defaultdict(list)
        self._literals: defaultdict[str, list[InputAddress]] = defaultdict(list)
        self._linked: defaultdict[str, list[InputAddress]] = defaultdict(list)
        for node in graph.nodes.values():
            spec = registry.get(node.class_type)
            title = fold(title_of(node, spec))
            former = fold(spec.formerly) if spec and spec.formerly and not node.title else ""
            self._ids[fold(node.id)].append(node.id)
            self._titles[title].append(node.id)
            self._former_titles[former].append(node.id)
            literals: list[InputAddress] = []
            for input in spec.inputs if spec else ():
                address, key = (node.id, input.name), fold(input.name)
                self.specs[address] = input
                self._declared[node.id, key].append(address)
                if isinstance(node.inputs.get(input.name), Link):
                    self._linked[key].append(address)
                elif input.is_widget and input.name in node.inputs:
                    literals.append(address)
                    self._literals[key].append(address)
                elif input.is_widget:
                    self.left_out.append(address)
            required = [address for address in literals if self.specs[address].required]
            sole = literals if len(literals) == 1 else required
            if len(sole) == 1:
                self._sole_literals[title] += sole
                self._former_literals[former] += sole
            self.literals += literals

    def nodes_called(self, name: str) -> list[str]:
        """Ids of the nodes with this id, else with this title, else of those whose class had it as its title once."""
        key = self._fold(name)
        return self._ids.get(key) or self._titles.get(key) or (key and self._former_titles.get(key)) or []

    def find(self, name: str) -> list[InputAddress]:
        """The inputs that `name` may mean, by the first rule that fits any."""
        node, _, input = name.rpartition(".")
        full = [one for id in self.nodes_called(node) for one in self._declared.get((id, self._fold(input)), ())]
        key = self._fold(name)
        by_title, former = self._sole_literals.get(key), key and self._former_literals.get(key)
        return full or by_title or self._literals.get(key) or self._linked.get(key) or former or []
