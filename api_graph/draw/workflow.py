"""The graph as the editor saves it: a workflow, schema 0.4 (spec/comfyui, section 3.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from api_graph.draw.layout import Point, Size, layout
from api_graph.graph.faults import GraphError
from api_graph.graph.model import Graph, GraphNode, Link, title_of, value_to_api
from api_graph.graph.order import execution_order
from api_graph.graph.read import is_workflow, read_graph
from api_graph.graph.validate import validate
from api_graph.graph.workflow.model import API_ID, API_VALUES
from api_graph.graph.workflow.widgets import SEEDS, drawn_inputs, uploads
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SCREEN = (1500, 780)
_BARS = (90, 80)
_SMALLEST_SCALE = 0.65

TITLE_HEIGHT = 30
SLOT_HEIGHT = 20
WIDGET_HEIGHT = 24
_TALLER_WIDGET, _BADGE = 5, 30
_CHARACTER = 8
_PADDING = 10
_ABOVE_WIDGETS = 4
_NARROWEST, _WIDEST = 210, 420
_MULTILINE = (320, 110)
_PICTURE = (280, 260)
_BOXES = (320, 240)
_TEXT = (280, 100)

Workflow = dict[str, object]
"""A JSON object, as `json.dumps` takes it."""


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
    links = _NumberedLinks(graph, specs, numbers)
    sizes: dict[str, Size] = {id: body_size(node, specs[id]) for id, node in graph.nodes.items()}
    taken = {id: (width, taken_height(height, specs[id])) for id, (width, height) in sizes.items()}
    # A node's position is that of its body; its title stands above.
    corners = {id: (x, y + TITLE_HEIGHT) for id, (x, y) in layout(feeding_of(graph, order), taken).corners.items()}
    nodes = [
        {
            "id": numbers[id],
            "type": node.class_type,
            "pos": list(corners[id]),
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
            "properties": _properties(node, numbers[id], specs[id]),
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
        "extra": {"ds": _view(corners, sizes)},
        "version": 0.4,
    }


def saved_workflow(graph: Graph, registry: Registry) -> Workflow:
    """The workflow that the graph was read from, with its author's layout, groups and notes; else a new one.

    It is also a new one if the graph has changed since it was read, or came with the workflow of another graph. Raises
    GraphError for a graph that cannot run.
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
    """The editor's number for each node: its id if that is a number, else one that is free."""
    numbers = {id: int(id) for id in graph.nodes if _NUMBER.fullmatch(id)}
    free = max(numbers.values(), default=0)
    for id in graph.nodes:
        if id not in numbers:
            free += 1
            numbers[id] = free
    return numbers


def feeding_of(graph: Graph, order: Sequence[str]) -> dict[str, list[str]]:
    """The nodes that feed each node, each once, in `order`: what `layout` takes."""
    return {id: list(dict.fromkeys(link.node for link in graph.nodes[id].links().values())) for id in order}


class _NumberedLinks:
    """Links with numbers of their own, which both ends name.

    `saved` is the file's list: `[number, from node, from slot, to node, to slot, type]`. Slots are counted among those
    that the file lists.
    """

    def __init__(self, graph: Graph, specs: Mapping[str, NodeSpec], numbers: Mapping[str, int]) -> None:
        self.saved: list[list[int | str]] = []
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


def _input(declared: InputSpec, link: int | None) -> dict[str, object]:
    widget = {"widget": {"name": declared.name}} if declared.is_widget else {}
    return {"name": declared.name, "type": declared.socket, **widget, "link": link}


def _properties(node: GraphNode, number: int, spec: NodeSpec) -> dict[str, object]:
    own_id = {} if node.id == str(number) else {API_ID: node.id}
    values = {name: value for name, value in node.literals().items() if (i := spec.input(name)) and not i.is_widget}
    return {"Node name for S&R": node.class_type, **own_id, **({API_VALUES: values} if values else {})}


def _view(corners: Mapping[str, Point], sizes: Mapping[str, Size]) -> dict[str, object]:
    """Which area of the canvas is shown first: all of it on a usual screen, or its beginning if texts would vanish.

    The editor draws the point (x, y) at `scale * (x + offset x, y + offset y)`; its own bars are above and on the left.
    """
    width = max(x + sizes[id][0] for id, (x, _) in corners.items())
    height = max(y + sizes[id][1] for id, (_, y) in corners.items())
    scale = max(_SMALLEST_SCALE, min(1.0, _SCREEN[0] / width, _SCREEN[1] / height))
    return {"scale": round(scale, 2), "offset": [round(bar / scale) for bar in _BARS]}


# ---------------------------------------------------------------------------------------------------- widgets


def drawn_slots(node: GraphNode, spec: NodeSpec) -> list[InputSpec]:
    """The inputs that a saved file lists: all sockets, and the widgets that a link feeds."""
    return [one for one in drawn_inputs(spec) if not one.is_widget or isinstance(node.inputs.get(one.name), Link)]


def widget_values(node: GraphNode, spec: NodeSpec) -> list[object]:
    """`widgets_values`: one value per widget, and one for each thing that the editor adds to a widget.

    A seed is followed by what happens to it after a run, the required widgets by the upload button's value.
    """
    values: list[object] = []
    inputs = drawn_inputs(spec)
    for position, declared in enumerate(inputs):
        if declared.is_widget:
            values.append(_widget_value(node, declared))
            if declared.socket == "INT" and declared.name in SEEDS:
                values.append("fixed")
        last_required = declared.required and not any(one.required for one in inputs[position + 1 :])
        if last_required and uploads(spec):
            values.append("image")
    return values


def _widget_value(node: GraphNode, declared: InputSpec) -> object:
    """The value in a widget. If a link feeds the widget it is never used; the editor wants a value all the same."""
    value = node.inputs.get(declared.name, declared.default)
    if not isinstance(value, Link) and value is not declared.default:
        return value_to_api(value)
    if not declared.required:
        return declared.default
    if declared.socket == "COMBO":
        return next(iter(declared.options()), "")
    return {"INT": declared.minimum or 0, "FLOAT": declared.minimum or 0.0, "BOOLEAN": False}.get(declared.socket, "")


# ------------------------------------------------------------------------------------------------------ sizes


def body_size(node: GraphNode, spec: NodeSpec) -> tuple[int, int]:
    """Width and height of a node without its title, in the editor's unit (CSS pixels at scale 1).

    Rows of slots, then widgets, then what it shows. Texts of several lines, and pictures that a node loads or shows,
    get room of their own.
    """
    slots, widgets = drawn_slots(node, spec), [one for one in drawn_inputs(spec) if one.is_widget]
    sockets = [one for one in slots if not one.is_widget]
    width = max(_NARROWEST, min(_WIDEST, _text_width(node, spec)))
    height = _PADDING + (_ABOVE_WIDGETS if widgets else 0) + SLOT_HEIGHT * max(len(sockets), len(spec.outputs))
    for widget in widgets:
        if widget.widget.multiline:
            width, height = max(width, _MULTILINE[0]), height + _MULTILINE[1]
        else:
            height += WIDGET_HEIGHT * (2 if widget.name == "seed" else 1)
    if any(one.name == "boxes" for one in widgets):  # drawn on the image, below the text (web/js/boxes.js)
        width, height = max(width, _BOXES[0]), height + _BOXES[1]
    if _shows_pictures(spec):
        width, height = max(width, _PICTURE[0]), height + _PICTURE[1]
    elif spec.output:  # the text that it shows, once it has run (web/js/text.js)
        width, height = max(width, _TEXT[0]), height + _TEXT[1]
    return width, height


def taken_height(body_height: float, spec: NodeSpec) -> float:
    """Height that a node may need with its title: the newer renderer draws widgets taller, and a badge below."""
    widgets = sum(one.is_widget for one in drawn_inputs(spec))
    return TITLE_HEIGHT + body_height + _TALLER_WIDGET * widgets + _BADGE


def _shows_pictures(spec: NodeSpec) -> bool:
    loads = any(one.widget.upload for one in spec.inputs)
    return loads or (spec.output and any(one.socket in ("IMAGE", "MASK") for one in spec.inputs))


def _text_width(node: GraphNode, spec: NodeSpec) -> int:
    inputs = [len(one.name) for one in spec.inputs if not one.is_widget]
    outputs = [len(one.name) for one in spec.outputs]
    slots = max(inputs, default=0) + max(outputs, default=0) + 6
    widgets = [len(one.name) + _shown_length(node, one.name) + 8 for one in spec.inputs if one.is_widget]
    return _CHARACTER * max(slots, *widgets, len(title_of(node, spec)) + 6)


def _shown_length(node: GraphNode, name: str) -> int:
    value = node.inputs.get(name, "")
    return min(24, len(value) if isinstance(value, str) else 8)
