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
from api_graph.spec import NodeSpec


@dataclass(frozen=True)
class Stores:
    """Models go to the pool, results to memory, and to disk if the node says so; of saved files there are receipts."""

    memory: MemoryCache | None
    disk: DiskCache | None
    pool: ModelPool
    receipts: Receipts | None = None

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
        memory, disk = self._memory(spec), self._disk(spec)
        if memory is not None:
            entry = memory.get(task.key)
            if entry is not None:
                memory.pin(task.key)
                return entry, "memory"
        if disk is not None:
            entry = disk.get(task.key, spec)
            if entry is not None:
                if memory is not None:
                    memory.pin(task.key)
                    memory.put(task.key, entry)
                return entry, "disk"
        return None

    def keep(self, task: Task, entry: Entry) -> None:
        """Hold a new result, wherever its like belongs; a model is in the pool since it was loaded."""
        spec = task.spec
        if spec.output and self.receipts is not None:
            self.receipts.keep(task, entry)
        memory, disk = self._memory(spec), self._disk(spec)
        if memory is not None:
            memory.pin(task.key)
            memory.put(task.key, entry)
        if disk is not None:
            disk.put(task.key, entry, spec)

    def let_go(self, task: Task) -> None:
        """Nobody in this run will read the task's result again."""
        memory = self._memory(task.spec)
        if memory is not None:
            memory.unpin(task.key)

    def would_keep(self, spec: NodeSpec) -> bool:
        """Whether results of the node are held anywhere."""
        return spec.model or self._memory(spec) is not None or self._disk(spec) is not None

    def _memory(self, spec: NodeSpec) -> MemoryCache | None:
        return None if spec.model or spec.output else self.memory

    def _disk(self, spec: NodeSpec) -> DiskCache | None:
        return self.disk if spec.store and not spec.model and not spec.output else None
