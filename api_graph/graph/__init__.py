"""Saved graphs as pure data: read them, check them against the nodes' contracts, order them, set their inputs."""

from api_graph.graph.faults import NO_VALUE, Fault, GraphError
from api_graph.graph.inputs import InputSetter, Settable, on_device, set_inputs, settable
from api_graph.graph.literals import parse_value
from api_graph.graph.model import Graph, GraphNode, Link, Unreadable, label
from api_graph.graph.order import execution_order
from api_graph.graph.read import read_graph
from api_graph.graph.validate import check_values, find_faults, fits, refused_value, validate

__all__ = [
    "NO_VALUE",
    "Fault",
    "Graph",
    "GraphError",
    "GraphNode",
    "InputSetter",
    "Link",
    "Settable",
    "Unreadable",
    "check_values",
    "execution_order",
    "find_faults",
    "fits",
    "label",
    "on_device",
    "parse_value",
    "read_graph",
    "refused_value",
    "set_inputs",
    "settable",
    "validate",
]
