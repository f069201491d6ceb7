"""`run_graph`: a saved graph as a function."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from api_graph.arguments import typed
from api_graph.errors import BadInput
from api_graph.executor import DiskCache, Event, Executor, Listener, MemoryCache
from api_graph.graph import Graph, check_values, on_device, read_graph, set_inputs, validate
from api_graph.progress import progress_bar
from api_graph.registry import Registry, all_nodes
from api_graph.settings import cache_folder, cache_limit, find_graph, headless_folders

GraphSource = str | os.PathLike[str] | Mapping[str, object] | Graph
Cache = Executor | str | os.PathLike[str] | bool | None


def open_graph(source: GraphSource, registry: Registry | None = None) -> Graph:
    """A graph from a file (JSON, or a picture that carries one), from parsed JSON, or by the name of a shipped one.

    It may be in the API format or as the editor saves it; the latter needs the nodes' `registry`: `all_nodes()` unless
    another is given.
    """
    if isinstance(source, Graph):
        return source
    document = source if isinstance(source, Mapping) else find_graph(os.fspath(source))
    return read_graph(document, registry or all_nodes())


def fast_resize(graph: Graph, registry: Registry) -> dict[str, str]:
    """The settings by which torch brings pictures to the size of the graph's CLIPs. Raises BadInput if it has none."""
    specs = {id: registry[node.class_type] for id, node in graph.nodes.items()}
    loaders = [id for id, spec in specs.items() if spec.model and spec.input("resize") is not None]
    if not loaders:
        problem, hint = "the graph loads no CLIP, which would bring pictures to its size", "Leave it out."
        raise BadInput(problem, input="fast_resize", hint=hint)
    return {f"{id}.resize": "torch" for id in loaders}


@typed()
def run_graph(
    graph: GraphSource,
    inputs: Mapping[str, object] | None = None,
    cache: Cache = None,
    *,
    device: str | torch.device | None = None,
    output: str | os.PathLike[str] = "output",
    input_folders: Sequence[str | os.PathLike[str]] = (),
    targets: Sequence[str] = (),
    listener: Listener | None = None,
    metadata: bool = True,
    keep_answers: bool = False,
    progress: bool | None = None,
) -> dict[str, dict[str, Any]]:
    """Run a saved graph and return its outputs by node: `{node id: {output name: value}}`.

    `inputs` sets what the graph lets its user set, by the names that `api-graph check` lists (`image`, `query`,
    `NODE.input`). The nodes returned are the graph's output nodes and `targets` (by id or title); besides a node's
    outputs there may be `text` (what it showed) and `files` (paths it wrote, below `output`). `device` is where all
    models of the graph are loaded; None leaves it as the graph has it. `progress` shows a bar of the nodes that are
    done; None: in notebooks alone.

    `cache`: None keeps results in this process and on disk, False keeps them in this process only, a path says where on
    disk, an Executor is used as it is. Answers of endpoints are kept for this `output` alone, or with
    `keep_answers` for all. Raises GraphError for a graph that cannot run, NodeError for a node that failed.
    """
    executor = _executor(cache)
    values = dict(inputs or {})
    ready = set_inputs(open_graph(graph, executor.registry), executor.registry, values)
    if device is not None:
        ready = on_device(ready, executor.registry, str(device))
    validate(ready, executor.registry)
    check_values(ready, executor.registry)
    trusted = frozenset(v for v in values.values() if isinstance(v, str))
    folders = headless_folders(output, tuple(input_folders), trusted, keep_answers=keep_answers)
    wanted = [_node_id(ready, target) for target in targets]
    with progress_bar("run_graph", len(ready.nodes), progress) as moved_on:
        told: set[str] = set()

        def listen(event: Event) -> None:
            if event.kind in ("done", "cached") and event.node not in told:
                told.add(event.node)
                moved_on(1)
            if listener is not None:
                listener(event)

        result = executor.run(ready, folders, targets=wanted, listener=listen, metadata=metadata).raise_failures()
        moved_on(len(ready.nodes.keys() - told))  # those that nothing needed, as what they feed was known
    return {
        node: {**out.values, **({"text": out.ui["text"]} if "text" in out.ui else {}), "files": list(out.files)}
        for node, out in result.outputs.items()
    }


def _node_id(graph: Graph, name: str) -> str:
    if name in graph.nodes:
        return name
    titled = [id for id, node in graph.nodes.items() if node.title == name]
    if len(titled) != 1:
        raise BadInput(
            "names no single node of the graph", input="targets", value=name, hint="Use a node's id or title."
        )
    return titled[0]


def _executor(cache: Cache) -> Executor:
    if isinstance(cache, Executor):
        return cache
    if cache is False:
        return shared_executor(None)
    return shared_executor(cache_folder() if cache is None or cache is True else Path(cache))


@lru_cache(maxsize=8)
def shared_executor(folder: Path | None) -> Executor:
    """One executor per cache folder and process, so that models and results outlive a call."""
    return Executor(MemoryCache(), DiskCache(folder, cache_limit()) if folder is not None else None)
