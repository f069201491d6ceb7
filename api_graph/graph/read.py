"""From a file to a Graph: ComfyUI's API format or the editor's own, as JSON or embedded in a saved image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

from api_graph.graph.faults import NO_VALUE, Fault, GraphError, file_error, file_fault
from api_graph.graph.images import PNG, embedded_texts, other_kind
from api_graph.graph.literals import Repeated, json_problem
from api_graph.graph.model import MOST_NODES, WRAPPER, Graph, GraphNode, Link, Unreadable
from api_graph.graph.words import as_json, listed, path_words, quoted
from api_graph.graph.workflow import workflow_to_api
from api_graph.registry import Registry

LARGEST_FILE = 64 * 2**20

_NODE_FORM = '{"class_type": "...", "inputs": {...}}'
_API_FORM = f'A graph in API format is {{"1": {_NODE_FORM}, ...}}; the editor writes it with Export (API).'
_NO_REGISTRY = "Its nodes name no inputs; `read_graph(source, all_nodes())` looks them up (api_graph.registry)."
_EXPORT_AGAIN = "Export it again from the editor."


def read_graph(source: str | Path | Mapping[str, object], registry: Registry | None = None) -> Graph:
    """Read a graph in ComfyUI's API format, or as the editor saves it (a workflow), which takes the nodes' registry.

    `source` is a path to a .json file or to a PNG or WebP with a graph embedded in it, or the parsed JSON itself; all
    may be wrapped as `{"prompt": {...}, "workflow": {...}}`, where the prompt is read if there is one. A workflow is
    kept as `extra["workflow"]`. Raises GraphError for what is not a graph. An input that can be neither link nor
    literal becomes Unreadable, which `validate` reports together with all other faults.
    """
    nodes, extra = _unwrapped(_load(Path(source)) if isinstance(source, str | Path) else source)
    if is_workflow(nodes):
        if registry is None:
            raise _refused(source, "is in the editor's own save format", _NO_REGISTRY)
        nodes, extra = workflow_to_api(nodes, registry), {**extra, "workflow": nodes}
    if not isinstance(nodes, Mapping):
        raise _refused(source, f"is no graph, but {_kind(nodes)}", _API_FORM)
    if not nodes:
        raise _refused(source, "has no nodes", _API_FORM)
    if not any(isinstance(node, Mapping) and "class_type" in node for node in nodes.values()):
        raise _refused(source, "is JSON, but no graph: nothing in it is a node", _API_FORM)
    if len(nodes) > MOST_NODES:
        raise _refused(source, f"has {len(nodes)} nodes; more than {MOST_NODES} are not read", "Split it.")
    read = [_node(id, raw) for id, raw in nodes.items()]
    faults = [one for one in read if isinstance(one, Fault)]
    if isinstance(nodes, Repeated):
        ids = listed(nodes.keys_twice)
        faults = [*_refused(source, f"has two nodes with the id {ids}", "Renumber one of them.").faults, *faults]
    if faults:
        raise GraphError(faults)
    return Graph({node.id: node for node in read if isinstance(node, GraphNode)}, extra)


def is_workflow(document: object) -> TypeGuard[Mapping[str, object]]:
    """Whether parsed JSON is in the editor's save format."""
    return isinstance(document, Mapping) and isinstance(document.get("nodes"), list)


def _refused(source: object, problem: str, hint: str) -> GraphError:
    """The error that names the file, or "the graph" if `source` is parsed JSON."""
    name = path_words(source) if isinstance(source, str | Path) else "the graph"
    return file_error(f"{name} {problem}", hint)


def _kind(document: object) -> str:
    """What was found instead of a graph or a node, in words."""
    return "a list" if isinstance(document, list | tuple) else as_json(document)


# ------------------------------------------------------------------------------------------------------- files


def _load(path: Path) -> object:
    """The JSON in a file, or the `{"prompt": ..., "workflow": ...}` embedded in an image. Raises GraphError."""
    try:
        if path.is_dir():
            raise _refused(path, "is a folder", "Name the graph's file in it.")
        if path.exists() and not path.is_file():
            raise _refused(path, "is not a plain file", "Give a graph's .json file.")
        if path.stat().st_size > LARGEST_FILE:
            raise _refused(path, f"is larger than {LARGEST_FILE // 2**20} MB", "Is it a graph?")
        data = path.read_bytes()
    except FileNotFoundError:
        raise file_error(f"there is no file {path_words(path)}", "Check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise _refused(path, f"cannot be read ({reason})", "Check the path and its permissions.") from None
    if data.startswith(PNG) or (data[:4], data[8:12]) == (b"RIFF", b"WEBP"):
        return _embedded(data, path)
    kind = None if data.startswith(b"{") else other_kind(data)
    if kind is not None:
        inside = ", with what may be a graph inside" if b"orkflow:{" in data or b"rompt:{" in data else ""
        hint = "Open it in ComfyUI and save the graph as .json, or give a PNG or WebP that ComfyUI saved."
        raise _refused(path, f"is {kind}{inside}: graphs are read from PNG and WebP, or from .json", hint)
    try:
        return _parsed(data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"), path)
    except UnicodeDecodeError:
        hint = "Give a graph's .json file, or a PNG with a graph in it."
        raise _refused(path, "is not UTF-8 text", hint) from None


def _embedded(data: bytes, path: Path) -> dict[str, object]:
    """ComfyUI writes `prompt` (API format) and usually `workflow` (the editor's own format); one of them will do."""
    texts = embedded_texts(data)
    document = {key: _parsed(texts[key], path, key) for key in ("prompt", "workflow") if key in texts}
    if not document:
        hint = "Give a picture that ComfyUI saved, or the graph's .json file; sent copies lose it."
        has = "has no graph in it"
        if "parameters" in texts:
            has += ', only "parameters", as AUTOMATIC1111 and others write them: settings, which are no graph'
        raise _refused(path, has, hint)
    return document


def _parsed(text: str, path: Path, key: str = "") -> object:
    """The JSON in a file, or in an image's text with the keyword `key`. Raises GraphError."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg}, at line {error.lineno}, column {error.colno}"
        hint = "Mend it there, or export it again from the editor."
    except RecursionError:
        problem, hint = "nests too deeply", _EXPORT_AGAIN
    except ValueError:  # an integer of thousands of digits
        problem, hint = "holds a number with too many digits", _EXPORT_AGAIN
    name = path_words(path)
    raise file_error(f"the {key} in {name} {problem}" if key else f"{name} {problem}", hint)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; Repeated if a key is written twice."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    times = Counter(key for key, _ in pairs)
    repeated = Repeated(plain)
    repeated.keys_twice = tuple(key for key in plain if times[key] > 1)
    return repeated


# ------------------------------------------------------------------------------------------------------- nodes


def _unwrapped(document: object) -> tuple[object, Mapping[str, object]]:
    """The nodes, and what came with them, of `{"prompt": {...}, "workflow": {...}}`; one of the two may be missing."""
    if not isinstance(document, Mapping):
        return document, {}
    prompt, workflow = document.get("prompt"), document.get("workflow")
    if isinstance(prompt, Mapping) and "class_type" not in prompt and (prompt or not is_workflow(workflow)):
        return prompt, {key: value for key, value in document.items() if key != "prompt"}
    if is_workflow(workflow) and not prompt:
        return workflow, {key: value for key, value in document.items() if key != "prompt"}
    return document, {}  # a node may have the id "prompt"


def _node(id: object, raw: object) -> GraphNode | Fault:
    """A node, or what keeps this item of the file from being one."""
    if not isinstance(id, str) or not id:
        return file_fault(f"the node id {as_json(id)} is no text, or an empty one", 'Ids are texts: "1", "2".')
    if not isinstance(raw, Mapping):
        return file_fault(f"node {quoted(id)} is {_kind(raw)}, not a node", f"A node is {_NODE_FORM}.")
    class_type, inputs, meta = raw.get("class_type"), raw.get("inputs"), raw.get("_meta")
    class_type = class_type if isinstance(class_type, str) else ""
    title = meta.get("title") if isinstance(meta, Mapping) else None
    title = title if isinstance(title, str) else ""

    def fault(problem: str, hint: str) -> Fault:
        return Fault(id, title or class_type, class_type, None, NO_VALUE, problem, hint)

    if not class_type:
        return fault("it has no class_type, or one that is no text", f"A node is {_NODE_FORM}.")
    if not isinstance(inputs, Mapping):
        return fault('it has no "inputs", or some that are no object', 'Write "inputs": {} if there are none.')
    for each in (raw, inputs):
        if isinstance(each, Repeated):
            return fault(f"{listed(each.keys_twice)} is written twice", "Keep one.")
    for name in inputs:
        if not isinstance(name, str):
            return fault(f"the input name {as_json(name)} is no text", f"Write {quoted(str(name))}.")
    return GraphNode(id, class_type, {name: _value(value) for name, value in inputs.items()}, title)


def _value(raw: object) -> object:
    """The value of an input: a Link, a literal, or Unreadable."""
    if not isinstance(raw, list | tuple):
        literal = raw[WRAPPER] if isinstance(raw, Mapping) and WRAPPER in raw else raw
        problem = json_problem(literal)
        return Unreadable(raw, *problem) if problem else literal
    if len(raw) == 2 and isinstance(raw[0], str) and type(raw[1]) is int:
        return Link(raw[0], raw[1])
    if len(raw) == 2 and type(raw[0]) is int and type(raw[1]) is int:
        return Unreadable(raw, "a link names its node by a text", f'Write ["{raw[0]}", {raw[1]}].')
    hint = f'A link is ["node id", output number]; a list that is a value is written {{"{WRAPPER}": [...]}}.'
    return Unreadable(raw, "a list, but no link", hint)
