"""A small world to run graphs in: nodes that count their calls, and folders that are thrown away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.executor import DiskCache, Event, Executor, RunResult
from api_graph.folders import Folders
from api_graph.graph import Graph, read_graph
from api_graph.registry import registry_of
from api_graph.sockets import AnyValue, Mask
from api_graph.spec import Choices, node


class Lab:
    """Runs graphs over its nodes and counts each call under the node's id; `nodes` may be added to."""

    def __init__(self, folder: Path) -> None:
        self.folders = Folders((folder / "in",), folder / "out", folder / "temp")
        self.calls: Counter[str] = Counter()
        self.events: list[Event] = []
        self.shown: list[Any] = []
        self.nodes: list[Callable[..., Any]] = _nodes(self)
        self.folders.inputs[0].mkdir()

    def graph(self, nodes: dict[str, tuple[str, dict[str, Any]]]) -> Graph:
        """`{"1": ("Add", {"a": ["0", 0], "b": 2})}`: ids, classes, and inputs as a graph's file has them."""
        return read_graph({id: {"class_type": kind, "inputs": inputs} for id, (kind, inputs) in nodes.items()})

    def executor(self, **options: Any) -> Executor:
        return Executor(registry=registry_of(self.nodes), **options)

    def run(self, executor: Executor, nodes: dict[str, tuple[str, dict[str, Any]]], **options: Any) -> RunResult:
        return executor.run(self.graph(nodes), self.folders, listener=self.events.append, **options)

    def rows(self, executor: Executor, rows: list[dict[str, tuple[str, dict[str, Any]]]], **options: Any):
        graphs = [self.graph(nodes) for nodes in rows]
        return executor.run_rows(graphs, self.folders, listener=self.events.append, **options)

    def file(self, name: str, text: str) -> None:
        (self.folders.inputs[0] / name).write_text(text)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache")


@pytest.fixture
def actions() -> Callable[[RunResult], dict[str, str]]:
    """What was done with each node."""
    return lambda result: {step.node: step.action for step in result.steps}


def _read(folders: Folders, name: str) -> dict[str, str]:
    path = folders.input_file(name, input="name")
    return {"name": path.read_text()}


def _nodes(lab: Lab) -> list[Callable[..., Any]]:
    calls = lab.calls

    @node("Number", category="test", title="A number")
    def number(value: int = 0) -> int:
        """A whole number."""
        calls["Number"] += 1
        return value

    @node("Add", category="test", title="Add", store=True)
    def add(a: int, b: int = 1) -> int:
        """a + b."""
        calls["Add"] += 1
        return a + b

    @node("Scale", category="test", title="Scale")
    def scale(factor: float = 1.0) -> float:
        """A factor as it arrives."""
        calls["Scale"] += 1
        return factor

    @node("Fill", category="test", title="Fill", store=True)
    def fill(value: int, side: int = 4) -> Mask:
        """A constant map."""
        calls["Fill"] += 1
        return torch.full((1, side, side), float(value))

    @node("Many", category="test", title="Many")
    def many(count: int, start: int = 0) -> list[int]:
        """start, start + 1, and so on."""
        calls["Many"] += 1
        return list(range(start, start + count))

    @node("Sum", category="test", title="Sum")
    def total(values: list[int], start: int = 0) -> int:
        """All of them at once."""
        calls["Sum"] += 1
        return start + sum(values)

    @node(
        "ReadText",
        category="test",
        title="Read text",
        fingerprint=_read,
        waits=True,
    )
    def read_text(context: Context, name: Annotated[str, Choices(lambda folders: (), open=True)]) -> str:
        """A text file."""
        calls["ReadText"] += 1
        return context.folders.input_file(name).read_text()

    @node("Length", category="test", title="Length", store=True)
    def length(text: str, more: int = 0) -> int:
        """How long a text is."""
        calls["Length"] += 1
        return len(text) + more

    @node("Refuse", category="test", title="Refuse")
    def refuse(a: int, at: int = 0) -> int:
        """Passes on all numbers but one."""
        calls["Refuse"] += 1
        if a == at:
            raise BadInput("is refused", input="a", value=a, hint="Give another.")
        return a

    @node("Show", category="test", title="Show", output=True)
    def show(context: Context, value: AnyValue, other: AnyValue | None = None) -> None:
        """Shows whatever comes."""
        calls["Show"] += 1
        lab.shown.append(value)
        context.show_text(str(value))

    @node("Pass", category="test", title="Pass", output=True)
    def passing(context: Context, value: int) -> int:
        """Shows a number and hands it on."""
        calls["Pass"] += 1
        context.show_text(str(value))
        return value

    return [number, add, scale, fill, many, total, read_text, length, refuse, show, passing]
