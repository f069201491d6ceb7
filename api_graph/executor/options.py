"""What the caller of a run asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from api_graph.context import Spread
from api_graph.executor.batch_limits import BatchLimits
from api_graph.executor.events import Listener
from api_graph.executor.spreading import over_threads
from api_graph.folders import Folders


class Gate:
    """Lets `at_once` of several runs compute at a time, while the others read, write or wait for an answer."""

    def __init__(self, at_once: int = 1) -> None:
        self._places = threading.Semaphore(at_once)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Compute."""
        with self._places:
            yield

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Let others compute meanwhile; called from `inside`."""
        self._places.release()
        try:
            yield
        finally:
            self._places.acquire()


@dataclass(frozen=True)
class Sharing:
    """How runs that go on at once, as the chunks of a table do, keep out of each other's way.

    `gate` lets few of them compute at a time, `threads` are all that read or write for any of them, and `spread` is
    what their nodes may hand work to. Results of the nodes `fleeting` are read by their own row alone, and are let go
    as soon as it has. What took less than `worth_storing` seconds is not written to disk.
    """

    gate: Gate
    threads: ThreadPoolExecutor | None = None
    spread: Spread | None = None
    fleeting: frozenset[str] = frozenset()
    worth_storing: float = 0.0


@dataclass(frozen=True)
class Options:
    """`folders` are each row's own. `sharing` is None for a run by itself."""

    folders: Sequence[Folders]
    roots: Sequence[str]
    listener: Listener | None
    cancelled: threading.Event
    metadata: bool
    threads: int
    run_id: str
    batches: BatchLimits = field(default_factory=BatchLimits)
    sharing: Sharing | None = None

    @property
    def spread(self) -> Spread:
        """What nodes may hand work to."""
        shared = None if self.sharing is None else self.sharing.spread
        return over_threads(self.threads) if shared is None else shared
