"""Processes that share a run's work on pictures: the threads of one process would take turns at Python's lock.

The processes import this module, and torch would take each of them seconds to load. So it imports nothing that does.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

FEW = 16
"""With fewer items, threads do the work: processes would take as long to start."""
ITEMS_PER_CALL = 16
"""Items that are sent to a process at a time."""

_PARENT_CHECK = 0.2  # seconds


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessDied(BaseException):
    """A process died, and may have left its work half done. Not an `Exception`, so that no node catches it."""


class Processes:
    """A pool of `count` processes. They start at the first call with enough items, or when `start` is called.

    All other work is done by `threads` threads. `close` ends the processes; they also end with this process.
    """

    def __init__(self, count: int, threads: int = 1) -> None:
        from api_graph.executor.threads import over_threads

        self._count, self._in_threads = count, over_threads(threads)
        self._pool: ProcessPoolExecutor | None = None
        self._starting = threading.Lock()
        self._usable = count > 0

    def close(self) -> None:
        """Wait for the work in progress, and end the processes."""
        if self._pool is not None:
            self._pool.shutdown()

    def start(self) -> None:
        """Start the processes now, so that they can load what they need before there is work."""
        pool = self._started()
        if pool is not None:
            pool.submit(apply_to_each, abs, os.getpid(), [])  # the pool starts them at its first call

    def parallel_map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """A `ParallelMap` over the processes.

        Raises ProcessDied, once, if a process dies during the call. From then on all calls use threads.
        """
        items = iter(items)
        first = list(islice(items, FEW))
        pool = self._started() if len(first) == FEW else None
        if pool is None:
            yield from self._in_threads(function, chain(first, items))
            return
        from api_graph.executor.threads import in_order

        submit = partial(pool.submit, apply_to_each, function, os.getpid())
        try:
            for results in in_order(submit, _groups(chain(first, items)), 2 * self._count):
                yield from results
        except BrokenProcessPool as error:
            self._usable = False
            raise ProcessDied from error

    def _started(self) -> ProcessPoolExecutor | None:
        from loky import ProcessPoolExecutor

        with self._starting:
            if self._usable and self._pool is None:
                try:
                    self._pool = ProcessPoolExecutor(self._count, initializer=_set_up, initargs=(os.getpid(),))
                except (ImportError, OSError):  # the system has no semaphores, or no room for more
                    self._usable = False
            return self._pool if self._usable else None


def _groups(items: Iterator[T]) -> Iterator[list[T]]:
    while group := list(islice(items, ITEMS_PER_CALL)):
        yield group


def apply_to_each(function: Callable[[T], R], parent: int, items: list[T]) -> list[R]:
    """The results of `function`, computed in one of the processes.

    The process exits if `parent` is gone: another run may be working on the same files already.
    """
    results = []
    for item in items:
        if _is_orphan(parent):
            os._exit(1)
        results.append(function(item))
    return results


def _set_up(parent: int) -> None:
    """Set up a new process: it has low priority, leaves Ctrl-C to its parent, and ends with its parent."""
    if os.name == "posix":
        os.nice(10)  # the run itself goes first, because all other work waits for it
    import PIL.PngImagePlugin  # noqa: F401  # most of the work needs it

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: int) -> None:
    while not _is_orphan(parent):
        time.sleep(_PARENT_CHECK)
    os._exit(1)


def _is_orphan(parent: int) -> bool:
    return os.name == "posix" and os.getppid() != parent
