"""A workflow as data: what the editor saves, in one shape for both of its schemas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

MUTED, BYPASSED = 2, 4
"""Modes of a node that does not run: `never`, and `bypass`, which hands its inputs on. All others run."""

API_ID = "api_id"
"""The property in which `to_workflow` keeps a node's id in the API format, where the editor needs another."""

SETTERS = ("SetNode", "easy setNode")
GETTERS = ("GetNode", "easy getNode")


@dataclass(frozen=True)
class Slot:
    """An input as saved: the id of the link into it, and the name of the widget that it was made from."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True)
class Wire:
    """A link, from an output to an input; slots count from 0."""

    id: str
    origin: str
    slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class Node:
    """A node as saved. `values` is `widgets_values`: a list in the widgets' order, or an object by name."""

    id: str
    type: str
    title: str
    mode: int
    inputs: tuple[Slot, ...]
    outputs: tuple[str, ...]
    values: list[Any] | Mapping[str, Any]
    named: Mapping[str, Any] | None
    properties: Mapping[str, Any]

    @property
    def runs(self) -> bool:
        return self.mode not in (MUTED, BYPASSED)

    @property
    def first_value(self) -> Any:
        """What the first widget holds; None where there is none."""
        if self.values and isinstance(self.values, list):
            return self.values[0]
        by_name = self.values if isinstance(self.values, Mapping) else self.named or {}
        return next(iter(by_name.values()), None)


@dataclass(frozen=True)
class Level:
    """The canvas, or the inside of a subgraph: nodes and links by id.

    A subgraph's `inputs` (with name and type) and `outputs` (their number) stand on its rim: links that come from
    `input_id` or lead to `output_id` end there.
    """

    name: str
    nodes: Mapping[str, Node]
    wires: Mapping[str, Wire]
    inputs: tuple[Slot, ...] = ()
    outputs: int = 0
    input_id: str | None = None
    output_id: str | None = None

    @cached_property
    def from_rim(self) -> Mapping[int, list[Wire]]:
        """The links that start at each of the subgraph's inputs."""
        found: defaultdict[int, list[Wire]] = defaultdict(list)
        for wire in self.wires.values():
            if wire.origin == self.input_id:
                found[wire.slot].append(wire)
        return found

    @cached_property
    def to_rim(self) -> Mapping[int, Wire]:
        """The link that ends at each of the subgraph's outputs."""
        found: dict[int, Wire] = {}
        for wire in self.wires.values():
            if wire.target == self.output_id:
                found.setdefault(wire.target_slot, wire)
        return found

    @cached_property
    def into(self) -> Mapping[str, list[Wire]]:
        """The links that lead to each node."""
        found: defaultdict[str, list[Wire]] = defaultdict(list)
        for wire in self.wires.values():
            found[wire.target].append(wire)
        return found

    @cached_property
    def linked(self) -> Mapping[tuple[str, str], Slot]:
        """The slot that a link leads to, by node and link: the slot names its link, and its number may be outdated."""
        return {(id, slot.link): slot for id, node in self.nodes.items() for slot in node.inputs if slot.link}

    @cached_property
    def setters(self) -> Mapping[str, str]:
        """Ids of the nodes that give a value a name, for others to get it by, by that name."""
        found: dict[str, str] = {}
        for node in self.nodes.values():
            if node.type in SETTERS and isinstance(node.first_value, str):
                found.setdefault(node.first_value, node.id)
        return found


@dataclass(frozen=True)
class Workflow:
    """The canvas, and the subgraphs that may stand on it, by the type of node that stands for them."""

    root: Level
    subgraphs: Mapping[str, Level] = field(default_factory=dict)
