"""Loaded models, one of each, never written to disk.

A model is shared by every node, row and run that names the same checkpoint, precision and device.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from api_graph.executor.entry import Entry


class ModelPool:
    """The most recently used `capacity` models. Models that a running graph still holds live on until it lets go."""

    def __init__(self, capacity: int = 4) -> None:
        self.capacity = capacity
        self.loads = 0
        self._models: OrderedDict[str, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Entry | None:
        with self._lock:
            entry = self._models.get(key)
            if entry is not None:
                self._models.move_to_end(key)
            return entry

    def put(self, key: str, entry: Entry) -> None:
        with self._lock:
            self.loads += 1
            self._models[key] = entry
            self._models.move_to_end(key)
            while len(self._models) > self.capacity:
                self._models.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._models.clear()

    def __len__(self) -> int:
        return len(self._models)
