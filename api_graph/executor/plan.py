"""From rows of one graph to tasks: one per distinct key, in an order in which each finds its inputs ready.

Rows that share an image and a model share the tasks that depend on nothing else: "one encoding per distinct image" is
what equal keys mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api_graph.errors import ApiGraphError
from api_graph.executor.keys import digest, model_key, step_key
from api_graph.executor.memory import Entry
from api_graph.executor.result import Action, NodeError
from api_graph.folders import Folders
from api_graph.graph import Graph, GraphNode, Link
from api_graph.spec import NodeSpec


@dataclass(eq=False)
class Task:
    """One distinct step. `readers` counts those who will still read its entry."""

    key: str
    node: GraphNode
    spec: NodeSpec
    row: int
    parents: Mapping[str, tuple[Task, int]]
    pool_key: str = ""
    error: NodeError | None = None
    blocked: bool = False
    needed: bool = False
    readers: int = 0
    entry: Entry | None = None
    action: Action = "unneeded"
    why: str = "nothing that ran reads it"
    seconds: float = 0.0
    bytes: int = 0

    @property
    def title(self) -> str:
        return self.node.title or self.spec.title

    def fail(self, error: Exception) -> None:
        self.error = NodeError(self.node.id, self.title, self.spec.id, error)
        self.action, self.why = "failed", str(error)

    def block(self, by: Task) -> None:
        self.blocked = True
        self.action, self.why = "blocked", f'node {by.node.id} "{by.title}" gave nothing'

    @property
    def dead(self) -> bool:
        return self.error is not None or self.blocked


@dataclass
class Plan:
    """All tasks of a chunk of rows. `stages` lists them by node, in execution order; `of_row` finds a row's own."""

    stages: list[list[Task]] = field(default_factory=list)
    of_row: list[dict[str, Task]] = field(default_factory=list)


def plan(graphs: Sequence[Graph], order: Sequence[str], registry: Mapping[str, NodeSpec], folders: Folders) -> Plan:
    """Tasks for rows of one graph (the same nodes and links, other literals), `order` being its execution order."""
    tasks: dict[str, Task] = {}
    result = Plan(of_row=[{} for _ in graphs])
    for node_id in order:
        stage: list[Task] = []
        for row, graph in enumerate(graphs):
            node = graph.nodes[node_id]
            candidate = _task(node, registry[node.class_type], row, result.of_row[row], folders)
            task = tasks.setdefault(candidate.key, candidate)
            if task is candidate:
                stage.append(task)
            result.of_row[row][node_id] = task
        result.stages.append(stage)
    return result


def _task(node: GraphNode, spec: NodeSpec, row: int, others: Mapping[str, Task], folders: Folders) -> Task:
    parents = {
        name: (others[value.node], value.output) for name, value in node.inputs.items() if isinstance(value, Link)
    }
    try:
        key, _ = step_key(node, spec, {n: (t.key, slot) for n, (t, slot) in parents.items()}, folders)
    except (ApiGraphError, OSError) as error:
        failed = Task(digest(["failed", node.id, row]), node, spec, row, parents)
        failed.fail(error)
        return failed
    if spec.output:
        # It acts on the world, so every row and every node of the kind does its own.
        key = digest([key, node.id, row])
    return Task(key, node, spec, row, parents, model_key(key, node) if spec.model else "")
