"""How many chunks may compute at once, and with how many threads each.

On an accelerator one at a time: it is busy then. On processors several, each with few threads: operations on small
tensors lose more by handing work to threads, and by waiting for the last of them, than they gain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from api_graph.graph import Graph
from api_graph.registry import Registry

_MOST_AT_ONCE = 2
"""Chunks; more of them wait for Python's lock, and for each other to wake up, longer than they gain."""
_SHARES = 4
"""Threads of ours that are busy at one time, reading ones among them: each gets that part of the processors."""


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def computing_at_once(graph: Graph, registry: Registry) -> int:
    """Chunks that compute at one time."""
    return min(_MOST_AT_ONCE, torch.get_num_threads()) if runs_on_processors(graph, registry) else 1


def runs_on_processors(graph: Graph, registry: Registry) -> bool:
    """Whether no model of the graph comes to an accelerator, because there is none or the graph says "cpu"."""
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        return True
    loaders = [node for node in graph.nodes.values() if registry[node.class_type].model]
    return all(node.inputs.get("device") == "cpu" for node in loaders)


def device_name(graph: Graph, registry: Registry) -> str:
    """What the models run on, in words."""
    if runs_on_processors(graph, registry):
        return f"cpu ({torch.get_num_threads()} threads)"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "mps"


@contextmanager
def threads_shared() -> Iterator[None]:
    """Inside, threads that are begun give each operation its share of the processors."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // _SHARES))
    try:
        yield
    finally:
        torch.set_num_threads(before)
