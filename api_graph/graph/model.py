"""A saved graph as pure data: nodes, the values typed into them, and the links between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from api_graph.graph.words import node_label
from api_graph.spec import NodeSpec

MOST_NODES = 100_000
"""A larger graph is not read."""

WRAPPER = "__value__"
"""ComfyUI's mark of a literal that would otherwise be read as something else: `{"__value__": [1, 2]}`."""


class _Meta(TypedDict, total=False):
    _meta: Mapping[str, str]


class ApiNode(_Meta):
    """A node in ComfyUI's API format; its title, where it has one, lies in `_meta`."""

    class_type: str
    inputs: Mapping[str, object]


@dataclass(frozen=True)
class Link:
    """What feeds an input: output number `output` of the node with id `node`."""

    node: str
    output: int


@dataclass(frozen=True)
class Unreadable:
    """A value in the file that can be neither link nor literal: `[1, 0]`, NaN.

    The graph keeps it, so that validation reports it together with every other fault.
    """

    value: object
    problem: str
    hint: str


@dataclass(frozen=True)
class GraphNode:
    """One step. `inputs` maps each input that is set to a Link, to a literal (JSON) or to Unreadable."""

    id: str
    class_type: str
    inputs: Mapping[str, object]
    title: str = ""

    def literals(self) -> dict[str, object]:
        """The values typed into the node, by input."""
        return {name: v for name, v in self.inputs.items() if not isinstance(v, Link | Unreadable)}

    def links(self) -> dict[str, Link]:
        """The links into the node, by input."""
        return {name: v for name, v in self.inputs.items() if isinstance(v, Link)}

    def to_api(self) -> ApiNode:
        """The node in ComfyUI's API format."""
        inputs = {name: value_to_api(value) for name, value in self.inputs.items()}
        node: ApiNode = {"class_type": self.class_type, "inputs": inputs}
        if self.title:
            node["_meta"] = {"title": self.title}
        return node


@dataclass(frozen=True)
class Graph:
    """Nodes by id, in file order. `extra` is what came with them in the file: `{"workflow": ...}` in a saved PNG."""

    nodes: Mapping[str, GraphNode]
    extra: Mapping[str, object] = field(default_factory=dict)

    def to_api(self) -> dict[str, ApiNode]:
        """The graph in ComfyUI's API format, ready for `json.dumps`."""
        return {id: node.to_api() for id, node in self.nodes.items()}


def title_of(node: GraphNode, spec: NodeSpec | None = None) -> str:
    """The node's own title, else the title of its class."""
    return node.title or (spec.title if spec else node.class_type)


def label(node: GraphNode, spec: NodeSpec | None = None) -> str:
    """`3 "Mean filter"`: how every message names the node."""
    return node_label(node.id, title_of(node, spec))


def value_to_api(value: object) -> object:
    """The value of an input, as the file writes it."""
    if isinstance(value, Link):
        return [value.node, value.output]
    if isinstance(value, Unreadable):
        return value.value
    if isinstance(value, list | tuple) or (isinstance(value, Mapping) and WRAPPER in value):
        return {WRAPPER: value}
    return value
