"""The node contract: `@node` on a typed function, and the NodeSpec that comes of it."""

from api_graph.spec.model import REQUIRED, Choices, InputSpec, NodeSpec, OutputSpec, Widget
from api_graph.spec.read import node, spec_of

__all__ = ["REQUIRED", "Choices", "InputSpec", "NodeSpec", "OutputSpec", "Widget", "node", "spec_of"]
