"""Which columns of a table set which of a graph's inputs."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.graph import Graph, InputSetter, Link, execution_order, settable
from api_graph.graph.inputs import InputAddress as Place
from api_graph.graph.inputs import InputNames
from api_graph.graph.words import closest
from api_graph.registry import Registry


class Binding:
    """A graph whose inputs the rows of a table set.

    A column sets the input that has its name; `columns` maps names of inputs to columns that are called otherwise.
    Other columns set nothing: they are the row's own affair. Where `texts` is set, as for CSV, values are texts and
    are read as the command line's are.
    """

    def __init__(
        self, graph: Graph, registry: Registry, columns: Mapping[str, str] | None = None, *, texts: bool = False
    ) -> None:
        self.graph, self.registry, self.texts = graph, registry, texts
        self._names = InputNames(graph, registry)
        self._setter = InputSetter(graph, registry)
        self._named = {column: name for name, column in (columns or {}).items()}
        self._inputs: dict[str, str | None] = {}
        self._free = frozenset(self._names.free)
        self._known = tuple(name for s in settable(graph, registry) if s.given for name in s.names)
        self._places: dict[str, Place] = {}  # by the column that sets it
        for name in columns or {}:
            self._refuse_linked(name)

    def check(self, columns: Sequence[str]) -> None:
        """Raise BadInput where `columns` set nothing, or lack one that was promised; warn of names that nearly fit."""
        missing = [column for column in self._named if column not in columns]
        if missing:
            raise BadInput("the table has no such column", input="--column", value=missing[0], hint=_there(columns))
        if not any([self._input(column) for column in columns]):  # the list: each is looked up, and warned of
            names = ", ".join(s.name for s in settable(self.graph, self.registry) if s.given)
            raise BadInput(
                f"none of its columns is an input of the graph, which has: {names}",
                input="ROWS",
                value=", ".join(columns),
                hint="Rename one, or say --column NAME=COLUMN.",
            )

    def graph_of(self, values: Mapping[str, Any]) -> Graph:
        """The graph with a row's values in it. Raises GraphError; null leaves an input as it is in the graph."""
        bound = {n: value for column, value in values.items() if value is not None and (n := self._input(column))}
        return self._setter.set({}, bound) if self.texts else self._setter.set(bound)

    def own_nodes(self) -> frozenset[str]:
        """Ids of the nodes that depend on every input that the rows set: no other row will have the same result."""
        every = frozenset(self._places.values())
        return frozenset(id for id, above in self._places_above().items() if every and above == every)

    def nodes_by_columns(self, columns: Iterable[str]) -> dict[frozenset[str], list[str]]:
        """Ids of the nodes that depend on any of the `columns`, by all columns that they depend on."""
        for column in columns:
            self._input(column)
        named = {place: column for column, place in self._places.items()}
        nodes: dict[frozenset[str], list[str]] = defaultdict(list)
        for id, above in self._places_above().items():
            if above:
                nodes[frozenset(named[place] for place in above)].append(id)
        return dict(nodes)

    def _places_above(self) -> dict[str, frozenset[Place]]:
        """For each node, the inputs set by rows that it depends on."""
        above: dict[str, frozenset[Place]] = {}
        for id in execution_order(self.graph, list(self.graph.nodes)):
            node = self.graph.nodes[id]
            own = frozenset(place for place in self._places.values() if place[0] == id)
            parents = (value.node for value in node.inputs.values() if isinstance(value, Link))
            above[id] = own.union(*(above[parent] for parent in parents))
        return above

    def _refuse_linked(self, name: str) -> None:
        """Raise GraphError for a name that means nothing, BadInput where another node feeds what it means."""
        place = self._names.find(name)
        if self._is_linked(place):
            hint = "Name an input of the node that feeds it."
            raise BadInput("is linked: another node feeds it", input="--column", value=name, hint=hint)

    def _is_linked(self, place: Place) -> bool:
        node, input = place
        return isinstance(self.graph.nodes[node].inputs.get(input), Link)

    def _input(self, column: str) -> str | None:
        """The name of the input that a column sets, or None."""
        if column not in self._inputs:
            self._inputs[column] = self._look_up(column)
        return self._inputs[column]

    def _look_up(self, column: str) -> str | None:
        if column in self._named:
            name = self._named[column]
            self._places[column] = self._names.find(name)
            return name
        fitting = self._names.matching(column)
        free = [place for place in fitting if place in self._free]
        if len(free) == 1:
            self._places[column] = free[0]
            return column
        if free:
            names = " or ".join(self._names.full_name(*place) for place in free)
            hint = f"say --column '{self._names.full_name(*free[0])}={column}', if that is meant (or {names})"
        elif len(fitting) == 1 and self._is_linked(fitting[0]) and "." in column:
            hint = f"another node feeds {self._names.full_name(*fitting[0])}"
        else:
            near = closest(column, self._known)
            hint = f"did you mean {near}?" if near else ""
        if hint:
            warnings.warn(f"the column {column} sets nothing: {hint}", ApiGraphWarning, stacklevel=2)
        return None


def _there(columns: Sequence[str]) -> str:
    return f"There are: {', '.join(columns)}."
