"""What a run gives back: outputs by node, failures, and of each step what was done and why (`--explain` prints it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from api_graph.errors import ApiGraphError, BadInput
from api_graph.files import FileState
from api_graph.folders import Folders
from api_graph.graph import Graph
from api_graph.json_values import Json

if TYPE_CHECKING:
    from api_graph.executor.plan import GraphPlan, Task
    from api_graph.sockets import Attribution

Action = Literal["ran", "memory", "disk", "pool", "saved", "unneeded", "failed", "blocked"]

FOUND: Mapping[Action, str] = {
    "pool": "this model is loaded already",
    "memory": "same inputs as before in this process",
    "disk": "same inputs as in an earlier run",
    "saved": "what it saved in an earlier run still stands",
}
"""Why a step did not run, by where its result was found."""
NO_REQUEST = "from the cache, no request"
"""How the story of a step begins that asks an endpoint, and did not have to."""
FILE_KINDS = ("images", "pages", "profiles")
"""What a node shows that is a file of its own: the other kinds are for an editor's extension."""
_OUTPUT = "it saves or shows something"
_MOST_NAMED = 3
_ABSENT = object()


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
    ui: dict[str, list[Json]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


@dataclass
class RunResult:
    """One graph, run once. `outputs` holds the nodes that were asked for, as far as they succeeded.

    `figures` holds the plain outputs of other nodes that give numbers, and `maps` the attributions of nodes that give
    any, where these were asked for. `held` is the most
    bytes that the rows run together with this one held at one time, models left out. `reads` are the files that the
    row's own nodes read, in the state that their keys stand for, by the names that it gives them; the digest is None
    where a file changed before it was read.
    """

    outputs: dict[str, NodeOutput] = field(default_factory=dict)
    failures: list[NodeError] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    seconds: float = 0.0
    held: int = 0
    reads: dict[str, tuple[FileState, str | None]] = field(default_factory=dict)
    figures: dict[str, Mapping[str, object]] = field(default_factory=dict)
    maps: dict[str, Sequence[Attribution]] = field(default_factory=dict)

    def raise_failures(self) -> RunResult:
        """Raise the first failure, if there is one."""
        if self.failures:
            raise self.failures[0]
        return self


# ------------------------------------------------------------------------------------------ from a finished plan


def result_of_row(
    row: int, graph: Graph, plan: GraphPlan, roots: Sequence[str], folders: Folders, seconds: float, held: int
) -> RunResult:
    """What one row gave. Its tasks in the `plan` may be shared with other rows, and among its own nodes.

    An output is a single value, or the list where there is one.
    """
    tasks = plan.of_row[row]
    failures = {id(task.error): task.error for task in tasks.values() if task.error is not None}
    outputs: dict[str, NodeOutput] = {}
    for node_id in roots:
        entry, spec = tasks[node_id].entry, tasks[node_id].spec
        if entry is not None:
            values = {
                output.name: output.value_of(floats_of(given) if output.socket == "IMAGE" else given)
                for output, given in zip(spec.outputs, entry.outputs, strict=bool(entry.outputs))  # a receipt has none
            }
            outputs[node_id] = NodeOutput(values, entry.ui, shown_files(entry.ui, folders, kept=True))
    steps: list[Step] = []
    for node_id, task in tasks.items():
        node, spec, action, why = graph.nodes[node_id], task.spec, task.action, task.why
        # In a row that went well, a node is unneeded because what is made of its result was found.
        if (action in ("memory", "disk") or (not failures and action == "unneeded")) and task.asks:
            why = f"{NO_REQUEST}: {why}"
        if task.node.id == node_id and task.row == row:
            own = Step(node_id, task.title, spec.id, action, why, task.seconds, task.bytes, task.key)
        else:  # it shares the task with another node or row, and did not run itself
            if task.entry is not None or action in ("ran", "memory", "disk", "pool"):
                twin = f"node {task.node.id}" if task.row == row else f"row {task.row + 1}"
                action = "pool" if spec.model else "memory"
                why = f"same inputs as {twin}, which this run has done once for both"
            own = Step(node_id, node.title or spec.title, spec.id, action, why, 0.0, task.bytes, task.key)
        steps.append(own)
    figures = {id: task.plain for id, task in tasks.items() if task.plain is not None}
    maps = {id: task.maps for id, task in tasks.items() if task.maps is not None}
    reads = {
        name: (read.state, read.sha256 if read.task.as_planned else None) for name, read in plan.reads[row].items()
    }
    return RunResult(outputs, list(failures.values()), steps, seconds, held, reads, figures, maps)


def floats_of(pictures: Sequence[object]) -> list[object]:
    """Pictures as ComfyUI has them: what has 8 bits as floats."""
    from torch import Tensor

    from api_graph.sockets import as_floats

    return [as_floats(picture) if isinstance(picture, Tensor) else picture for picture in pictures]


def shown_files(ui: Mapping[str, Sequence[Json]], folders: Folders, *, kept: bool = False) -> tuple[Path, ...]:
    """The files that a node shows; with `kept`, only those of the output folder."""
    roots = {"output": folders.output} if kept else {"output": folders.output, "temp": folders.temp}
    items = (item for kind in FILE_KINDS for item in ui.get(kind, ()))
    shown = (item for item in items if isinstance(item, Mapping) and item.get("type") in roots)
    return tuple(roots[str(item["type"])].joinpath(str(item["subfolder"]), str(item["filename"])) for item in shown)


# ------------------------------------------------------------------------------------------ reasons


class LastRun(NamedTuple):
    """What a node was last run with in this process: a task's literals, links and fingerprint."""

    class_type: str
    literals: Mapping[str, object]
    links: Mapping[str, str]
    fingerprint: Mapping[str, object]


def why_it_runs(task: Task, last: LastRun | None, *, kept: bool) -> str:
    """Why the task runs, in words. `last` is the last run of its node.

    `kept` says whether a cache would hold the task's result.
    """
    if task.spec.output:
        return _OUTPUT
    if last is None or last.class_type != task.spec.id:
        return "this model is not loaded yet" if task.spec.model else "no cached result for these inputs"
    changes = [
        *_changed(last.literals, task.literals),
        *_changed(last.fingerprint, task.fingerprint),
        *(f"what {name} links to" for name in _changed(last.links, task.links)),
    ]
    if changes:
        more = len(changes) - _MOST_NAMED
        return f"{', '.join(changes[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''} changed"
    return "same inputs, but its result is no longer held" if kept else "same inputs, but no cache holds its result"


def _changed(last: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    return [name for name in {**last, **now} if last.get(name, _ABSENT) != now.get(name, _ABSENT)]
