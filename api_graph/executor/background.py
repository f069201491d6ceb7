"""Background tasks: work of output nodes that goes on while the run does, until somebody needs its results."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from api_graph.context import DeferredWork
from api_graph.executor.call import Steps
from api_graph.executor.plan import Task

_MOST_THREADS = 8  # a graph has few nodes that save


@dataclass(frozen=True, eq=False)
class BackgroundTask:
    """One node's deferred work for some tasks: `results` of its calls, and the `seconds` that it took to begin."""

    tasks: Sequence[Task]
    steps: Steps
    claims: frozenset[Hashable]
    results: Future[Sequence[object]]
    seconds: float


class BackgroundTasks:
    """A graph run's background tasks that are not finished, each in a thread of its own."""

    def __init__(self) -> None:
        self._unfinished: list[BackgroundTask] = []
        self._threads: ThreadPoolExecutor | None = None

    def begin(self, tasks: Sequence[Task], steps: Steps, deferred: DeferredWork, seconds: float) -> None:
        """Begin the deferred work of a node, once all earlier work with a claim in common is done."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="background")
        earlier = [task.results for task in self._unfinished if task.claims & deferred.claims]

        def work() -> Sequence[object]:
            wait(earlier)  # they were submitted first, and so they have their threads
            return deferred.work()

        self._unfinished.append(BackgroundTask(tasks, steps, deferred.claims, self._threads.submit(work), seconds))

    def take(self, read_by: Sequence[Task] | None = None) -> list[BackgroundTask]:
        """Those whose results the tasks `read_by` read, or all: they are the caller's to finish from now on."""
        if not self._unfinished or read_by is None:
            taken, self._unfinished = self._unfinished, []
            return taken
        parents = {id(parent) for task in read_by for parent in task.parents.values()}
        taken = [each for each in self._unfinished if any(id(task) in parents for task in each.tasks)]
        self._unfinished = [each for each in self._unfinished if each not in taken]
        return taken

    def close(self) -> None:
        """Wait for what nobody has waited for: after this, nothing goes on."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
