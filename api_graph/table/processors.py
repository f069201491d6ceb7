"""What a table's run computes with: the processors that it may use, how they are shared out, or what else there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from api_graph.executor.shared import torch_threads
from api_graph.graph import Graph
from api_graph.registry import Registry

_SHARES = 4
"""Operations on small tensors lose more by handing work to threads, and by waiting for the last, than they gain."""


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runs_on_processors(graph: Graph, registry: Registry) -> bool:
    """Whether no model of the graph comes to an accelerator, because there is none or the graph says "cpu"."""
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        return True
    loaders = [node for node in graph.nodes.values() if registry[node.class_type].model]
    return all(node.inputs.get("device") == "cpu" for node in loaders)


def device_name(graph: Graph, registry: Registry) -> str:
    """What the models run on, in words."""
    if _runs_on_processors(graph, registry):
        return f"cpu ({torch.get_num_threads()} threads)"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "mps"


@contextmanager
def threads_shared() -> Iterator[int]:
    """Inside, threads that are begun give each operation a share of the processors. Gives how many all are."""
    everything = torch.get_num_threads()
    with torch_threads(max(1, everything // _SHARES)):
        yield everything
