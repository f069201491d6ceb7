"""The node contract: `@node` on a typed function, the NodeSpec that comes of it, and what others may read of that."""

from api_graph.spec.model import (
    REQUIRED,
    BatchedForm,
    Check,
    Choices,
    InputSpec,
    NodeSpec,
    Odd,
    OutputSpec,
    Widget,
    spec_of,
)
from api_graph.spec.read import node
from api_graph.spec.schema import describe, graph_schema, node_schema

__all__ = [
    "REQUIRED",
    "BatchedForm",
    "Check",
    "Choices",
    "InputSpec",
    "NodeSpec",
    "Odd",
    "OutputSpec",
    "Widget",
    "describe",
    "graph_schema",
    "node",
    "node_schema",
    "spec_of",
]
