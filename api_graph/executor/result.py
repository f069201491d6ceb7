"""What a run gives back: outputs by node, failures, and the story of each step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from api_graph.errors import ApiGraphError, BadInput
from api_graph.folders import Folders

Action = Literal["ran", "memory", "disk", "pool", "saved", "unneeded", "failed", "blocked"]


class NodeError(ApiGraphError):
    """A node that failed: which one, and what it said. The original exception is `__cause__`."""

    def __init__(self, node: str, title: str, class_type: str, cause: BaseException) -> None:
        self.node, self.title, self.class_type = node, title, class_type
        said = str(cause) if isinstance(cause, ApiGraphError) else f"{type(cause).__name__}: {cause}"
        super().__init__(f'node {node} "{title}": {said}')
        self.__cause__ = cause

    @property
    def input(self) -> str | None:
        """The input that the node complains of, where it says so."""
        return self.__cause__.input if isinstance(self.__cause__, BadInput) else None

    def to_json(self) -> dict[str, str | None]:
        """What failed, where, and over which input."""
        return {
            "node": self.node,
            "title": self.title,
            "class_type": self.class_type,
            "input": self.input,
            "message": str(self),
        }


@dataclass(slots=True)
class Step:
    """One node in one run: what was done, why, how long it took (seconds) and how large its result is (bytes).

    `key` is what its result is kept under; "" where the node could not even be asked.
    """

    node: str
    title: str
    class_type: str
    action: Action
    why: str
    seconds: float = 0.0
    bytes: int = 0
    key: str = ""

    @property
    def cached(self) -> bool:
        """Whether the result was there already."""
        return self.action in ("memory", "disk", "pool", "saved")


@dataclass(frozen=True)
class NodeOutput:
    """What one node gave: its outputs by name, what it showed, and the files it wrote."""

    values: dict[str, Any]
    ui: dict[str, list[Any]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


@dataclass
class RunResult:
    """One graph, run once. `outputs` holds the nodes that were asked for, as far as they succeeded.

    `held` is the most bytes that the rows run together with this one held at one time, models left out.
    """

    outputs: dict[str, NodeOutput] = field(default_factory=dict)
    failures: list[NodeError] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    seconds: float = 0.0
    held: int = 0

    def raise_failures(self) -> RunResult:
        """Raise the first failure, if there is one."""
        if self.failures:
            raise self.failures[0]
        return self


def shown_files(ui: dict[str, list[Any]], folders: Folders, *, kept: bool = False) -> tuple[Path, ...]:
    """The files that a node shows; with `kept`, only those of the output folder."""
    roots = {"output": folders.output} if kept else {"output": folders.output, "temp": folders.temp}
    shown = (item for item in ui.get("images", ()) if item.get("type") in roots)
    return tuple(roots[item["type"]].joinpath(item["subfolder"], item["filename"]) for item in shown)
