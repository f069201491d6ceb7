"""Processes beside this one, for work that needs no model: Python lets the threads of one process take turns only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from api_graph.executor.parallel import in_order, over_threads
from api_graph.table.process import begin, each

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

FEW = 16
"""Items that threads see to: processes take as long to begin."""
SHARE = 16
"""Items that go to a process at one time."""


class ProcessDied(BaseException):
    """One of the processes is gone, and what it was to do may be done by half. Not an `Exception`, so that no node
    takes it for its own."""


class Processes:
    """`count` processes, which begin when they are told to, or else with the first work that is worth it, and end with
    this one; `threads` see to the rest."""

    def __init__(self, count: int, threads: int = 1) -> None:
        self._count, self._in_threads = count, over_threads(threads)
        self._pool: ProcessPoolExecutor | None = None
        self._beginning = threading.Lock()
        self._usable = count > 0

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def begin(self) -> None:
        """Begin them now, to have them when there is work; they load what they need meanwhile."""
        pool = self._begun()
        if pool is not None:
            pool.submit(each, abs, os.getpid(), [])  # they begin with the first call

    def parallel_map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """A `ParallelMap` over the processes. Raises ProcessDied once for all that was under way; from then on, and
        for a few items, it uses threads."""
        items = iter(items)
        first = list(islice(items, FEW))
        pool = self._begun() if len(first) == FEW else None
        if pool is None:
            yield from self._in_threads(function, chain(first, items))
            return
        do_each = partial(pool.submit, each, function, os.getpid())
        try:
            for answers in in_order(do_each, _shares(chain(first, items)), 2 * self._count):
                yield from answers
        except BrokenProcessPool as error:
            self._usable = False
            raise ProcessDied from error

    def _begun(self) -> ProcessPoolExecutor | None:
        from loky import ProcessPoolExecutor

        with self._beginning:
            if self._usable and self._pool is None:
                try:
                    self._pool = ProcessPoolExecutor(self._count, initializer=begin, initargs=(os.getpid(),))
                except (ImportError, OSError):  # no semaphores here, or no room for them
                    self._usable = False
            return self._pool if self._usable else None


def _shares(items: Iterator[T]) -> Iterator[list[T]]:
    while share := list(islice(items, SHARE)):
        yield share
