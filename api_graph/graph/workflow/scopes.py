"""Subgraphs laid open: one Scope for the canvas, and one for each subgraph's instance that runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from api_graph.graph.document import MOST_NODES
from api_graph.graph.faults import file_error
from api_graph.graph.words import quoted
from api_graph.graph.workflow.model import API_ID, Level, Node, Slot, Workflow

MOST_DEEP = 100

_OWN_INPUT = "-1"
_OLD_PREFIXES = re.compile(r"(?:\s*\d+\s*:\s*(?=\S))+")


@dataclass(eq=False)
class Scope:
    """Where nodes stand: the canvas, or the inside of the subgraph that `host`, a node of `parent`, stands for.

    `promoted` are the values that the host gives to the subgraph's inputs, by their place; `overrides` those that it
    gives to widgets inside, by node and widget. `fed` are the host's own slots, by the subgraph's input.
    """

    level: Level
    prefix: str = ""
    host: Node | None = None
    parent: Scope | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    children: dict[str, Scope] = field(default_factory=dict)
    fed: Mapping[int, Slot] = field(default_factory=dict)
    promoted: dict[int, Any] = field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)

    def api_id(self, node: str) -> str:
        """The node's id in the API format: `outer:inner` in a subgraph."""
        return self.ids.get(node) or self.prefix + node


Placed = tuple[Scope, Node]


def expand(workflow: Workflow) -> list[Placed]:
    """All nodes, those of a subgraph's instance in its place. An instance that does not run stays closed.

    Raises GraphError for a subgraph that contains itself, and for more nodes than a graph may have.
    """
    placed: list[Placed] = []
    _open(Scope(workflow.root, ids=_own_ids(workflow.root)), workflow, (), placed)
    return placed


def _open(scope: Scope, workflow: Workflow, within: tuple[str, ...], placed: list[Placed]) -> None:
    for node in scope.level.nodes.values():
        placed.append((scope, node))
        if len(placed) > MOST_NODES:
            raise file_error(f"the graph has more than {MOST_NODES} nodes, its subgraphs laid open", "Split it.")
        level = workflow.subgraphs.get(node.type)
        if level is None or not node.runs:
            continue
        if node.type in within:
            raise file_error(f"the subgraph {quoted(level.name)} contains itself", "Take it out of itself.")
        if len(within) == MOST_DEEP:
            raise file_error(f"subgraphs nest more than {MOST_DEEP} deep", "Unpack some of them.")
        scope.children[node.id] = _inside(scope, node, level)
        _open(scope.children[node.id], workflow, (*within, node.type), placed)


def _own_ids(root: Level) -> dict[str, str]:
    """The ids that nodes had in the API format. A copied node has its original's, which then counts for neither."""
    kept = {id: node.properties.get(API_ID) for id, node in root.nodes.items()}
    texts = {id: text for id, text in kept.items() if isinstance(text, str) and text and text not in root.nodes}
    times = Counter(texts.values())
    return {id: text for id, text in texts.items() if times[text] == 1}


def _inside(parent: Scope, host: Node, level: Level) -> Scope:
    scope = Scope(level, f"{parent.api_id(host.id)}:", host, parent, fed=_fed(host, level))
    _Values(scope).take()
    return scope


def _fed(host: Node, level: Level) -> dict[int, Slot]:
    """The host's slots by the subgraph's input, found by name and type, else by name: a file lists not all of them."""
    free: dict[tuple[str, ...], list[int]] = {}
    for place in reversed(range(len(level.inputs))):
        input = level.inputs[place]
        free.setdefault((input.name, input.type), []).append(place)
        free.setdefault((input.name,), []).append(place)
    fed: dict[int, Slot] = {}
    for slot in host.inputs:
        for key in ((slot.name, slot.type), (slot.name,)):
            places = free.get(key, [])
            while places and places[-1] in fed:
                places.pop()
            if places:
                fed[places.pop()] = slot
                break
    return fed


class _Values:
    """Takes what a host's widgets hold into its scope: such a widget stands for one or more of those inside."""

    def __init__(self, scope: Scope) -> None:
        assert scope.host is not None and scope.parent is not None
        self.scope, self.level, self.host = scope, scope.level, scope.host
        self.from_outside = scope.parent.overrides.get(scope.host.id, {})

    def take(self) -> None:
        by_name = self.host.named if self.host.named is not None else self.host.values
        proxies = self._proxies()
        if isinstance(by_name, Mapping):
            self._by_name(by_name)
        elif proxies:
            for entry, value in zip(proxies, by_name, strict=False):
                self._give(entry, value)
        else:
            for place, value in zip(self._widgets(), by_name, strict=False):
                self._promote(place, value)
        self._by_name(self.from_outside)
        for entry in proxies:
            self._give(entry, self.from_outside.get(plain_name(entry[1])))

    def _proxies(self) -> list[Sequence[str]]:
        """`[node inside, widget]`, in the order of the host's values; the node -1 stands for the subgraph's rim."""
        raw = self.host.properties.get("proxyWidgets")
        entries = raw if isinstance(raw, list) else []
        return [e if _is_proxy(e) else ("", "") for e in entries]

    def _widgets(self) -> list[int]:
        """The subgraph's inputs that are widgets of the host."""
        places = range(len(self.level.inputs))
        return [place for place in places if any(slot.widget for _, slot in targets(self.level, place))]

    @cached_property
    def _place_of(self) -> dict[tuple[str, str], int]:
        """The subgraph's inputs by what a proxy may call them: their own name, or a widget that they feed."""
        places: dict[tuple[str, str], int] = {}
        for place, input in enumerate(self.level.inputs):
            for node, slot in targets(self.level, place):
                places.setdefault((node.id, slot.widget or ""), place)
            places.setdefault((_OWN_INPUT, input.name), place)
        return places

    def _by_name(self, values: Mapping[str, Any]) -> None:
        for place, input in enumerate(self.level.inputs):
            self._promote(place, values.get(input.name))

    def _give(self, entry: Sequence[str], value: Any) -> None:
        node, widget = entry[0], plain_name(entry[1])
        place = self._place_of.get((node, entry[1]), self._place_of.get((node, widget)))
        if place is not None:
            self._promote(place, value)
        elif value is not None:
            self.scope.overrides.setdefault(node, {})[widget] = value

    def _promote(self, place: int, value: Any) -> None:
        if value is not None:
            self.scope.promoted[place] = value


def targets(level: Level, place: int) -> list[tuple[Node, Slot]]:
    """The slots inside a subgraph that its input number `place` feeds."""
    ends = ((wire.target, level.linked.get((wire.target, wire.id))) for wire in level.from_rim.get(place, ()))
    return [(level.nodes[node], slot) for node, slot in ends if slot]


def plain_name(widget: str) -> str:
    """A promoted widget's name without the ids that old editors put before it: `3: seed`."""
    prefixes = _OLD_PREFIXES.match(widget)
    return widget[prefixes.end() :] if prefixes else widget


def _is_proxy(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) >= 2 and all(isinstance(part, str) for part in entry[:2])
