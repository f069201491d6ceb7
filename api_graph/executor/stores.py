"""Where a task's result may be held: the model pool, memory, disk."""

from __future__ import annotations

from dataclasses import dataclass

from api_graph.executor.disk import DiskCache
from api_graph.executor.entry import Entry
from api_graph.executor.memory import MemoryCache
from api_graph.executor.plan import Task
from api_graph.executor.pool import ModelPool
from api_graph.executor.receipts import Receipts
from api_graph.executor.result import Action
from api_graph.executor.shared import SharedResources
from api_graph.spec import NodeSpec


@dataclass(frozen=True)
class Stores:
    """Models go to the pool, results to memory, and to disk if the node says so; of saved files there are receipts."""

    memory: MemoryCache | None
    disk: DiskCache | None
    pool: ModelPool
    receipts: Receipts | None = None
    shared: SharedResources | None = None

    def find(self, task: Task) -> tuple[Entry, Action] | None:
        """The task's result and where it was, if it is held. The run that asks reads it, so it stays until `let_go`."""
        spec = task.spec
        if spec.model:
            entry = self.pool.get(task.pool_key)
            return None if entry is None else (entry, "pool")
        if spec.output:
            # A receipt has no outputs to read.
            entry = self.receipts.find(task) if self.receipts is not None and not task.readers else None
            return None if entry is None else (entry, "saved")
        entry = self.in_memory(task)
        if entry is not None:
            return entry, "memory"
        disk = self._disk(spec)
        if disk is not None:
            entry = disk.get(task.key, spec)
            if entry is not None:
                self.hold(task, entry)
                return entry, "disk"
        return None

    def in_memory(self, task: Task) -> Entry | None:
        """The task's result, if memory has it; it stays there until `let_go`."""
        memory = self._memory(task)
        entry = memory.get(task.key) if memory is not None else None
        if memory is not None and entry is not None:
            memory.pin(task.key)
        return entry

    def keep(self, task: Task, entry: Entry, seconds: float) -> None:
        """Hold a new result, wherever its like belongs; a model is in the pool since it was loaded."""
        spec = task.spec
        if spec.output and self.receipts is not None:
            self.receipts.keep(task, entry)
        self.hold(task, entry)
        disk = self._disk(spec)
        if disk is not None and (self.shared is None or seconds >= self.shared.worth_storing):
            disk.put(task.key, entry, spec)

    def hold(self, task: Task, entry: Entry) -> None:
        """Hold a result in memory, until `let_go` at least."""
        memory = self._memory(task)
        if memory is not None:
            memory.pin(task.key)
            memory.put(task.key, entry)

    def let_go(self, task: Task) -> None:
        """Nobody in this run will read the task's result again."""
        memory = self._memory(task)
        if memory is not None:
            memory.unpin(task.key)

    def would_keep(self, task: Task) -> bool:
        """Whether results of the task's node are held anywhere."""
        return task.spec.model or self._memory(task) is not None or self._disk(task.spec) is not None

    def _memory(self, task: Task) -> MemoryCache | None:
        transient = self.shared is not None and task.node.id in self.shared.transient
        return None if task.spec.model or task.spec.output or transient else self.memory

    def _disk(self, spec: NodeSpec) -> DiskCache | None:
        return self.disk if spec.store and not spec.model and not spec.output else None
