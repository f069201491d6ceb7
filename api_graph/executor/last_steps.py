"""The last steps of a row, from a map to its files: done one row at a time, in threads, while other rows compute.

What lies between a map and a file needs no model, and nobody else reads it: a row's pictures are made, written and
forgotten before the next row's are begun, so that there are never more of them than threads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from api_graph.context import SaveContext
from api_graph.executor.plan import Task
from api_graph.folders import Folders
from api_graph.spec import NodeSpec

LastSteps = Mapping[int, Sequence[Sequence[Task]]]
"""Tasks that are done in one go, in this order, by the number of stages that must have run before."""


def last_steps(stages: Sequence[Sequence[Task]], folders: Sequence[Folders]) -> LastSteps:
    """What saves files, and the steps that only such tasks read, of the tasks that are needed and have no result.

    Tasks of one output folder go in one go, so that files of one name are numbered in the order of the rows.
    """
    series: dict[Task, str] = {}
    readers: dict[Task, list[str]] = defaultdict(list)
    for stage in reversed(stages):
        for task in stage:
            theirs = readers.pop(task, [])
            if not task.needed or task.entry is not None or len(theirs) < task.readers:
                continue
            folder, spec = str(folders[task.row].output), task.spec
            writes = saves(spec) and not any(parent.spec.model for parent in task.parents.values())
            between = spec.rowwise and task.readers > 0 and not (task.root or task.figures)
            if {folder, *theirs} != {folder} or not (writes or between):
                continue
            series[task] = folder
            for parent in task.parents.values():
                readers[parent].append(folder)
    found: dict[str, list[Task]] = defaultdict(list)
    begin: dict[str, int] = defaultdict(int)
    numbers: dict[Task, int] = {}
    for number, stage in enumerate(stages):
        for task in stage:
            numbers[task] = number + 1
            if task not in series:
                continue
            found[series[task]].append(task)
            outside = [numbers[parent] for parent in task.parents.values() if parent not in series]
            begin[series[task]] = max(begin[series[task]], *outside, 0)
    by_number: dict[int, list[Sequence[Task]]] = defaultdict(list)
    for folder, tasks in found.items():
        by_number[begin[folder]].append(tasks)
    return by_number


def saves(spec: NodeSpec) -> bool:
    """Whether a node writes files, and needs nothing else."""
    return spec.output and spec.context is not None and spec.context[1] is SaveContext and spec.batched is None


@dataclass
class RowThreads:
    """Last steps under way, in the `threads` that several runs share or in up to `count` of its own."""

    count: int
    threads: ThreadPoolExecutor | None = None
    _own: ThreadPoolExecutor | None = field(default=None, init=False)
    _under_way: list[Future[None]] = field(default_factory=list, init=False)

    def begin(self, run: Callable[[Sequence[Task]], None], each: Sequence[Sequence[Task]]) -> None:
        """`run` each of these, and go on meanwhile."""
        if each and self.threads is None and self._own is None:
            self._own = ThreadPoolExecutor(self.count, thread_name_prefix="row")
        pool = self.threads or self._own
        self._under_way += [pool.submit(run, tasks) for tasks in each if pool is not None]

    def finish(self) -> None:
        """Wait for all of them; raises what one of them raises."""
        for future in self._under_way:
            future.result()

    def close(self) -> None:
        """Begin no more, and wait for those that go on."""
        for future in self._under_way:
            future.cancel()
        wait(self._under_way)
        if self._own is not None:
            self._own.shutdown()
