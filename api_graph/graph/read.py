"""From parsed JSON to a Graph: ComfyUI's API format or the editor's own, from a file or embedded in a saved image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api_graph.graph.document import MOST_NODES, Repeated, load_document
from api_graph.graph.faults import NO_VALUE, Fault, GraphError, file_error, file_fault
from api_graph.graph.literals import json_problem
from api_graph.graph.model import WRAPPER, Graph, GraphNode, Link, Unreadable
from api_graph.graph.words import as_json, listed, path_words, quoted
from api_graph.graph.workflow import is_workflow, workflow_to_api
from api_graph.registry import Registry

_NODE_FORM = '{"class_type": "...", "inputs": {...}}'
_API_FORM = f'A graph in API format is {{"1": {_NODE_FORM}, ...}}; the editor writes it with Export (API).'
_NO_REGISTRY = "Its nodes name no inputs; `read_graph(source, all_nodes())` looks them up (api_graph.registry)."


def read_graph(source: str | Path | Mapping[str, Any], registry: Registry | None = None) -> Graph:
    """Read a graph in ComfyUI's API format, or as the editor saves it (a workflow), which takes the nodes' registry.

    `source` is a path to a .json file or to a PNG or WebP with a graph embedded in it, or the parsed JSON itself; all
    may be wrapped as `{"prompt": {...}, "workflow": {...}}`, where the prompt is read if there is one. A workflow is
    kept as `extra["workflow"]`. Raises GraphError for what is no graph. An input that can be neither link nor literal
    becomes Unreadable, which `validate` reports together with all other faults.
    """
    if not isinstance(source, str | Path):
        return _graph(source, "the graph", registry)
    return _graph(load_document(Path(source)), path_words(source), registry)


def _graph(document: Any, name: str, registry: Registry | None) -> Graph:
    nodes, extra = _unwrapped(document)
    if is_workflow(nodes):
        if registry is None:
            raise file_error(f"{name} is in the editor's own save format", _NO_REGISTRY)
        nodes, extra = workflow_to_api(nodes, registry), {**extra, "workflow": nodes}
    _refuse_other_forms(nodes, name)
    faults: list[Fault] = []
    if isinstance(nodes, Repeated):
        faults.append(
            file_fault(f"{name} has two nodes with the id {listed(nodes.keys_twice)}", "Renumber one of them.")
        )
    read: dict[str, GraphNode] = {}
    for id, raw in nodes.items():
        fault = _node_fault(id, raw)
        if fault:
            faults.append(fault)
        else:
            read[id] = _node(id, raw)
    if faults:
        raise GraphError(faults)
    return Graph(read, extra)


def _unwrapped(document: Any) -> tuple[Any, Mapping[str, Any]]:
    """The nodes, and what came with them, for `{"prompt": {...}, "workflow": {...}}`; one of the two may lack."""
    if not isinstance(document, Mapping):
        return document, {}
    prompt, workflow = document.get("prompt"), document.get("workflow")
    if isinstance(prompt, Mapping) and "class_type" not in prompt and (prompt or not is_workflow(workflow)):
        return prompt, {key: value for key, value in document.items() if key != "prompt"}
    if is_workflow(workflow) and not prompt:
        return workflow, {key: value for key, value in document.items() if key != "prompt"}
    return document, {}  # a node may have the id "prompt"


def _refuse_other_forms(nodes: Any, name: str) -> None:
    if not isinstance(nodes, Mapping):
        raise file_error(f"{name} is no graph, but {_kind(nodes)}", _API_FORM)
    if not nodes:
        raise file_error(f"{name} has no nodes", _API_FORM)
    if not any(isinstance(node, Mapping) and "class_type" in node for node in nodes.values()):
        raise file_error(f"{name} is JSON, but no graph: nothing in it is a node", _API_FORM)
    if len(nodes) > MOST_NODES:
        raise file_error(f"{name} has {len(nodes)} nodes; more than {MOST_NODES} are not read", "Split it.")


def _kind(document: Any) -> str:
    """What stands where a graph or a node should, in words."""
    return "a list" if isinstance(document, list | tuple) else as_json(document)


# ------------------------------------------------------------------------------------------------------ nodes


def _node_fault(id: Any, raw: Any) -> Fault | None:
    """What keeps one entry of the file from being a node."""
    if not isinstance(id, str) or not id:
        return file_fault(f"the node id {as_json(id)} is no text, or an empty one", 'Ids are texts: "1", "2".')
    if not isinstance(raw, Mapping):
        return file_fault(f"node {quoted(id)} is {_kind(raw)}, not a node", f"A node is {_NODE_FORM}.")
    class_type, inputs = raw.get("class_type"), raw.get("inputs")
    known = class_type if isinstance(class_type, str) else ""

    def fault(problem: str, hint: str) -> Fault:
        return Fault(id, _title(raw) or known, known, None, NO_VALUE, problem, hint)

    if not known:
        return fault("it has no class_type, or one that is no text", f"A node is {_NODE_FORM}.")
    if not isinstance(inputs, Mapping):
        return fault('it has no "inputs", or some that are no object', 'Write "inputs": {} if there are none.')
    for place in (raw, inputs):
        if isinstance(place, Repeated):
            return fault(f"{listed(place.keys_twice)} is written twice", "Keep one.")
    for input in inputs:
        if not isinstance(input, str):
            return fault(f"the input name {as_json(input)} is no text", f"Write {quoted(str(input))}.")
    return None


def _node(id: str, raw: Mapping[str, Any]) -> GraphNode:
    inputs = {name: _value(value) for name, value in raw["inputs"].items()}
    return GraphNode(id, raw["class_type"], inputs, _title(raw))


def _title(raw: Mapping[str, Any]) -> str:
    meta = raw.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return title if isinstance(title, str) else ""


# ----------------------------------------------------------------------------------------------------- values


def _value(raw: Any) -> Any:
    """A Link, a literal, or Unreadable."""
    if isinstance(raw, list | tuple):
        return _link(raw)
    literal = raw[WRAPPER] if isinstance(raw, Mapping) and WRAPPER in raw else raw
    problem = json_problem(literal)
    return Unreadable(raw, *problem) if problem else literal


def _link(raw: list[Any] | tuple[Any, ...]) -> Link | Unreadable:
    if len(raw) == 2 and isinstance(raw[0], str) and type(raw[1]) is int:
        return Link(raw[0], raw[1])
    if len(raw) == 2 and type(raw[0]) is int and type(raw[1]) is int:
        hint = f'Write ["{raw[0]}", {raw[1]}].'
        return Unreadable(raw, "a link names its node by a text", hint)
    hint = f'A link is ["node id", output number]; a list that is a value is written {{"{WRAPPER}": [...]}}.'
    return Unreadable(raw, "a list, but no link", hint)
