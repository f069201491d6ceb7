"""The names by which a graph's inputs are set: `query`, `Mean filter.kernel_size`, `3.kernel_size`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property

from api_graph.graph.faults import NO_VALUE, Fault, GraphError
from api_graph.graph.model import Graph, GraphNode, Link, title_of
from api_graph.graph.words import closest, listed, quoted
from api_graph.registry import Registry

Place = tuple[str, str]
"""Node id and input."""


class Names:
    """Looks a graph's inputs up by name.

    `NODE.input` names any input; NODE is an id, else a title that no other node has; the last dot counts. `NAME` alone
    is the title of a node with one literal input, or with one that has no default (the editor saves the others too),
    else an input that one node alone has as a literal. Upper and lower case differ, unless nothing fits but for case.
    """

    def __init__(self, graph: Graph, registry: Registry) -> None:
        self.graph, self.registry = graph, registry
        self._exact = _Index(graph, registry, str)

    @cached_property
    def _any_case(self) -> _Index:
        return _Index(self.graph, self.registry, str.casefold)

    def find(self, name: str) -> Place:
        """The one place that `name` means. Raises GraphError when there is none, or more than one."""
        places = self.places(name)
        if len(places) == 1:
            return places[0]
        if places:
            names = listed([self.full_name(*place) for place in places])
            raise _name_error(name, "this name fits several inputs", f"Say which: {names}.")
        raise self._unknown(name)

    def places(self, name: str) -> list[Place]:
        """All places that `name` may mean, linked ones among them."""
        return self._exact.find(name) or self._any_case.find(name)

    def full_name(self, node: str, input: str) -> str:
        """`TITLE.input`; `ID.input` where the title is another node's too, or another's id."""
        title = title_of(self.graph.nodes[node], self.registry.get(self.graph.nodes[node].class_type))
        return f"{title}.{input}" if self._exact.called(title) == [node] else f"{node}.{input}"

    def all_names(self, node: str, input: str) -> tuple[str, ...]:
        """Every name of a place, handiest first; the full name is the last.

        A title that someone gave goes before the input's name, and a title that only repeats the class's after it.
        """
        spec = self.registry.get(self.graph.nodes[node].class_type)
        title = title_of(self.graph.nodes[node], spec)
        short = (input, title) if spec and title == spec.title else (title, input)
        fitting = (name for name in short if self._exact.find(name) == [(node, input)])
        return *dict.fromkeys(fitting), self.full_name(node, input)

    def free(self) -> list[Place]:
        """The places that can be set, in file order: those with a value, then those at their default."""
        return self._exact.literals + self._exact.left_out

    def _unknown(self, name: str) -> GraphError:
        names = [self.all_names(*place) for place in self.free()]
        if not names:
            return _name_error(name, "the graph has no such input", "Nothing can be set in this graph.")
        near = closest(name, (n for all_names in names for n in all_names))
        meant = f"Did you mean {quoted(near)}? " if near else ""
        handiest = listed([all_names[0] for all_names in names])
        return _name_error(name, "the graph has no such input", f"{meant}What can be set: {handiest}.")


def _name_error(name: str, problem: str, hint: str) -> GraphError:
    return GraphError([Fault("", "", "", name, NO_VALUE, problem, hint)])


class _Index:
    """Places by name, names compared as `fold` has them."""

    def __init__(self, graph: Graph, registry: Registry, fold: Callable[[str], str]) -> None:
        self.fold = fold
        self.literals: list[Place] = []
        self.left_out: list[Place] = []
        self._ids: defaultdict[str, list[str]] = defaultdict(list)
        self._titles: defaultdict[str, list[str]] = defaultdict(list)
        self._inputs: defaultdict[Place, list[Place]] = defaultdict(list)
        self._sole_literals: defaultdict[str, list[Place]] = defaultdict(list)
        self._by_input: defaultdict[str, list[Place]] = defaultdict(list)
        self._linked: defaultdict[str, list[Place]] = defaultdict(list)
        for node in graph.nodes.values():
            self._add(node, registry)

    def _add(self, node: GraphNode, registry: Registry) -> None:
        spec = registry.get(node.class_type)
        title = self.fold(title_of(node, spec))
        self._ids[self.fold(node.id)].append(node.id)
        self._titles[title].append(node.id)
        literals: list[Place] = []
        required: list[Place] = []
        for input in spec.inputs if spec else ():
            place, key = (node.id, input.name), self.fold(input.name)
            self._inputs[node.id, key].append(place)
            if isinstance(node.inputs.get(input.name), Link):
                self._linked[key].append(place)
            elif input.is_widget and input.name in node.inputs:
                literals.append(place)
                required += [place] if input.required else []
                self._by_input[key].append(place)
            elif input.is_widget:
                self.left_out.append(place)
        sole = literals if len(literals) == 1 else required
        if len(sole) == 1:
            self._sole_literals[title] += sole
        self.literals += literals

    def called(self, node: str) -> list[str]:
        """Ids of the nodes that NODE may mean."""
        return self._ids.get(self.fold(node)) or self._titles.get(self.fold(node)) or []

    def find(self, name: str) -> list[Place]:
        """The places that `name` may mean, by the first rule that fits any."""
        node, _, input = name.rpartition(".")
        full = [place for id in self.called(node) for place in self._inputs.get((id, self.fold(input)), ())]
        key = self.fold(name)
        return full or self._sole_literals.get(key) or self._by_input.get(key) or self._linked.get(key) or []
