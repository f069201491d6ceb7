"""From rows of one graph to tasks: one per distinct key, in an order in which each finds its inputs ready.

Equal keys are the same result, across branches, rows, runs, processes and machines: rows that share an image and a
model share the tasks that depend on nothing else. A step's key is a hash of its node's id and version, its literal
inputs, the content of the files that it reads, and the keys of the steps it links to. Tensors are never hashed. Inputs
at their default are left out, so that a node may gain a parameter without losing its cached results; ids and titles of
the graph's nodes are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from api_graph.errors import BadInput
from api_graph.executor.cache.entry import Entry
from api_graph.executor.results import Action, NodeError
from api_graph.files import FileState, files_noted
from api_graph.folders import Folders
from api_graph.graph import Graph, GraphNode, Link
from api_graph.spec import InputSpec, NodeSpec

if TYPE_CHECKING:
    from api_graph.sockets import Attribution

Digests = Mapping[FileState, str]

KEY_FORMAT = 2

_NOTHING: Mapping[str, object] = {}  # one for all tasks
_NOTHING_READ: Digests = {}
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(eq=False, slots=True)
class Task:
    """One distinct step.

    `parents` are the tasks that its linked inputs read, and `links` says it in keys: "KEY OUTPUT" by input. With
    `literals` and `fingerprint` they make the step's `key`. `readers` counts the tasks that will still read its entry;
    that of a `root` is read after the run. `failed_upstream` is the failed task because of which this one gives
    nothing. With `figures` its plain outputs are wanted even if nobody reads them, and `plain` has them once it is
    done; with `keeps_maps` its attributions are, and `maps` has them. A task that is not `cacheable` has a result that
    only this run may use. The fingerprint stands for the literals `names`. `files` are those that it read, as they were
    then, with their digests: what the node reads later must be the same, or its result has another key, and was not
    read `as_planned`.
    """

    node: GraphNode
    spec: NodeSpec
    title: str
    row: int
    parents: Mapping[str, Task]
    key: str = ""
    pool_key: str = ""
    # Not one object for all three: large graphs keep the garbage collector busy.
    literals: Mapping[str, object] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    fingerprint: Mapping[str, object] = field(default_factory=dict)
    names: Mapping[str, object] = field(default_factory=dict)
    files: Digests = field(default_factory=dict)
    as_planned: bool = True
    root: bool = False
    figures: bool = False
    keeps_maps: bool = False
    needed: bool = False
    readers: int = 0
    cacheable: bool = True
    entry: Entry | None = None
    plain: Mapping[str, object] | None = None
    maps: Sequence[Attribution] | None = None
    error: NodeError | None = None
    failed_upstream: Task | None = None
    action: Action = "unneeded"
    why: str = "nothing that ran reads it"
    seconds: float = 0.0
    bytes: int = 0

    @property
    def asks(self) -> bool:
        """Whether the task asks an endpoint: its model's fingerprint names one."""
        return any("endpoint" in parent.fingerprint for parent in self.parents.values() if parent.spec.model)

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


class PlannedRead(NamedTuple):
    """A file that a row's own step reads, as it was when planned. Files of equal content may share one `task`."""

    state: FileState
    sha256: str
    task: Task


@dataclass
class GraphPlan:
    """All tasks of one graph's rows. `stages` lists them by node, in execution order; `of_row` finds a row's own.

    `reads` are each row's own files, models' left out, by their names as the row or the graph gives them.
    """

    stages: list[list[Task]]
    of_row: list[dict[str, Task]]
    reads: list[dict[str, PlannedRead]]


def plan_rows(
    graphs: Sequence[Graph],
    order: Sequence[str],
    registry: Mapping[str, NodeSpec],
    folders: Folders,
    roots: Sequence[str] = (),
    figures: Sequence[str] = (),
    maps: Sequence[str] = (),
) -> GraphPlan:
    """Tasks for rows of one graph (the same nodes and links, other literals), `order` being its execution order.

    `roots` are the nodes whose results outlive the run, `figures` those of which the plain outputs do, and `maps`
    those of which the attributions do. Raises BadInput for rows of different graphs.
    """
    for graph in graphs[1:]:
        _check_same(graphs[0], graph, order)
    planner = _Planner(registry, folders, [{} for _ in graphs], [{} for _ in graphs])
    stages = [planner.plan_stage([graph.nodes[node_id] for graph in graphs]) for node_id in order]
    for tasks in planner.of_row:
        for root in roots:
            tasks[root].root = True
        for id in figures:
            tasks[id].figures = True
        for id in maps:
            tasks[id].figures = tasks[id].keeps_maps = True
    return GraphPlan(stages, planner.of_row, planner.reads)


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


@dataclass
class _Planner:
    """Plans the nodes of a graph one after the other. What many rows have in common is worked out once."""

    registry: Mapping[str, NodeSpec]
    folders: Folders
    of_row: list[dict[str, Task]]
    reads: list[dict[str, PlannedRead]]
    tasks: dict[Hashable, Task] = field(default_factory=dict)
    fingerprints: dict[Hashable, tuple[Mapping[str, object], Digests]] = field(default_factory=dict)
    literals: dict[int, tuple[Mapping[str, object], str]] = field(default_factory=dict)  # by the identity of nodes

    def plan_stage(self, nodes: Sequence[GraphNode]) -> list[Task]:
        """The tasks of one node, as each row has it. Most rows have the very same one, and many read the same tasks."""
        spec, links = self.registry[nodes[0].class_type], nodes[0].links()
        stage: list[Task] = []
        shared: dict[Hashable, tuple[Task, Digests]] = {}
        for row, node in enumerate(nodes):
            of_row = self.of_row[row]
            parents = {name: of_row[link.node] for name, link in links.items()}
            task, files = shared.get(same := (id(node), *map(id, parents.values())), (None, _NOTHING_READ))
            if task is None:
                task = Task(node, spec, node.title or spec.title, row, parents)
                if not task.block():
                    self._add_key(task, links)
                files = task.files
                if spec.output or task.failed_upstream is not None:
                    # The row has it to itself: an output acts on the world, so every node of the kind does its own.
                    stage.append(task)
                else:
                    candidate = task
                    task = self.tasks.setdefault(task.pool_key or task.key, candidate)
                    if task is candidate:
                        stage.append(task)
                    shared[same] = task, files
            of_row[node.id] = task
            if files and not spec.model:
                names = [node.inputs.get(name) for name in spec.fingerprinted]
                for state, digest in files.items():
                    name = names[0] if len(names) == len(files) == 1 else state.path
                    self.reads[row][str(name)] = PlannedRead(state, digest, task)
        return stage

    def _add_key(self, task: Task, links: Mapping[str, Link]) -> None:
        """Give the task its key; one that cannot have a key fails."""
        node, spec = task.node, task.spec
        try:
            if id(node) not in self.literals:
                literals = key_literals(node, spec)
                self.literals[id(node)] = literals, key_head(spec, literals)
            task.literals, head = self.literals[id(node)]
            task.links = {name: f"{parent.key} {links[name].output}" for name, parent in task.parents.items()}
            task.fingerprint = _NOTHING
            if spec.fingerprint is not None:
                declared = [one for one in spec.inputs if one.name in spec.fingerprinted]
                task.names = {one.name: node.inputs.get(one.name, one.default) for one in declared}
                asked = spec.id, *task.names.items()
                if asked not in self.fingerprints:  # once, so that all rows see one state of the files
                    with files_noted() as files:
                        found = spec.fingerprint(self.folders, **task.names)
                    self.fingerprints[asked] = found, files
                task.fingerprint, task.files = self.fingerprints[asked]
            task.key = step_key(head, task.links, task.fingerprint)
            if spec.model:
                # The results do not depend on the model's device, but where it lies in the pool does.
                widgets = {i.name: node.inputs.get(i.name, i.default) for i in spec.inputs if i.is_widget}
                typed = {name: value for name, value in widgets.items() if not isinstance(value, Link)}
                task.pool_key = step_key(task.key + _canonical(typed), {}, {})
        except Exception as error:  # a file that is not there, a fingerprint with a bug
            task.fail(error)


# ------------------------------------------------------------------------------------------ keys


def read_as_planned(task: Task, folders: Folders) -> bool:
    """Whether the files behind a step's key are still the ones that the key was made from, untouched since.

    Asked after the node has read them: then it has read the very bytes that the key stands for. Size and time of change
    do not tell, and nor does the content: a file may be exchanged, and put back.
    """
    if not task.files or task.spec.fingerprint is None:
        return True
    try:
        with files_noted() as files:
            found = task.spec.fingerprint(folders, **task.names)
        return found == task.fingerprint and files == task.files
    except Exception:  # it is gone, or another checkpoint lies there now
        return False


def key_literals(node: GraphNode, spec: NodeSpec) -> dict[str, object]:
    """The literals that enter the key: not those at their default, nor those that the fingerprint stands for."""
    literals: dict[str, object] = {}
    for name, value in node.inputs.items():
        if isinstance(value, Link) or name in spec.fingerprinted:
            continue
        declared = spec.input(name)
        value = as_declared(declared, value)
        if declared is None or declared.required or value != declared.default:
            literals[name] = value
    return literals


def as_declared(declared: InputSpec | None, value: object) -> object:
    """A literal in the form that its type gives it: JSON's 1 is 1.0 where a FLOAT is meant."""
    return float(value) if type(value) is int and declared is not None and declared.socket == "FLOAT" else value


def key_head(spec: NodeSpec, literals: Mapping[str, object]) -> str:
    """What the key of a step says of its node and its literal inputs, which are `key_literals`.

    Raises TypeError or ValueError for what is not JSON.
    """
    # Names of inputs are identifiers and JSON has no raw line breaks, so that two different steps never read alike.
    # json takes ten times as long over a number as repr, to write the same.
    lines = [
        f"= {name} {repr(value) if type(value) in (int, float) else _canonical(value)}"
        for name, value in literals.items()
    ]
    return "\n".join([f"{KEY_FORMAT} {spec.id} {spec.version}", *sorted(lines)])


def step_key(head: str, links: Mapping[str, str], fingerprint: Mapping[str, object]) -> str:
    """Key of one step: a sha256 in hexadecimal.

    `head` is its `key_head`, `links` maps each linked input to "KEY OUTPUT" of the step it links to, and `fingerprint`
    is what the node's own says of the files behind its literals. Raises TypeError or ValueError for what is not JSON.
    """
    parts = [head, *sorted([f"@ {name} {link}" for name, link in links.items()])]
    if fingerprint:
        parts.append(f"# {_canonical(fingerprint)}")
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
