"""How runs that go on at once, as the chunks of a table do, keep out of each other's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import torch

from api_graph.context import ParallelMap

LARGE = 2**26
"""Bytes of a model that gains from many threads: those of a small one wait for each other more than they compute."""


class ComputeLock:
    """Lets one of several runs compute at a time, while the others read, write or wait for an answer.

    Python's lock lets one thread go on at a time anyway, and a run whose operations let go of it often gets it back
    late, each time. Who came first goes first: were the runs to take turns, all of them would be done at the same late
    time, with nothing to write until then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: list[tuple[int, threading.Event]] = []  # a heap
        self._numbers = count()

    @contextmanager
    def inside(self) -> Iterator[Place]:
        """Compute, in a place behind those who are there already."""
        place = Place(self, next(self._numbers))
        self.enter(place.number)
        try:
            yield place
        finally:
            self.leave()

    def enter(self, number: int) -> None:
        """Wait until nobody computes, and nobody with a lower number waits for that."""
        called = threading.Event()
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            heappush(self._waiting, (number, called))
        called.wait()

    def leave(self) -> None:
        """Let the first of those who wait go on."""
        with self._lock:
            if self._waiting:
                heappop(self._waiting)[1].set()
            else:
                self._taken = False


@dataclass(frozen=True)
class Place:
    """One run's place in a lane."""

    lane: ComputeLock
    number: int

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Let others compute meanwhile."""
        self.lane.leave()
        try:
            yield
        finally:
            self.lane.enter(self.number)


@dataclass(frozen=True)
class SharedResources:
    """What one run has of what it shares with others.

    `place` is its own in the lane, `threads` are all that read or write for any of them, and `parallel_map` is what
    their nodes may hand work to. A LARGE model computes with `model_threads` threads (None: as many as all else).
    Results of the nodes `transient` are read by their own row alone, and are let go as soon as it has. What took less
    than `worth_storing` seconds is not written to disk.
    """

    place: Place
    threads: ThreadPoolExecutor | None = None
    parallel_map: ParallelMap | None = None
    model_threads: int | None = None
    transient: frozenset[str] = frozenset()
    worth_storing: float = 0.0


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Inside, operations of this thread, and of those that begin, are shared out to so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
