"""Plan, cache, run: a graph's steps in order, each looked up before it is run."""

from typing import TYPE_CHECKING

from api_graph.lazily import lazily

if TYPE_CHECKING:
    from api_graph.executor.cache.disk import CacheInfo, DiskCache
    from api_graph.executor.cache.memory import MemoryCache, ModelPool
    from api_graph.executor.events import Event, Listener
    from api_graph.executor.results import NodeError, NodeOutput, RunResult, Step
    from api_graph.executor.run import Executor

__all__ = [
    "CacheInfo",
    "DiskCache",
    "Event",
    "Executor",
    "Listener",
    "MemoryCache",
    "ModelPool",
    "NodeError",
    "NodeOutput",
    "RunResult",
    "Step",
]

if not TYPE_CHECKING:  # to a type checker, a name that is not there is an error
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "CacheInfo": "cache.disk",
            "DiskCache": "cache.disk",
            "Event": "events",
            "Executor": "run",
            "Listener": "events",
            "MemoryCache": "cache.memory",
            "ModelPool": "cache.memory",
            "NodeError": "results",
            "NodeOutput": "results",
            "RunResult": "results",
            "Step": "results",
        },
    )
