"""A prompt held against the nodes' contracts as ComfyUI does it: outputs that are sound run, whatever else is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from api_graph.editor import limits
from api_graph.editor.faults import node_errors, prompt_error
from api_graph.errors import BadInput
from api_graph.folders import Folders
from api_graph.graph import Fault, Graph, GraphError, GraphNode, Link, find_faults, read_graph
from api_graph.registry import Registry

_MOST_DEPENDENT = 20  # faulty nodes whose outputs are looked for


@dataclass(frozen=True)
class Checked:
    """The part of a prompt that can run, and its outputs; `node_errors` is about the rest."""

    graph: Graph
    targets: list[str]
    node_errors: dict[str, object]


class Refused(Exception):
    """A prompt of which nothing can run. The two objects are ComfyUI's."""

    def __init__(self, error: dict[str, object], node_errors: dict[str, object] | None = None) -> None:
        self.error, self.node_errors = error, node_errors or {}
        super().__init__(error["message"])


def check_prompt(
    prompt: Mapping[str, object],
    extra: Mapping[str, object],
    registry: Registry,
    folders: Folders,
    wanted: Collection[str] | None = None,
) -> Checked:
    """What of a prompt can run. `extra` is what saved files embed besides; with `wanted` only those outputs count.

    Raises Refused where nothing can.
    """
    graph = replace(_read(prompt, registry), extra=extra)
    outputs = [id for id, node in graph.nodes.items() if registry[node.class_type].output]
    if wanted is not None:
        outputs = [id for id in outputs if id in wanted]
    if not outputs:
        message = "The graph has no output node: nothing in it shows or saves a result."
        raise Refused(prompt_error("prompt_no_outputs", message))
    needed = _part(graph, _reached(outputs, _sources(graph)))
    faults = [*find_faults(needed, registry), *_files_not_there(needed, registry, folders)]
    faulty = list(dict.fromkeys(fault.node for fault in faults))
    tainted = _reached(faulty, _readers(needed))
    good = [id for id in outputs if id not in tainted]
    errors = node_errors(faults, needed, registry, _dependent(faulty, needed, outputs))
    if not good:
        details = "\n".join(map(str, faults[:10]))
        raise Refused(
            prompt_error("prompt_outputs_failed_validation", "Some nodes are not set right.", details), errors
        )
    return Checked(_part(graph, _reached(good, _sources(graph))), good, errors)


def _read(prompt: Mapping[str, object], registry: Registry) -> Graph:
    """The graph, with nodes of known classes only and without values that those do not ask for."""
    if len(prompt) > limits.MOST_NODES:
        problem = f"The graph has {len(prompt)} nodes; the editor takes {limits.MOST_NODES}."
        raise Refused(prompt_error("invalid_prompt", problem, "Run it with `api-graph run`."))
    try:
        graph = read_graph(prompt)
    except GraphError as error:
        raise Refused(prompt_error("invalid_prompt", "This is no graph that can run.", str(error))) from None
    for node in graph.nodes.values():
        if node.class_type not in registry:
            title = node.title or node.class_type
            message = f'Node {node.id} "{title}" is of a class that is not here: {node.class_type}.'
            facts = {"node_id": node.id, "class_type": node.class_type, "node_title": title}
            raise Refused(prompt_error("missing_node_type", message, "It comes with another node pack.", **facts))
    return replace(graph, nodes={id: _declared_only(node, registry) for id, node in graph.nodes.items()})


def _declared_only(node: GraphNode, registry: Registry) -> GraphNode:
    # As in ComfyUI: scripts in the page may add widgets of their own to a node, whose values come along.
    spec = registry[node.class_type]
    inputs = {n: v for n, v in node.inputs.items() if isinstance(v, Link) or spec.input(n) is not None}
    return replace(node, inputs=inputs)


def _files_not_there(graph: Graph, registry: Registry, folders: Folders) -> Iterable[Fault]:
    """Faults of uploads that are gone: said now, not when their node's turn comes."""
    for node in graph.nodes.values():
        spec = registry[node.class_type]
        for declared in spec.inputs:
            value = node.inputs.get(declared.name)
            if declared.widget.upload and isinstance(value, str):
                try:
                    folders.input_file(value, input=declared.name)
                except BadInput as error:
                    title = node.title or spec.title
                    hint = "Choose a file, or drop one onto the node."
                    yield Fault(node.id, title, spec.id, declared.name, value, error.problem, hint)


# ------------------------------------------------------------------------------------------------- what feeds what

_Edges = Mapping[str, Sequence[str]]


def _sources(graph: Graph) -> _Edges:
    return {id: [link.node for link in node.links().values()] for id, node in graph.nodes.items()}


def _readers(graph: Graph) -> _Edges:
    readers: dict[str, list[str]] = {id: [] for id in graph.nodes}
    for id, node in graph.nodes.items():
        for link in node.links().values():
            if link.node in readers:
                readers[link.node].append(id)
    return readers


def _reached(starts: Iterable[str], edges: _Edges) -> set[str]:
    """`starts`, and all that they lead to."""
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        id = waiting.pop()
        if id not in reached and id in edges:
            reached.add(id)
            waiting.extend(edges[id])
    return reached


def _part(graph: Graph, ids: set[str]) -> Graph:
    return replace(graph, nodes={id: node for id, node in graph.nodes.items() if id in ids})


def _dependent(faulty: Sequence[str], graph: Graph, outputs: Sequence[str]) -> dict[str, list[str]]:
    """The outputs that each faulty node keeps from running; of a graph with many faults, for the first of them."""
    readers = _readers(graph)
    found: dict[str, list[str]] = {}
    for id in faulty[:_MOST_DEPENDENT]:
        reached = _reached([id], readers)
        found[id] = [output for output in outputs if output in reached]
    return found
