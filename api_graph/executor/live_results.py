"""The results that one run holds in its hands, each until nobody in it will read it again."""

from __future__ import annotations

import threading

from api_graph.executor.entry import Entry
from api_graph.executor.plan import Task
from api_graph.executor.stores import Stores


class LiveResults:
    """Entries at their tasks. `most` is the most bytes that were held at one time, models left out."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
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
        """Nobody in this run will read the entry again."""
        if task.entry is None:
            return
        task.entry = None
        with self._lock:
            self._held -= task.bytes
        if task.cacheable:
            self._stores.let_go(task)
