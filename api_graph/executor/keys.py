"""Content keys: equal keys are the same result, across branches, rows, runs, processes and machines.

A step's key is a hash of its node's id and version, its literal inputs, the content of the files that it reads, and the
keys of the steps it links to. Tensors are never hashed. Inputs that stand at their default are left out, so that a node
may gain a parameter without losing its cached results.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from api_graph.folders import Folders
from api_graph.graph import GraphNode, Link
from api_graph.spec import NodeSpec

KEY_FORMAT = 1


def step_key(
    node: GraphNode, spec: NodeSpec, parents: Mapping[str, tuple[str, int]], folders: Folders
) -> tuple[str, Mapping[str, Any]]:
    """Key of one step, and its fingerprint (empty for nodes without one).

    `parents` maps each linked input to (key of the step it links to, output). Raises what the node's fingerprint
    raises, as for a file that is not there.
    """
    fingerprint = _fingerprint(node, spec, folders)
    parts: dict[str, Any] = {}
    for name, value in node.inputs.items():
        if isinstance(value, Link):
            parts[name] = ["@", *parents[name]]
        elif name not in spec.fingerprinted:
            literal = _literal(spec, name, value)
            if literal is not _AT_DEFAULT:
                parts[name] = ["=", literal]
    for name, value in fingerprint.items():
        parts[name] = ["#", value]
    return digest([KEY_FORMAT, spec.id, spec.version, parts]), fingerprint


def model_key(key: str, node: GraphNode) -> str:
    """Key of a loaded model in the pool: the results do not depend on its device, but where it lies does."""
    return digest([key, {name: value for name, value in node.inputs.items() if not isinstance(value, Link)}])


def digest(value: Any) -> str:
    """sha256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_AT_DEFAULT = object()


def _literal(spec: NodeSpec, name: str, value: Any) -> Any:
    """The literal in the form that its type gives it (1 and 1.0 are one FLOAT)."""
    declared = spec.input(name)
    if declared is None:
        return value
    if declared.socket == "FLOAT" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return _AT_DEFAULT if not declared.required and value == declared.default else value


def _fingerprint(node: GraphNode, spec: NodeSpec, folders: Folders) -> Mapping[str, Any]:
    if spec.fingerprint is None:
        return {}
    literals = {}
    for name in spec.fingerprinted:
        declared = spec.input(name)
        default = declared.default if declared is not None else None
        literals[name] = node.inputs.get(name, default)
    return spec.fingerprint(folders, **literals)
