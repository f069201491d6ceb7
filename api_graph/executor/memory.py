"""Results in memory: least recently used go first, by bytes, with budgets of their own for CPU and accelerators."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

from api_graph.executor.sizes import Bytes, size_of

GIB = 1 << 30


@dataclass(frozen=True)
class Entry:
    """What a step left: one list of values per output (a node may be mapped over a list), and what it showed."""

    outputs: tuple[list[Any], ...]
    ui: dict[str, list[Any]] = field(default_factory=dict)

    def size(self) -> Bytes:
        return size_of(self.outputs)


class MemoryCache:
    """Entries by key. What a run is still going to read is pinned: evicting it would free nothing."""

    def __init__(self, cpu_bytes: int = 2 * GIB, gpu_bytes: int = 1 * GIB) -> None:
        self.limit = Bytes(cpu_bytes, gpu_bytes)
        self._entries: OrderedDict[str, tuple[Entry, Bytes]] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self._cpu = self._gpu = 0
        self._lock = threading.RLock()

    def get(self, key: str) -> Entry | None:
        """The entry, which thereby becomes the most recently used; or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: str, entry: Entry) -> None:
        """Keep `entry`, at the cost of older ones. One that alone exceeds its budget is not kept."""
        size = entry.size()
        with self._lock:
            self._drop(key)
            if size.cpu > self.limit.cpu or size.gpu > self.limit.gpu:
                return
            self._entries[key] = (entry, size)
            self._cpu += size.cpu
            self._gpu += size.gpu
            if self._cpu > self.limit.cpu or self._gpu > self.limit.gpu:
                self._evict()

    def pin(self, key: str) -> None:
        """Somebody will read this key again; keep it, if it is here, until `unpin` has been called as often."""
        with self._lock:
            self._pins[key] += 1

    def unpin(self, key: str) -> None:
        with self._lock:
            self._pins[key] -= 1
            if self._pins[key] <= 0:
                del self._pins[key]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._cpu = self._gpu = 0

    @property
    def used(self) -> Bytes:
        return Bytes(self._cpu, self._gpu)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def _drop(self, key: str) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._cpu -= found[1].cpu
            self._gpu -= found[1].gpu

    def _evict(self) -> None:
        over_cpu, over_gpu = self._cpu - self.limit.cpu, self._gpu - self.limit.gpu
        victims = []
        for key, (_, size) in self._entries.items():
            if over_cpu <= 0 and over_gpu <= 0:
                break
            if key not in self._pins and ((over_cpu > 0 and size.cpu) or (over_gpu > 0 and size.gpu)):
                victims.append(key)
                over_cpu, over_gpu = over_cpu - size.cpu, over_gpu - size.gpu
        for key in victims:
            self._drop(key)
