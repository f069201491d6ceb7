"""Subgraphs laid open: one Scope for the canvas, and one for each subgraph's instance that runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from api_graph.graph.faults import file_error
from api_graph.graph.model import MOST_NODES
from api_graph.graph.words import quoted
from api_graph.graph.workflow.model import API_ID, InputSlot, Level, Node, Workflow

MOST_DEEP = 100

_OWN_INPUT = "-1"
_OLD_PREFIXES = re.compile(r"(?:\s*\d+\s*:\s*(?=\S))+")


@dataclass(eq=False)
class Scope:
    """A level in use: the canvas, or the inside of the subgraph that `host`, a node of `parent`, stands for.

    `promoted` are the values that the host gives to the subgraph's inputs, by their number; `overrides` those that it
    gives to widgets inside, by node and widget. `fed` are the host's own slots, by the number of the subgraph's input.
    """

    level: Level
    prefix: str = ""
    host: Node | None = None
    parent: Scope | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    children: dict[str, Scope] = field(default_factory=dict)
    fed: Mapping[int, InputSlot] = field(default_factory=dict)
    promoted: dict[int, object] = field(default_factory=dict)
    overrides: dict[str, dict[str, object]] = field(default_factory=dict)

    def api_id(self, node: str) -> str:
        """The node's id in the API format: `outer:inner` in a subgraph."""
        return self.ids.get(node) or self.prefix + node


ScopedNode = tuple[Scope, Node]


def expand(workflow: Workflow) -> list[ScopedNode]:
    """All nodes; those of a subgraph follow the node that stands for it, unless that node does not run.

    Raises GraphError for a subgraph that contains itself, and for more nodes than a graph may have.
    """
    found: list[ScopedNode] = []
    _open(Scope(workflow.root, ids=_kept_ids(workflow.root)), workflow, (), found)
    return found


def _open(scope: Scope, workflow: Workflow, within: tuple[str, ...], found: list[ScopedNode]) -> None:
    for node in scope.level.nodes.values():
        found.append((scope, node))
        if len(found) > MOST_NODES:
            raise file_error(f"the graph has more than {MOST_NODES} nodes, its subgraphs laid open", "Split it.")
        level = workflow.subgraphs.get(node.type)
        if level is None or not node.runs:
            continue
        if node.type in within:
            raise file_error(f"the subgraph {quoted(level.name)} contains itself", "Take it out of itself.")
        if len(within) == MOST_DEEP:
            raise file_error(f"subgraphs nest more than {MOST_DEEP} deep", "Unpack some of them.")
        inside = Scope(level, f"{scope.api_id(node.id)}:", node, scope, fed=_fed(node, level))
        _HostValues(inside, node, scope.overrides.get(node.id, {})).apply()
        scope.children[node.id] = inside
        _open(inside, workflow, (*within, node.type), found)


def _kept_ids(root: Level) -> dict[str, str]:
    """The ids that nodes had in the API format. If a node was copied, neither it nor the copy keeps that id."""
    kept = {id: node.properties.get(API_ID) for id, node in root.nodes.items()}
    texts = {id: text for id, text in kept.items() if isinstance(text, str) and text and text not in root.nodes}
    times = Counter(texts.values())
    return {id: text for id, text in texts.items() if times[text] == 1}


def _fed(host: Node, level: Level) -> dict[int, InputSlot]:
    """The host's slots by the subgraph's input, found by name and type, else by name: a file lists not all of them."""
    free: dict[tuple[str, ...], list[int]] = {}
    for number in reversed(range(len(level.inputs))):
        input = level.inputs[number]
        free.setdefault((input.name, input.type), []).append(number)
        free.setdefault((input.name,), []).append(number)
    fed: dict[int, InputSlot] = {}
    for slot in host.inputs:
        for key in ((slot.name, slot.type), (slot.name,)):
            numbers = free.get(key, [])
            while numbers and numbers[-1] in fed:
                numbers.pop()
            if numbers:
                fed[numbers.pop()] = slot
                break
    return fed


class _HostValues:
    """Hands the values of a host's widgets to the scope inside: each stands for one or more widgets there.

    `overrides` are the values that the host itself gets from outside, by widget.
    """

    def __init__(self, scope: Scope, host: Node, overrides: Mapping[str, object]) -> None:
        self._scope, self._level, self._host = scope, scope.level, host
        self._overrides = overrides

    def apply(self) -> None:
        saved = self._host.named if self._host.named is not None else self._host.values
        proxies = self._proxies()
        if isinstance(saved, Mapping):
            self._promote_by_name(saved)
        elif proxies:
            for proxy, value in zip(proxies, saved, strict=False):
                self._give(proxy, value)
        else:
            numbers = range(len(self._level.inputs))
            widgets = [n for n in numbers if any(slot.widget for _, slot in self._level.slots_fed_by(n))]
            for number, value in zip(widgets, saved, strict=False):
                self._promote(number, value)
        self._promote_by_name(self._overrides)
        for proxy in proxies:
            self._give(proxy, self._overrides.get(plain_name(proxy[1])))

    def _proxies(self) -> list[Sequence[str]]:
        """`[node inside, widget]`, in the order of the host's values; the node -1 stands for the subgraph itself."""
        raw = self._host.properties.get("proxyWidgets")
        return [proxy if _is_proxy(proxy) else ("", "") for proxy in raw] if isinstance(raw, list) else []

    @cached_property
    def _number_of(self) -> dict[tuple[str, str], int]:
        """The subgraph's inputs by what a proxy may call them: their own name, or a widget that they feed."""
        numbers: dict[tuple[str, str], int] = {}
        for number, input in enumerate(self._level.inputs):
            for node, slot in self._level.slots_fed_by(number):
                numbers.setdefault((node.id, slot.widget or ""), number)
            numbers.setdefault((_OWN_INPUT, input.name), number)
        return numbers

    def _promote_by_name(self, values: Mapping[str, object]) -> None:
        for number, input in enumerate(self._level.inputs):
            self._promote(number, values.get(input.name))

    def _give(self, proxy: Sequence[str], value: object) -> None:
        node, widget = proxy[0], plain_name(proxy[1])
        number = self._number_of.get((node, proxy[1]), self._number_of.get((node, widget)))
        if number is not None:
            self._promote(number, value)
        elif value is not None:
            self._scope.overrides.setdefault(node, {})[widget] = value

    def _promote(self, number: int, value: object) -> None:
        if value is not None:
            self._scope.promoted[number] = value


def plain_name(widget: str) -> str:
    """A promoted widget's name without the ids that old editors put before it: `3: seed`."""
    prefixes = _OLD_PREFIXES.match(widget)
    return widget[prefixes.end() :] if prefixes else widget


def _is_proxy(raw: object) -> bool:
    return isinstance(raw, list) and len(raw) >= 2 and all(isinstance(one, str) for one in raw[:2])
