"""Loaded models, one of each, never written to disk.

A model is shared by every node, row and run that names the same checkpoint, precision and device.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from api_graph.executor.cache.entry import Entry


class ModelPool:
    """The most recently used `capacity` models. Models that a running graph still holds live on until it lets go."""

    def __init__(self, capacity: int = 4) -> None:
        self.capacity = capacity
        self.loads = 0
        self._models: OrderedDict[str, Entry] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> Entry | None:
        """The model, if it is loaded."""
        with self._lock:
            entry = self._models.get(key)
            if entry is not None:
                self._models.move_to_end(key)
            return entry

    def get_or_load(self, key: str, load: Callable[[], Entry]) -> tuple[Entry, bool]:
        """The model, and whether it was loaded now: once, even when two runs ask at the same time.

        It is held at the cost of the one used longest ago. Raises what `load` does.
        """
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            entry = self.get(key)
            if entry is not None:
                return entry, False
            entry = load()
            with self._lock:
                self.loads += 1
                self._models[key] = entry
                while len(self._models) > self.capacity:
                    self._models.popitem(last=False)
            return entry, True

    def clear(self) -> None:
        """Let go of every model."""
        with self._lock:
            self._models.clear()

    def __len__(self) -> int:
        return len(self._models)
