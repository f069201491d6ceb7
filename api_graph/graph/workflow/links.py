"""What really feeds an input: through reroutes, bypassed nodes, and in and out of subgraphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from api_graph.graph.model import Link
from api_graph.graph.validate import fits
from api_graph.graph.words import one_line, quoted
from api_graph.graph.workflow.model import ANY_TYPE, BYPASSED, GETTERS, MUTED, SETTERS, InputSlot, Node
from api_graph.graph.workflow.scopes import Scope

PRIMITIVE = "PrimitiveNode"
SEED_EVERYWHERE = "Seed Everywhere"
PRESET_TEXT = "PresetText|pysssss"
PASSING_ON = ("Reroute", "Reroute (rgthree)", "ReroutePrimitive|pysssss")
_LINK_AGAIN = "Open the file in the editor, link the input again, and save it."


@dataclass(frozen=True)
class TypedValue:
    """A value that is typed in elsewhere: into a primitive, or into a widget of a subgraph's instance."""

    value: object


@dataclass(frozen=True)
class BrokenLink:
    """A link that leads nowhere."""

    problem: str
    hint: str = _LINK_AGAIN


Source = Link | TypedValue | BrokenLink | None
"""What feeds an input; None if nothing does, or a muted node."""


@dataclass(frozen=True)
class _Output:
    """An output between an input and its source, and the type that the input wants of it."""

    scope: Scope
    node: str
    slot: int
    type: str


class LinkFollower:
    """Follows links back to their sources.

    `slots_of` gives all slots of a node; `promoted` gives the value of a subgraph's input that nothing feeds.
    """

    def __init__(self, slots_of: Callable[[Node], list[InputSlot]], promoted: Callable[[Scope, int], object]) -> None:
        self._slots_of, self._promoted = slots_of, promoted
        self._sources: dict[_Output, Source] = {}

    def source_of(self, scope: Scope, slot: InputSlot) -> Source:
        """What feeds a slot of a node in `scope`."""
        here = self._feeding(scope, slot)
        passed: dict[_Output, None] = {}
        while isinstance(here, _Output) and here not in self._sources:
            if here in passed:
                here = BrokenLink("the link runs in a circle, through nodes that only pass on", "Cut one of its links.")
                break
            passed[here] = None
            here = self._next(here)
        source = self._sources[here] if isinstance(here, _Output) else here
        for output in passed:  # all have the same source
            self._sources[output] = source
        return source

    def _feeding(self, scope: Scope, slot: InputSlot, type: str | None = None) -> _Output | Source:
        """The output that feeds a slot."""
        if slot.link is None:
            return None
        link = scope.level.links.get(slot.link)
        if link is None:
            return BrokenLink(f"its link, {one_line(slot.link)}, is not in the file")
        if link.origin == scope.level.input_id:
            return self._outside(scope, link.origin_slot)
        if link.origin not in scope.level.nodes:
            return BrokenLink(f"its link comes from node {quoted(link.origin)}, which is not in the file")
        return _Output(scope, link.origin, link.origin_slot, type or slot.type)

    def _outside(self, scope: Scope, number: int) -> _Output | Source:
        """What feeds input number `number` of the subgraph that `scope` is the inside of."""
        if number >= len(scope.level.inputs):
            name = quoted(scope.level.name)
            return BrokenLink(f"its link comes from an input that the subgraph {name} does not have")
        slot = scope.fed.get(number)
        if slot is None or slot.link is None or scope.parent is None:
            value = self._promoted(scope, number)
            return None if value is None else TypedValue(value)
        return self._feeding(scope.parent, slot)

    def _next(self, output: _Output) -> _Output | Source:
        scope, slot = output.scope, output.slot
        node = scope.level.nodes[output.node]
        if node.type == PRIMITIVE:  # its value counts even if it is muted
            return None if node.first_value is None else TypedValue(node.first_value)
        if node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            through = self._bypassed(node, slot, output.type)
            return None if through is None else self._feeding(scope, through)
        if node.id in scope.children:
            return self._inside(scope.children[node.id], slot, output.type)
        if node.type in PASSING_ON + SETTERS:
            return self._feeding(scope, node.inputs[0], output.type) if node.inputs else None
        if node.type == SEED_EVERYWHERE:
            return TypedValue(node.first_value)
        if node.type == PRESET_TEXT:
            problem = f"node {one_line(node.id)} gives it a preset's text, which the browser keeps, not the file"
            return BrokenLink(problem, "Type the text in, and cut the link.")
        if node.type in GETTERS:
            return self._set_elsewhere(scope, node, output.type)
        return Link(scope.api_id(node.id), slot)

    def _inside(self, scope: Scope, number: int, type: str) -> _Output | Source:
        """What feeds output number `number` of the subgraph that `scope` is the inside of."""
        link = scope.level.link_to_output.get(number)
        if link is None:
            missing = f"its link comes from an output that the subgraph {quoted(scope.level.name)} does not have"
            return None if number < scope.level.outputs else BrokenLink(missing)
        if link.origin == scope.level.input_id:
            return self._outside(scope, link.origin_slot)
        if link.origin not in scope.level.nodes:
            return BrokenLink(f"in the subgraph {quoted(scope.level.name)}, output {number} comes from no node")
        return _Output(scope, link.origin, link.origin_slot, type)

    def _set_elsewhere(self, scope: Scope, getter: Node, type: str) -> _Output | BrokenLink:
        """The output of the node that sets the name which `getter` gets: next to it, or outside of its subgraph."""
        name = getter.first_value
        around: Scope | None = scope
        while around is not None:
            if isinstance(name, str) and name in around.level.setters:
                return _Output(around, around.level.setters[name], 0, type)
            around = around.parent
        problem = f"node {one_line(getter.id)} gets {quoted(str(name))}, which no node sets"
        return BrokenLink(problem, "Set it, or link it.")

    def _bypassed(self, node: Node, number: int, type: str) -> InputSlot | None:
        """The slot whose link replaces output number `number` of a bypassed node.

        That of the same number if it fits, else the first of the same type, else the first that fits.
        """
        slots = self._slots_of(node)
        if type == ANY_TYPE:
            return slots[number] if number < len(slots) else next(iter(slots), None)
        given = node.outputs[number] if number < len(node.outputs) else ANY_TYPE

        def passes(slot: InputSlot) -> bool:
            return fits(slot.type, given) and fits(slot.type, type)

        if number < len(slots) and passes(slots[number]):
            return slots[number]
        same_type = next((slot for slot in slots if slot.type == type), None)
        return same_type or next((slot for slot in slots if passes(slot)), None)
