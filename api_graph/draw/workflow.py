"""The graph as the editor saves it: a workflow, schema 0.4 (spec/comfyui, section 3.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from api_graph.draw.layout import Point, Size, layout
from api_graph.draw.sizes import TITLE_HEIGHT, body_size, taken_height
from api_graph.draw.widgets import drawn_slots, widget_values
from api_graph.graph.faults import GraphError
from api_graph.graph.model import Graph, GraphNode, Link
from api_graph.graph.order import execution_order
from api_graph.graph.read import is_workflow, read_graph
from api_graph.graph.validate import validate
from api_graph.graph.workflow.model import API_ID
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SCREEN = (1500, 780)
_BARS = (90, 80)
_SMALLEST_SCALE = 0.65

Workflow = dict[str, Any]


def to_workflow(graph: Graph, registry: Registry) -> Workflow:
    """The graph as a file that the editor opens, laid out from left to right.

    Ids that are numbers stay; other texts become new numbers, and are kept as the property `api_id`. Widgets that the
    graph leaves at their default get that value. Raises GraphError for a graph that cannot run.
    """
    validate(graph, registry)
    specs = {id: registry[node.class_type] for id, node in graph.nodes.items()}
    order = execution_order(graph)
    rank = {id: position for position, id in enumerate(order)}
    numbers = editor_ids(graph)
    links = _Links(graph, specs, numbers)
    sizes: dict[str, Size] = {id: body_size(node, specs[id]) for id, node in graph.nodes.items()}
    taken = {id: (width, taken_height(height, specs[id])) for id, (width, height) in sizes.items()}
    places = _places(graph, order, taken)
    nodes = [
        {
            "id": numbers[id],
            "type": node.class_type,
            "pos": list(places[id]),
            "size": list(sizes[id]),
            "flags": {},
            "order": rank[id],
            "mode": 0,
            **({"title": node.title} if node.title else {}),
            "inputs": [_input(declared, links.into(id, declared.name)) for declared in drawn_slots(node, specs[id])],
            "outputs": [
                {"name": output.name, "type": output.socket, "links": links.out_of(id, slot)}
                for slot, output in enumerate(specs[id].outputs)
            ],
            "properties": _properties(node, numbers[id]),
            "widgets_values": widget_values(node, specs[id]),
        }
        for id, node in graph.nodes.items()
    ]
    return {
        "revision": 0,
        "last_node_id": max(numbers.values()),
        "last_link_id": len(links.saved),
        "nodes": nodes,
        "links": links.saved,
        "groups": [],
        "config": {},
        "extra": {"ds": _view(places, sizes)},
        "version": 0.4,
    }


def saved_workflow(graph: Graph, registry: Registry) -> Workflow:
    """The workflow that the graph was read from, with its author's layout, groups and notes; else a new one.

    A new one also where the graph has changed since it was read, or came with a workflow of another graph.
    """
    validate(graph, registry)
    saved = graph.extra.get("workflow")
    if is_workflow(saved) and isinstance(saved, dict):
        try:
            if read_graph(saved, registry).nodes == graph.nodes:
                return saved
        except GraphError:  # a picture may carry anything beside the graph that made it
            pass
    return to_workflow(graph, registry)


def editor_ids(graph: Graph) -> dict[str, int]:
    """The editor's number for each node: its id where that is a number, else one that is free."""
    numbers = {id: int(id) for id in graph.nodes if _NUMBER.fullmatch(id)}
    free = max(numbers.values(), default=0)
    for id in graph.nodes:
        if id not in numbers:
            free += 1
            numbers[id] = free
    return numbers


class _Links:
    """Links with numbers of their own, which both ends name.

    `saved` is the file's list: `[number, from node, from slot, to node, to slot, type]`. A slot that a link leads to is
    its place among those that the file lists.
    """

    def __init__(self, graph: Graph, specs: Mapping[str, NodeSpec], numbers: Mapping[str, int]) -> None:
        self.saved: list[list[Any]] = []
        self._into: dict[tuple[str, str], int] = {}
        self._out_of: dict[tuple[str, int], list[int]] = {}
        for id, node in graph.nodes.items():
            for slot, declared in enumerate(drawn_slots(node, specs[id])):
                link = node.inputs.get(declared.name)
                if isinstance(link, Link):
                    number = len(self.saved) + 1
                    socket = specs[link.node].outputs[link.output].socket
                    self.saved.append([number, numbers[link.node], link.output, numbers[id], slot, socket])
                    self._into[id, declared.name] = number
                    self._out_of.setdefault((link.node, link.output), []).append(number)

    def into(self, node: str, input: str) -> int | None:
        """The link into an input."""
        return self._into.get((node, input))

    def out_of(self, node: str, slot: int) -> list[int] | None:
        """The links out of an output."""
        return self._out_of.get((node, slot))


def _input(declared: InputSpec, link: int | None) -> dict[str, Any]:
    widget = {"widget": {"name": declared.name}} if declared.is_widget else {}
    return {"name": declared.name, "type": declared.socket, **widget, "link": link}


def _properties(node: GraphNode, number: int) -> dict[str, Any]:
    own_id = {} if node.id == str(number) else {API_ID: node.id}
    return {"Node name for S&R": node.class_type, **own_id}


def _places(graph: Graph, order: Sequence[str], taken: Mapping[str, Size]) -> dict[str, Point]:
    """Upper left corner of each node's body; its title stands above that."""
    feeding = feeding_of(graph, order)
    drawn = layout(feeding, taken)
    return {id: (x, y + TITLE_HEIGHT) for id, (x, y) in drawn.corners.items()}


def feeding_of(graph: Graph, order: Sequence[str]) -> dict[str, list[str]]:
    """The nodes that feed each node, each once, in `order`: what `layout` takes."""
    return {id: list(dict.fromkeys(link.node for link in graph.nodes[id].links().values())) for id in order}


def _view(places: Mapping[str, Point], sizes: Mapping[str, Size]) -> dict[str, Any]:
    """Which part of the canvas is shown first: all of it on a usual screen, or its beginning where texts would vanish.

    The editor draws the point (x, y) at `scale * (x + offset x, y + offset y)`; its own bars are above and on the left.
    """
    width = max(x + sizes[id][0] for id, (x, _) in places.items())
    height = max(y + sizes[id][1] for id, (_, y) in places.items())
    scale = max(_SMALLEST_SCALE, min(1.0, _SCREEN[0] / width, _SCREEN[1] / height))
    return {"scale": round(scale, 2), "offset": [round(bar / scale) for bar in _BARS]}
