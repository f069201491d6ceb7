"""How large the editor draws a node, in its own units (CSS pixels at scale 1)."""

from __future__ import annotations

from api_graph.draw.widgets import drawn_slots
from api_graph.graph.model import GraphNode, title_of
from api_graph.graph.workflow.widgets import drawn_inputs
from api_graph.spec import NodeSpec

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


def body_size(node: GraphNode, spec: NodeSpec) -> tuple[int, int]:
    """Width and height of a node without its title: rows of slots, then widgets, then what it shows.

    Texts of several lines, and pictures that a node loads or shows, get room of their own.
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
    """Height that a node may take with its title: the newer renderer draws widgets taller, and a badge below."""
    widgets = sum(one.is_widget for one in drawn_inputs(spec))
    return TITLE_HEIGHT + body_height + _TALLER_WIDGET * widgets + _BADGE


def _shows_pictures(spec: NodeSpec) -> bool:
    loads = any(one.widget.upload for one in spec.inputs)
    return loads or (spec.output and any(one.socket in ("IMAGE", "MASK") for one in spec.inputs))


def _text_width(node: GraphNode, spec: NodeSpec) -> int:
    inputs = [len(one.name) for one in spec.inputs if not one.is_widget]
    outputs = [len(one.name) for one in spec.outputs]
    slots = max(inputs, default=0) + max(outputs, default=0) + 6
    widgets = max(
        (len(one.name) + _shown_length(node, one.name) + 8 for one in spec.inputs if one.is_widget), default=0
    )
    return _CHARACTER * max(slots, widgets, len(title_of(node, spec)) + 6)


def _shown_length(node: GraphNode, name: str) -> int:
    value = node.inputs.get(name, "")
    return min(24, len(value) if isinstance(value, str) else 8)
