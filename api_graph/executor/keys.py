"""Content keys: equal keys are the same result, across branches, rows, runs, processes and machines.

A step's key is a hash of its node's id and version, its literal inputs, the content of the files that it reads, and the
keys of the steps it links to. Tensors are never hashed. Inputs that stand at their default are left out, so that a node
may gain a parameter without losing its cached results; ids and titles of the graph's nodes are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from api_graph.folders import Folders
from api_graph.graph import GraphNode, Link
from api_graph.spec import InputSpec, NodeSpec

KEY_FORMAT = 2

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def key_head(spec: NodeSpec, literals: Mapping[str, Any]) -> str:
    """What the key of a step says of its node and its literal inputs, which are `key_literals`.

    Raises TypeError or ValueError for what is not JSON.
    """
    # Names of inputs are identifiers and JSON has no raw line breaks, so that two different steps never read alike.
    return "\n".join(
        [
            f"{KEY_FORMAT} {spec.id} {spec.version}",
            *sorted([f"= {name} {_json(value)}" for name, value in literals.items()]),
        ]
    )


def step_key(head: str, links: Mapping[str, str], fingerprint: Mapping[str, Any]) -> str:
    """Key of one step: a sha256 in hexadecimal.

    `head` is its `key_head`, `links` maps each linked input to "KEY OUTPUT" of the step it links to, and `fingerprint`
    is what the node's own says of the files behind its literals. Raises TypeError or ValueError for what is not JSON.
    """
    parts = [head, *sorted([f"@ {name} {link}" for name, link in links.items()])]
    if fingerprint:
        parts.append(f"# {_canonical(fingerprint)}")
    return _sha256("\n".join(parts))


def model_key(key: str, node: GraphNode, spec: NodeSpec) -> str:
    """Key of a loaded model in the pool: the results do not depend on its device, but where it lies does."""
    literals = {i.name: node.inputs.get(i.name, i.default) for i in spec.inputs if i.is_widget}
    return _sha256(key + _canonical({name: v for name, v in literals.items() if not isinstance(v, Link)}))


def key_literals(node: GraphNode, spec: NodeSpec) -> dict[str, Any]:
    """The literals that enter the key: not those at their default, nor those that the fingerprint stands for."""
    literals: dict[str, Any] = {}
    for name, value in node.inputs.items():
        if isinstance(value, Link) or name in spec.fingerprinted:
            continue
        declared = spec.input(name)
        value = as_declared(declared, value)
        if declared is None or declared.required or value != declared.default:
            literals[name] = value
    return literals


def as_declared(declared: InputSpec | None, value: Any) -> Any:
    """A literal in the form that its type gives it: JSON's 1 is 1.0 where a FLOAT is meant."""
    return float(value) if type(value) is int and declared is not None and declared.socket == "FLOAT" else value


def fingerprint_of(node: GraphNode, spec: NodeSpec, folders: Folders) -> Mapping[str, Any]:
    """What the node's fingerprint says of its literals; {} for a node without one. Raises what the fingerprint does."""
    if spec.fingerprint is None:
        return {}
    defaults = {i.name: i.default for i in spec.inputs}
    return spec.fingerprint(folders, **{n: node.inputs.get(n, defaults[n]) for n in spec.fingerprinted})


def _json(value: Any) -> str:
    # json takes ten times as long over a number, to write the same.
    return repr(value) if type(value) in (int, float) else _canonical(value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
