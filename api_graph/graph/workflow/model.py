"""A workflow as data: what the editor saves, in one shape for both of its schemas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

MUTED, BYPASSED = 2, 4
"""Modes of a node that does not run: `never`, and `bypass`, which hands its inputs on. All others run."""

API_ID = "api_id"
"""The property in which `to_workflow` keeps a node's id of the API format, if the editor needs another."""

API_VALUES = "api_values"
"""The property in which `to_workflow` keeps JSON that stands in the place of a link; no widget shows it."""

SETTERS = ("SetNode", "easy setNode")
GETTERS = ("GetNode", "easy getNode")

BROADCASTERS = ("Anything Everywhere", "Anything Everywhere?", "Anything Everywhere3", "Prompts Everywhere")
"""Nodes that send what is linked to them wherever it fits (workflow/broadcasts.py)."""

ANY_TYPE = "*"
"""The type of a slot that fits every other."""


@dataclass(frozen=True)
class InputSlot:
    """An input as saved: the id of the link into it, and the name of the widget that it was made from."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True)
class SavedLink:
    """A link as saved, from an output slot to an input slot; slots count from 0."""

    id: str
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class Node:
    """A node as saved. `values` is `widgets_values`: a list in the widgets' order, or an object by name."""

    id: str
    type: str
    title: str
    mode: int
    inputs: tuple[InputSlot, ...]
    outputs: tuple[str, ...]
    values: list[object] | Mapping[str, object]
    named: Mapping[str, object] | None
    properties: Mapping[str, object]

    @property
    def runs(self) -> bool:
        return self.mode not in (MUTED, BYPASSED)

    @property
    def first_value(self) -> object:
        """The value of the first widget; None if there is none."""
        if self.values and isinstance(self.values, list):
            return self.values[0]
        by_name = self.values if isinstance(self.values, Mapping) else self.named or {}
        return next(iter(by_name.values()), None)


@dataclass(frozen=True)
class Level:
    """The canvas, or the inside of a subgraph: nodes and links by id.

    A subgraph has `inputs` (with name and type) and `outputs` (their number) of its own. Inside, links from its inputs
    come from the pseudo-node `input_id`, and links to its outputs lead to `output_id`.
    """

    name: str
    nodes: Mapping[str, Node]
    links: Mapping[str, SavedLink]
    inputs: tuple[InputSlot, ...] = ()
    outputs: int = 0
    input_id: str | None = None
    output_id: str | None = None

    @cached_property
    def links_from_input(self) -> Mapping[int, list[SavedLink]]:
        """The links that start at each of the subgraph's inputs."""
        found: defaultdict[int, list[SavedLink]] = defaultdict(list)
        for link in self.links.values():
            if link.origin == self.input_id:
                found[link.origin_slot].append(link)
        return found

    @cached_property
    def link_to_output(self) -> Mapping[int, SavedLink]:
        """The link that ends at each of the subgraph's outputs."""
        found: dict[int, SavedLink] = {}
        for link in self.links.values():
            if link.target == self.output_id:
                found.setdefault(link.target_slot, link)
        return found

    @cached_property
    def links_into_node(self) -> Mapping[str, list[SavedLink]]:
        """The links that lead to each node."""
        found: defaultdict[str, list[SavedLink]] = defaultdict(list)
        for link in self.links.values():
            found[link.target].append(link)
        return found

    @cached_property
    def feeding(self) -> frozenset[str]:
        """Ids of the nodes whose outputs are linked to anything."""
        return frozenset(link.origin for link in self.links.values())

    @cached_property
    def linked_slots(self) -> Mapping[tuple[str, str], InputSlot]:
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

    def slots_fed_by(self, number: int) -> list[tuple[Node, InputSlot]]:
        """The slots inside a subgraph that its input number `number` feeds."""
        ends = [(link.target, link.id) for link in self.links_from_input.get(number, ())]
        return [(self.nodes[end[0]], self.linked_slots[end]) for end in ends if end in self.linked_slots]


@dataclass(frozen=True)
class Workflow:
    """The canvas, and the subgraphs that may stand on it, by the type of node that stands for them."""

    root: Level
    subgraphs: Mapping[str, Level] = field(default_factory=dict)
