"""A node as the editor draws it: which inputs are sockets, which are widgets, and what the widgets hold."""

from __future__ import annotations

from typing import Any

from api_graph.graph.model import GraphNode, Link, value_to_api
from api_graph.graph.workflow.widgets import SEEDS, drawn_inputs, uploads
from api_graph.spec import InputSpec, NodeSpec


def drawn_slots(node: GraphNode, spec: NodeSpec) -> list[InputSpec]:
    """The inputs that a saved file lists: all sockets, and the widgets that a link feeds."""
    return [one for one in drawn_inputs(spec) if not one.is_widget or isinstance(node.inputs.get(one.name), Link)]


def widget_values(node: GraphNode, spec: NodeSpec) -> list[Any]:
    """`widgets_values`: one value per widget, and one for each thing that the editor adds to a widget.

    A seed is followed by what becomes of it after a run. The upload button comes after the required widgets.
    """
    values: list[Any] = []
    inputs = drawn_inputs(spec)
    for position, declared in enumerate(inputs):
        if declared.is_widget:
            values.append(_value(node, declared))
            if declared.socket == "INT" and declared.name in SEEDS:
                values.append("fixed")
        last_required = declared.required and not any(one.required for one in inputs[position + 1 :])
        if last_required and uploads(spec):
            values.append("image")
    return values


def _value(node: GraphNode, declared: InputSpec) -> Any:
    """What stands in a widget. Under a link it is never used; the editor wants a value all the same."""
    value = node.inputs.get(declared.name, declared.default)
    if not isinstance(value, Link) and value is not declared.default:
        return value_to_api(value)
    if not declared.required:
        return declared.default
    if declared.socket == "COMBO":
        return next(iter(declared.options()), "")
    return {"INT": declared.minimum or 0, "FLOAT": declared.minimum or 0.0, "BOOLEAN": False}.get(declared.socket, "")
