"""What the caller of a run asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from api_graph.context import ParallelMap
from api_graph.executor.batch_limits import BatchLimits
from api_graph.executor.events import Listener
from api_graph.executor.parallel import over_threads
from api_graph.executor.shared import SharedResources
from api_graph.folders import Folders


@dataclass(frozen=True)
class Options:
    """`folders` are each row's own. `shared` is None for a run by itself."""

    folders: Sequence[Folders]
    roots: Sequence[str]
    listener: Listener | None
    cancelled: threading.Event
    metadata: bool
    threads: int
    run_id: str
    batches: BatchLimits = field(default_factory=BatchLimits)
    shared: SharedResources | None = None

    @property
    def parallel_map(self) -> ParallelMap:
        """What nodes may hand work to."""
        shared = None if self.shared is None else self.shared.parallel_map
        return over_threads(self.threads) if shared is None else shared
