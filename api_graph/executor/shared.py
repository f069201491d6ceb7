"""What runs that go on at once share, as those of a table do: the compute lock, threads, and what is transient."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_graph.executor.plan import Task

LARGE = 2**26
"""Bytes of a model that gains from many threads: those of a small one wait for each other more than they compute."""


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


@dataclass(frozen=True)
class SharedResources:
    """What one run shares with others.

    `turn` is its own turn at the compute lock. `threads` read, write and do the last steps of rows for all of the runs.
    A LARGE model computes with `model_threads` threads (None: as many as all else). Results of the nodes `transient`
    are read by their own row alone, and released as soon as it has read them. What took less than `worth_storing`
    seconds is not written to disk.
    """

    turn: Turn
    threads: ThreadPoolExecutor | None = None
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
    """Inside, each operation of this thread, and of threads that begin, runs in `number` threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
