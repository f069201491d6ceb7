"""All nodes that graphs may name, by id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from api_graph.errors import SpecError
from api_graph.spec import NodeSpec, spec_of
from api_graph.spec.stored import from_stored, to_stored

Registry = Mapping[str, NodeSpec]

STORED = "specs.json"
"""The file beside the nodes that says what they declare. `tools/make_docs.py` writes it."""
_FOLDER = Path(str(import_module("api_graph.nodes").__file__)).parent


def registry_of(functions: Iterable[Callable[..., object]]) -> Registry:
    """NodeSpecs by id. Raises SpecError when two functions claim one id."""
    registry: dict[str, NodeSpec] = {}
    for function in functions:
        spec = spec_of(function)
        if spec.id in registry:
            raise SpecError(f"two nodes are called {spec.id}: {registry[spec.id].function!r} and {function!r}.")
        registry[spec.id] = spec
    return registry


@cache
def own_nodes() -> Registry:
    """This pack's nodes: what ComfyUI gets."""
    return registry_of(import_module("api_graph.nodes.pack").NODES)


@cache
def all_nodes() -> Registry:
    """This pack's nodes and the stand-ins for ComfyUI's own: what headless graphs may use."""
    return registry_of(
        [*import_module("api_graph.nodes.pack").NODES, *import_module("api_graph.nodes.core").CORE_NODES]
    )


@cache
def described_nodes() -> Registry:
    """What `all_nodes` declare, with no node imported until one is run. Outputs have no `type` before that.

    It is read from a file. Where that is missing, or older than the nodes' sources, the nodes themselves are asked.
    """
    try:
        document = json.loads((_FOLDER / STORED).read_bytes())
        if document["sources"] != _digest_of_sources():
            return all_nodes()
        return {stored["id"]: from_stored(stored) for stored in document["nodes"]}
    except (OSError, LookupError, TypeError, ValueError):
        return all_nodes()


def stored_nodes() -> str:
    """The text of the file that `described_nodes` reads, a node a line."""
    nodes = ",\n".join(json.dumps(to_stored(spec), ensure_ascii=False) for spec in all_nodes().values())
    return f'{{"sources": "{_digest_of_sources()}", "nodes": [\n{nodes}\n]}}\n'


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for file in sorted(_FOLDER.glob("*.py")):
        digest.update(file.read_bytes().replace(b"\r\n", b"\n"))  # a checkout on Windows has other line ends
    return digest.hexdigest()
