"""Background tasks: work of output nodes that goes on while the run does, until somebody needs its results."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

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
            self.threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="background")
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
