"""A run's threads: a map whose results come in order, items that stop at a failure, and background tasks.

A background task is work of an output node that goes on while the run does, until somebody needs its results.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeVar

from api_graph.context import DeferredWork, ParallelMap
from api_graph.executor.call import Steps
from api_graph.executor.plan import Task

T = TypeVar("T")
R = TypeVar("R")

_SHARES_PER_THREAD = 2
_MOST_BACKGROUND_THREADS = 8  # a graph has few nodes that save


def over_threads(count: int) -> ParallelMap:
    """A `ParallelMap` over up to so many threads, which live as long as its iterator does."""

    def parallel_map(function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        items = iter(items)
        first = list(islice(items, 2))
        if len(first) < 2:  # not worth a thread
            yield from map(function, first)
            return
        with ThreadPoolExecutor(count) as threads:
            yield from in_order(lambda item: threads.submit(function, item), chain(first, items), 2 * count)

    return parallel_map


def in_order(submit: Callable[[T], Future[R]], items: Iterable[T], most: int) -> Iterator[R]:
    """The items' results in order, with at most `most` of them under way, and none any more when it ends or raises."""
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(submit(item))
            if len(under_way) == most:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        wait(under_way)


def run_in_threads(
    run: Callable[[T], None],
    items: Sequence[T],
    count: int,
    stop: Callable[[], None],
    threads: ThreadPoolExecutor | None = None,
) -> None:
    """`run` each of the items, `count` at a time, in `threads` or in new ones.

    Raises what one of them raises, once the others have ended, as they do soon after `stop`.
    """

    def run_share(share: Sequence[T]) -> None:
        for item in share:
            run(item)

    with ThreadPoolExecutor(min(count, len(items))) if threads is None else nullcontext(threads) as pool:
        # Some items at a time: handing over one alone takes as long as many of them do.
        shares = min(len(items), _SHARES_PER_THREAD * count)
        futures = [pool.submit(run_share, items[share::shares]) for share in range(shares)]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop()
            for future in futures:
                future.cancel()
            wait(futures)
            raise


@dataclass(frozen=True, eq=False)
class BackgroundTask:
    """One node's deferred work for some tasks: `results` of its calls, and the `seconds` that it took to begin."""

    tasks: Sequence[Task]
    steps: Steps
    claims: frozenset[Hashable]
    results: Future[Sequence[object]]
    seconds: float


@dataclass
class BackgroundTasks:
    """A graph run's background tasks that are not finished, each in a thread of its own."""

    unfinished: list[BackgroundTask] = field(default_factory=list)
    threads: ThreadPoolExecutor | None = None

    def begin(self, tasks: Sequence[Task], steps: Steps, deferred: DeferredWork[object], seconds: float) -> None:
        """Begin the deferred work of a node, once all earlier work with a claim in common is done.

        `seconds` is how long the node has taken so far.
        """
        if self.threads is None:
            self.threads = ThreadPoolExecutor(_MOST_BACKGROUND_THREADS, thread_name_prefix="background")
        earlier = [task.results for task in self.unfinished if task.claims & deferred.claims]

        def work() -> Sequence[object]:
            wait(earlier)  # they were submitted first, and so they have their threads
            return deferred.work()

        self.unfinished.append(BackgroundTask(tasks, steps, deferred.claims, self.threads.submit(work), seconds))

    def take(self, read_by: Sequence[Task] | None = None) -> list[BackgroundTask]:
        """Those whose results the tasks `read_by` read, or all: they are the caller's to finish from now on."""
        if not self.unfinished or read_by is None:
            taken, self.unfinished = self.unfinished, []
            return taken
        parents = {id(parent) for task in read_by for parent in task.parents.values()}
        taken = [each for each in self.unfinished if any(id(task) in parents for task in each.tasks)]
        self.unfinished = [each for each in self.unfinished if each not in taken]
        return taken

    def close(self) -> None:
        """Wait for what nobody has waited for: after this, nothing goes on."""
        if self.threads is not None:
            self.threads.shutdown(cancel_futures=True)
