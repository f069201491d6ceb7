"""What is wrong with a graph: one Fault per cause, all of them in one GraphError."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from api_graph.errors import ApiGraphError
from api_graph.graph.model import GraphNode, title_of, value_to_api
from api_graph.graph.words import as_json, node_label, one_line
from api_graph.spec import NodeSpec


class _NoValue(Enum):  # an enum's member stays the same object when it is pickled
    NO_VALUE = "no value"


NO_VALUE: Final = _NoValue.NO_VALUE
"""The value of a fault that is about no value; None would be JSON's null."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. `node` is "" for a fault of the whole file; `input` is None for one of a whole node."""

    node: str
    title: str
    class_type: str
    input: str | None
    value: Any
    problem: str
    hint: str

    def __str__(self) -> str:
        where = f"node {node_label(self.node, self.title)}" if self.node else ""
        if self.input is not None:
            where += f"{', ' if where else ''}input {one_line(self.input)}"
            where += "" if self.value is NO_VALUE else f" = {as_json(self.value)}"
        return f"{where}{': ' if where else ''}{self.problem}.{' ' if self.hint else ''}{self.hint}"


class GraphError(ApiGraphError):
    """A graph that cannot be read, set or run. `faults` holds every cause; the text has one line for each."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)  # an exception is pickled by its arguments

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


def file_fault(problem: str, hint: str) -> Fault:
    """A Fault of the whole file."""
    return Fault("", "", "", None, NO_VALUE, problem, hint)


def file_error(problem: str, hint: str) -> GraphError:
    """A GraphError about the whole file."""
    return GraphError([file_fault(problem, hint)])


def fault_at(
    node: GraphNode,
    spec: NodeSpec | None,
    input: str | None,
    value: object,
    problem: str,
    hint: str,
) -> Fault:
    """A Fault of `node`, or of one of its inputs."""
    return Fault(node.id, title_of(node, spec), node.class_type, input, value_to_api(value), problem, hint)
