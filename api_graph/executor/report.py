"""From a finished plan to what the caller gets: one RunResult per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api_graph.executor.entry import Entry
from api_graph.executor.plan import Task
from api_graph.executor.result import Action, NodeOutput, RunResult, Step, shown_files
from api_graph.folders import Folders
from api_graph.graph import Graph, GraphNode
from api_graph.spec import NodeSpec


def result_of_row(
    row: int, graph: Graph, tasks: Mapping[str, Task], roots: Sequence[str], folders: Folders, seconds: float, held: int
) -> RunResult:
    """What one row gave. `tasks` are the row's, by node; it may share them with other rows, and its nodes may too."""
    failures = {id(task.error): task.error for task in tasks.values() if task.error is not None}
    outputs = {
        node_id: output_of(tasks[node_id].spec, entry, folders)
        for node_id in roots
        if (entry := tasks[node_id].entry) is not None
    }
    steps = [_step(row, graph.nodes[node_id], task) for node_id, task in tasks.items()]
    return RunResult(outputs, list(failures.values()), steps, seconds, held)


def output_of(spec: NodeSpec, entry: Entry, folders: Folders) -> NodeOutput:
    """Each output by name: a single value, or the list where there is one. A receipt has none."""
    values = {
        output.name: list(got) if output.is_list or len(got) != 1 else got[0]
        for output, got in zip(spec.outputs, entry.outputs, strict=bool(entry.outputs))
    }
    return NodeOutput(values, entry.ui, shown_files(entry.ui, folders, kept=True))


def _step(row: int, node: GraphNode, task: Task) -> Step:
    """The story of one node; where another node or row has done its work, that is the story."""
    spec, action, why = task.spec, task.action, task.why
    if task.node.id == node.id and task.row == row:
        return Step(node.id, task.title, spec.id, action, why, task.seconds, task.bytes)
    if task.entry is not None or action in ("ran", "memory", "disk", "pool"):
        twin = f"node {task.node.id}" if task.row == row else f"row {task.row + 1}"
        shared: Action = "pool" if spec.model else "memory"
        action, why = shared, f"same inputs as {twin}, which this run has done once for both"
    return Step(node.id, node.title or spec.title, spec.id, action, why, 0.0, task.bytes)
