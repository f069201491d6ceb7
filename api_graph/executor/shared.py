"""What runs that go on at once share, as those of a table do: one computes at a time, and each step is done once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

import torch

from api_graph.context import ParallelMap
from api_graph.errors import Cancelled
from api_graph.executor.cache.entry import Entry

if TYPE_CHECKING:
    from api_graph.executor.plan import Task

LARGE = 2**26
"""Bytes of a model that gains from many threads: those of a small one wait for each other more than they compute."""
_LOOK_EVERY = 0.1  # seconds between two looks at whether the user wants to stop


# ------------------------------------------------------------------------------------------ the compute lock


class ComputeLock:
    """Lets one of several runs compute at a time, while the others read, write or wait for an answer.

    Python's own lock lets one thread go on at a time anyway, and a run whose operations let go of it often gets it back
    late, each time. This one is fair: of the runs that wait, the one that began first goes on first. Were they to take
    turns, all of them would finish at the same late time, with nothing to write until then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._waiting: list[tuple[int, threading.Event]] = []  # a heap
        self._numbers = count()

    @contextmanager
    def inside(self) -> Iterator[Turn]:
        """Compute, once those who began earlier let this run go on."""
        turn = Turn(self, next(self._numbers))
        self.acquire(turn.number)
        try:
            yield turn
        finally:
            self.release()

    def acquire(self, number: int) -> None:
        """Wait until nobody computes, and nobody with a lower number waits for that."""
        called = threading.Event()
        with self._lock:
            if not self._held:
                self._held = True
                return
            heappush(self._waiting, (number, called))
        called.wait()

    def release(self) -> None:
        """Let the run with the lowest number among those that wait go on."""
        with self._lock:
            if self._waiting:
                heappop(self._waiting)[1].set()
            else:
                self._held = False


@dataclass(frozen=True)
class Turn:
    """One run's turn at the compute lock. Runs are numbered in the order in which they began."""

    lock: ComputeLock
    number: int

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Let others compute meanwhile."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire(self.number)


# ------------------------------------------------------------------------------------------ shared resources


@dataclass(frozen=True)
class SharedResources:
    """What one run has of what it shares with others.

    `turn` is its own at the compute lock, `threads` are all that read or write for any of them, and `parallel_map` is
    what their nodes may hand work to. A LARGE model computes with `model_threads` threads (None: as many as all else).
    Results of the nodes `transient` are read by their own row alone, and are let go as soon as it has. What took less
    than `worth_storing` seconds is not written to disk.
    """

    turn: Turn
    threads: ThreadPoolExecutor | None = None
    parallel_map: ParallelMap | None = None
    model_threads: int | None = None
    transient: frozenset[str] = frozenset()
    worth_storing: float = 0.0

    def resources_for(self, task: Task) -> AbstractContextManager[None]:
        """Inside, the task's node runs: outside the lock if it waits, with `model_threads` if its model is large."""
        if task.spec.waits:
            return self.turn.outside()
        models = [parent.entry for parent in task.parents.values() if parent.spec.model]
        if self.model_threads is not None and any(model and sum(model.size) >= LARGE for model in models):
            return torch_threads(self.model_threads)
        return nullcontext()


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Inside, operations of this thread, and of those that begin, are shared out to so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ------------------------------------------------------------------------------------------ steps in flight


class InFlight:
    """The registry of steps that some run does just now: when two runs want one, the second waits for the first.

    Whoever claims a key completes it, with its entry or with None, before waiting for anyone else's. That order is what
    keeps two runs from waiting for each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[str, Future[Entry | None]] = {}

    def claim(self, key: str) -> Future[Entry | None] | None:
        """None: the step is the caller's now, to do and to `complete`. Else another run does it: this is its result."""
        with self._lock:
            future = self._futures.get(key)
            if future is None:
                self._futures[key] = Future()
            return future

    def complete(self, key: str, entry: Entry | None) -> None:
        """Hand the entry to all who wait; None when there is none to be had."""
        with self._lock:
            future = self._futures.pop(key)
        future.set_result(entry)


def wait_for(future: Future[Entry | None], is_cancelled: Callable[[], bool]) -> Entry | None:
    """The entry of another run's step, or None when that run has none to give. Raises Cancelled."""
    while True:
        if is_cancelled():
            raise Cancelled
        try:
            return future.result(_LOOK_EVERY)
        except NotDone:
            continue
