"""From rows of one graph to tasks: one per distinct key, in an order in which each finds its inputs ready.

Rows that share an image and a model share the tasks that depend on nothing else: "one encoding per distinct image" is
what equal keys mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api_graph.errors import BadInput
from api_graph.executor.entry import Entry
from api_graph.executor.keys import fingerprint_of, key_head, key_literals, model_key, step_key
from api_graph.executor.result import Action, NodeError
from api_graph.folders import Folders
from api_graph.graph import Graph, GraphNode, Link
from api_graph.spec import NodeSpec

_NOTHING: Mapping[str, Any] = {}  # one for all tasks: large graphs keep the garbage collector busy


@dataclass(eq=False, slots=True)
class Task:
    """One distinct step.

    `parents` are the tasks that its linked inputs read, and `links` says it in keys: of each the key and the number of
    the output. `readers` counts those who will still read its entry; that of a `root` is read after the run.
    `failed_upstream` is the failed task because of which this one gives nothing. A task that is not `cacheable` has a
    result that only this run may use.
    """

    node: GraphNode
    spec: NodeSpec
    row: int
    parents: Mapping[str, Task]
    key: str = ""
    pool_key: str = ""
    literals: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    links: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    fingerprint: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    root: bool = False
    needed: bool = False
    readers: int = 0
    cacheable: bool = True
    entry: Entry | None = None
    error: NodeError | None = None
    failed_upstream: Task | None = None
    action: Action = "unneeded"
    why: str = "nothing that ran reads it"
    seconds: float = 0.0
    bytes: int = 0

    @property
    def title(self) -> str:
        return self.node.title or self.spec.title

    def fail(self, error: Exception) -> None:
        """The task gives nothing, and `error` is why."""
        self.error = NodeError(self.node.id, self.title, self.spec.id, error)
        self.failed_upstream, self.action, self.why = self, "failed", str(error)

    def block(self) -> bool:
        """Whether a task that this one reads gave nothing; then this one gives nothing either."""
        for parent in self.parents.values():
            if parent.failed_upstream is not None:
                self.failed_upstream, self.action = parent.failed_upstream, "blocked"
                self.why = f'node {self.failed_upstream.node.id} "{self.failed_upstream.title}" failed'
                return True
        return False


@dataclass
class Plan:
    """All tasks of a chunk of rows. `stages` lists them by node, in execution order; `of_row` finds a row's own."""

    stages: list[list[Task]] = field(default_factory=list)
    of_row: list[dict[str, Task]] = field(default_factory=list)


def plan(
    graphs: Sequence[Graph],
    order: Sequence[str],
    registry: Mapping[str, NodeSpec],
    folders: Folders,
    roots: Sequence[str] = (),
) -> Plan:
    """Tasks for rows of one graph (the same nodes and links, other literals), `order` being its execution order.

    `roots` are the nodes whose results outlive the run. Raises BadInput for rows of different graphs.
    """
    planner = _Planner(registry, folders, len(graphs))
    for graph in graphs[1:]:
        _check_same(graphs[0], graph, order)
    for node_id in order:
        planner.add_stage([graph.nodes[node_id] for graph in graphs])
    for tasks in planner.plan.of_row:
        for root in roots:
            tasks[root].root = True
    return planner.plan


class _Planner:
    def __init__(self, registry: Mapping[str, NodeSpec], folders: Folders, rows: int) -> None:
        self.registry, self.folders = registry, folders
        self.plan = Plan(of_row=[{} for _ in range(rows)])
        self._tasks: dict[Hashable, Task] = {}
        self._fingerprints: dict[Hashable, Mapping[str, Any]] = {}
        self._heads: dict[int, tuple[Mapping[str, Any], str]] = {}  # by the identity of nodes

    def add_stage(self, nodes: Sequence[GraphNode]) -> None:
        """One node, as each row has it. Most rows have the very same one, and many read the same tasks."""
        spec, links = self.registry[nodes[0].class_type], nodes[0].links()
        stage: list[Task] = []
        shared: dict[Hashable, Task] = {}
        for row, node in enumerate(nodes):
            of_row = self.plan.of_row[row]
            parents = {name: of_row[link.node] for name, link in links.items()}
            task = shared.get(same := (id(node), *map(id, parents.values())))
            if task is None:
                candidate = self._task(Task(node, spec, row, parents), links)
                task = self._tasks.setdefault(_identity(candidate), candidate)
                if task is candidate:
                    stage.append(task)
                if not _is_own(task):
                    shared[same] = task
            of_row[node.id] = task
        self.plan.stages.append(stage)

    def _task(self, task: Task, links: Mapping[str, Link]) -> Task:
        """The task with its key, or with what is wrong with it."""
        if task.block():
            return task
        node, spec = task.node, task.spec
        try:
            task.literals, head = self._head(node, spec)
            task.fingerprint = self._fingerprint(node, spec)
            task.links = {name: f"{parent.key} {links[name].output}" for name, parent in task.parents.items()}
            task.key = step_key(head, task.links, task.fingerprint)
            if spec.model:
                task.pool_key = model_key(task.key, node, spec)
        except Exception as error:  # a file that is not there, a fingerprint with a bug
            task.fail(error)
        return task

    def _head(self, node: GraphNode, spec: NodeSpec) -> tuple[Mapping[str, Any], str]:
        """The node's literals, and what they put into keys."""
        if id(node) not in self._heads:
            literals = key_literals(node, spec)
            self._heads[id(node)] = literals, key_head(spec, literals)
        return self._heads[id(node)]

    def _fingerprint(self, node: GraphNode, spec: NodeSpec) -> Mapping[str, Any]:
        """Asked once for equal literals, so that all rows of a chunk see one state of the files."""
        if spec.fingerprint is None:
            return _NOTHING
        asked = spec.id, *(node.inputs.get(name) for name in spec.fingerprinted)
        if asked not in self._fingerprints:
            self._fingerprints[asked] = fingerprint_of(node, spec, self.folders)
        return self._fingerprints[asked]


def _identity(task: Task) -> Hashable:
    """What two tasks have in common that are one."""
    return (task.key, task.node.id, task.row) if _is_own(task) else task.pool_key or task.key


def _is_own(task: Task) -> bool:
    """Whether its row has the task to itself. An output acts on the world, so every node of the kind does its own."""
    return task.spec.output or task.failed_upstream is not None


def _check_same(first: Graph, graph: Graph, order: Sequence[str]) -> None:
    """Raise BadInput unless the nodes in `order` have the same classes and links in both."""
    for node_id in order:
        one, other = first.nodes[node_id], graph.nodes.get(node_id)
        if one is other:
            continue
        if other is None or one.class_type != other.class_type or one.links() != other.links():
            raise BadInput(
                "the rows are not one graph with other values: they differ in a class or a link",
                input="graphs",
                value=f"node {node_id}",
                hint="Run different graphs one after the other.",
            )
