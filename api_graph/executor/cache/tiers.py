"""The cache tiers of a run (model pool, memory, disk, receipts), and the results that it holds itself meanwhile."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from api_graph.executor.cache.disk import DiskCache
from api_graph.executor.cache.entry import Entry
from api_graph.executor.cache.memory import MemoryCache
from api_graph.executor.cache.receipts import Receipts
from api_graph.executor.plan import Task
from api_graph.executor.pool import ModelPool
from api_graph.executor.results import Action
from api_graph.executor.shared import SharedResources


@dataclass(frozen=True)
class CacheTiers:
    """Models go to the pool, results to memory, and to disk if the node says so; of saved files there are receipts.

    A result that was found or kept stays in memory until its `LiveResults` release it.
    """

    memory: MemoryCache | None
    disk: DiskCache | None
    pool: ModelPool
    receipts: Receipts | None = None
    shared: SharedResources | None = None

    def of(self, task: Task) -> tuple[MemoryCache | None, DiskCache | None]:
        """The memory and the disk that may hold the task's result."""
        spec = task.spec
        if spec.model or spec.output:
            return None, None
        transient = self.shared is not None and task.node.id in self.shared.transient
        return None if transient else self.memory, self.disk if spec.store else None

    def find(self, task: Task) -> tuple[Entry, Action] | None:
        """The task's result and where it was, if any tier holds it."""
        spec = task.spec
        if spec.model:
            entry = self.pool.get(task.pool_key)
            return None if entry is None else (entry, "pool")
        if spec.output:
            # A receipt has no outputs to read.
            entry = self.receipts.find(task) if self.receipts is not None and not task.readers else None
            return None if entry is None else (entry, "saved")
        entry = self.find_in_memory(task)
        if entry is not None:
            return entry, "memory"
        _, disk = self.of(task)
        entry = disk.get(task.key, spec) if disk is not None else None
        if entry is None:
            return None
        self.hold(task, entry)
        return entry, "disk"

    def find_in_memory(self, task: Task) -> Entry | None:
        """The task's result, if memory holds it."""
        memory, _ = self.of(task)
        entry = memory.get(task.key) if memory is not None else None
        if memory is not None and entry is not None:
            memory.pin(task.key)
        return entry

    def keep(self, task: Task, entry: Entry, seconds: float) -> None:
        """Hold a new result, which took `seconds`, wherever it belongs; a model is in the pool since it was loaded."""
        if task.spec.output and self.receipts is not None:
            self.receipts.keep(task, entry)
        self.hold(task, entry)
        _, disk = self.of(task)
        if disk is not None and (self.shared is None or seconds >= self.shared.worth_storing):
            disk.put(task.key, entry, task.spec)

    def hold(self, task: Task, entry: Entry) -> None:
        """Hold a result in memory, if it belongs there."""
        memory, _ = self.of(task)
        if memory is not None:
            memory.pin(task.key)
            memory.put(task.key, entry)


class LiveResults:
    """The results that one run holds, each at its task until nobody in the run will read it again.

    `most` is the most bytes that were held at one time, models left out.
    """

    def __init__(self, tiers: CacheTiers) -> None:
        self._tiers = tiers
        self._lock = threading.Lock()  # rows may run in threads
        self._held = self.most = 0

    def hold(self, task: Task, entry: Entry) -> None:
        """The task's result is there."""
        task.entry = entry
        task.bytes = 0 if task.spec.model else sum(entry.size)
        with self._lock:
            self._held += task.bytes
            self.most = max(self.most, self._held)

    def read_parents(self, task: Task) -> None:
        """The task has read what it links to, or never will."""
        unread: list[Task] = []
        with self._lock:
            for parent in task.parents.values():
                parent.readers -= 1
                if parent.readers == 0 and not parent.root:
                    unread.append(parent)
        for parent in unread:
            self.release(parent)

    def release(self, task: Task) -> None:
        """Nobody in this run will read the task's result again."""
        if task.entry is None:
            return
        task.entry = None
        with self._lock:
            self._held -= task.bytes
        memory, _ = self._tiers.of(task)
        if memory is not None and task.cacheable:
            memory.unpin(task.key)
