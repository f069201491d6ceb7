"""What feeds an input in the end: through reroutes, bypassed nodes, and in and out of subgraphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from api_graph.graph.model import Link
from api_graph.graph.validate import fits
from api_graph.graph.words import one_line, quoted
from api_graph.graph.workflow.model import BYPASSED, GETTERS, MUTED, SETTERS, Node, Slot
from api_graph.graph.workflow.scopes import Scope

PRIMITIVE = "PrimitiveNode"
PASSING_ON = ("Reroute", "Reroute (rgthree)", "ReroutePrimitive|pysssss")
_ANY = "*"
_LINK_AGAIN = "Open the file in the editor, link the input again, and save it."


@dataclass(frozen=True)
class Value:
    """A value that is typed in elsewhere: into a primitive, or into a widget of a subgraph's instance."""

    value: Any


@dataclass(frozen=True)
class Broken:
    """A link that leads nowhere."""

    problem: str
    hint: str = _LINK_AGAIN


@dataclass(frozen=True)
class _Output:
    """An output on the way, and the type that the input wants of it."""

    scope: Scope
    node: str
    slot: int
    type: str


End = Link | Value | Broken | None


class Links:
    """Follows links to their ends.

    `slots_of` gives all slots of a node, `promoted` what a subgraph's input holds that nothing feeds.
    """

    def __init__(self, slots_of: Callable[[Node], list[Slot]], promoted: Callable[[Scope, int], Any]) -> None:
        self._slots_of, self._promoted = slots_of, promoted
        self._ends: dict[_Output, End] = {}

    def end(self, scope: Scope, slot: Slot) -> End:
        """What feeds a slot of a node in `scope`; None if nothing does, or a muted node."""
        here = self._feeding(scope, slot)
        way: list[_Output] = []
        on_way: set[_Output] = set()
        while isinstance(here, _Output) and here not in self._ends:
            if here in on_way:
                here = Broken("the link runs in a circle, through nodes that only pass on", "Cut one of its links.")
                break
            way.append(here)
            on_way.add(here)
            here = self._next(here)
        found = self._ends[here] if isinstance(here, _Output) else here
        for passed in way:  # all that pass through here lead to the same end
            self._ends[passed] = found
        return found

    def _feeding(self, scope: Scope, slot: Slot, type: str | None = None) -> _Output | End:
        """The output that feeds a slot."""
        if slot.link is None:
            return None
        wire = scope.level.wires.get(slot.link)
        if wire is None:
            return Broken(f"its link, {one_line(slot.link)}, is not in the file")
        if wire.origin == scope.level.input_id:
            return self._outside(scope, wire.slot)
        if wire.origin not in scope.level.nodes:
            return Broken(f"its link comes from node {quoted(wire.origin)}, which is not in the file")
        return _Output(scope, wire.origin, wire.slot, type or slot.type)

    def _outside(self, scope: Scope, place: int) -> _Output | End:
        """What feeds input number `place` of the subgraph that `scope` is the inside of."""
        if place >= len(scope.level.inputs):
            return Broken(f"its link comes from an input that the subgraph {quoted(scope.level.name)} does not have")
        slot = scope.fed.get(place)
        if slot is None or slot.link is None or scope.parent is None:
            value = self._promoted(scope, place)
            return None if value is None else Value(value)
        return self._feeding(scope.parent, slot)

    def _next(self, output: _Output) -> _Output | End:
        scope, slot = output.scope, output.slot
        node = scope.level.nodes[output.node]
        if node.type == PRIMITIVE:  # a note to its targets, which counts even where it is muted
            return None if node.first_value is None else Value(node.first_value)
        if node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            through = self._bypassed(node, slot, output.type)
            return None if through is None else self._feeding(scope, through)
        if node.id in scope.children:
            return self._from_inside(scope.children[node.id], slot, output.type)
        if node.type in PASSING_ON + SETTERS:
            return self._feeding(scope, node.inputs[0], output.type) if node.inputs else None
        if node.type in GETTERS:
            return self._set_elsewhere(scope, node, output.type)
        return Link(scope.api_id(node.id), slot)

    def _from_inside(self, scope: Scope, place: int, type: str) -> _Output | End:
        """What a subgraph's output number `place` gives."""
        wire = scope.level.to_rim.get(place)
        if wire is None:
            missing = f"its link comes from an output that the subgraph {quoted(scope.level.name)} does not have"
            return None if place < scope.level.outputs else Broken(missing)
        if wire.origin == scope.level.input_id:
            return self._outside(scope, wire.slot)
        if wire.origin not in scope.level.nodes:
            return Broken(f"in the subgraph {quoted(scope.level.name)}, output {place} comes from no node")
        return _Output(scope, wire.origin, wire.slot, type)

    def _set_elsewhere(self, scope: Scope, getter: Node, type: str) -> _Output | Broken:
        """The output of the node that sets the name which `getter` gets: next to it, or outside of its subgraph."""
        name = getter.first_value
        for around in _outwards(scope):
            if isinstance(name, str) and name in around.level.setters:
                return _Output(around, around.level.setters[name], 0, type)
        return Broken(f"node {one_line(getter.id)} gets {quoted(str(name))}, which no node sets", "Set it, or link it.")

    def _bypassed(self, node: Node, slot: int, type: str) -> Slot | None:
        """The slot whose link takes the place of output number `slot` of a bypassed node.

        That of the same number if it fits, else the first of the same type, else the first that fits.
        """
        slots = self._slots_of(node)
        if type == _ANY:
            return slots[slot] if slot < len(slots) else next(iter(slots), None)
        given = node.outputs[slot] if slot < len(node.outputs) else _ANY

        def passes(one: Slot) -> bool:
            return fits(one.type, given) and fits(one.type, type)

        if slot < len(slots) and passes(slots[slot]):
            return slots[slot]
        same = next((one for one in slots if one.type == type), None)
        return same or next((one for one in slots if passes(one)), None)


def _outwards(scope: Scope) -> Iterator[Scope]:
    around: Scope | None = scope
    while around is not None:
        yield around
        around = around.parent
