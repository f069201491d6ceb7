"""All nodes that graphs may name, by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module

from api_graph.errors import SpecError
from api_graph.spec import NodeSpec, spec_of

Registry = Mapping[str, NodeSpec]


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
    return registry_of(import_module("api_graph.nodes").NODES)


@cache
def all_nodes() -> Registry:
    """This pack's nodes and the stand-ins for ComfyUI's own: what headless graphs may use."""
    return registry_of([*import_module("api_graph.nodes").NODES, *import_module("api_graph.nodes.core").CORE_NODES])
