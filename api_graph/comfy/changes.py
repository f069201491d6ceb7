"""Has a node's input changed? What the fingerprint of a node says, as one short text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from api_graph.comfy.host import host_folders
from api_graph.comfy.values import Values
from api_graph.spec import NodeSpec


def change_mark(spec: NodeSpec, values: Values) -> str:
    """ComfyUI's IS_CHANGED: equal for equal content, whatever the file is called.

    Never raises: ComfyUI would take that for "always changed", for all nodes downstream too. What is wrong with a file
    that cannot be read is said when the node runs; until then the mark stands for just that.
    """
    try:
        return digest(fingerprint(spec, values))
    except Exception as error:
        return digest({"unreadable": {name: repr(values.get(name)) for name in spec.fingerprinted}, "why": repr(error)})


def settings_mark(spec: NodeSpec, values: Values) -> str | None:
    """Equal for two loader nodes that load the same; None where settings have no text, or results are no one object.

    The literals count beside the fingerprint: a model's numbers do not depend on its device, but where it lies does.
    """
    if spec.named_outputs or not all(declared.is_widget for declared in spec.inputs):
        return None
    literals = {declared.name: values.get(declared.name, declared.default) for declared in spec.inputs}
    return digest([spec.id, literals, fingerprint(spec, values)])


def fingerprint(spec: NodeSpec, values: Values) -> Mapping[str, Any]:
    """What of its inputs a node really reads (file contents, resolved names); {} for a node that reads no files."""
    if spec.fingerprint is None:
        return {}
    defaults = {declared.name: declared.default for declared in spec.inputs}
    return spec.fingerprint(host_folders(), **{n: values.get(n, defaults[n]) for n in spec.fingerprinted})


def digest(value: Any) -> str:
    """sha256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
