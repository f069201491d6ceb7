"""Results and models in memory.

Of results the least recently used go first, by bytes, with budgets of their own for CPU and accelerators. Of models
there is one each, shared by every node, row and run that names the same checkpoint, precision and device; they are
never written to disk.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable

from api_graph.executor.cache.entry import Bytes, Entry

GIB = 1 << 30


class MemoryCache:
    """Entries by key, shared by any number of runs and threads.

    What a run is still going to read is pinned: evicting it would free nothing. Pinned entries may exceed the budgets,
    until they are unpinned.
    """

    def __init__(self, cpu_bytes: int = 2 * GIB, gpu_bytes: int = 1 * GIB) -> None:
        self.limit = Bytes(cpu_bytes, gpu_bytes)
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self._cpu = self._gpu = self._lent = 0
        self._lock = threading.Lock()

    def get(self, key: str, *, pin: bool = False) -> Entry | None:
        """The entry, now the most recently used, or None. With `pin` a found one stays until `unpin`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                if pin:
                    self._pins[key] += 1
            return entry

    def put(self, key: str, entry: Entry, *, pin: bool = False) -> None:
        """Keep `entry`, at the cost of older ones. One that alone exceeds its budget is not kept.

        With `pin` a run is still going to read it: the key stays pinned until `unpin` was called as often.
        """
        size = entry.size
        with self._lock:
            if pin:
                self._pins[key] += 1
            self._drop(key)
            if size.cpu <= self.limit.cpu - self._lent and size.gpu <= self.limit.gpu:
                self._entries[key] = entry
                self._cpu += size.cpu
                self._gpu += size.gpu
                self._evict()

    def unpin(self, key: str) -> None:
        """Take one `pin` back."""
        with self._lock:
            if self._pins[key] > 1:
                self._pins[key] -= 1
            else:
                del self._pins[key]
                self._evict()

    def drop(self, key: str) -> None:
        """Forget one entry, unless it is pinned."""
        with self._lock:
            if key not in self._pins:
                self._drop(key)

    def lend(self, cpu_bytes: int) -> None:
        """Do with so much less of the limit in main memory from now on; 0 or less takes all of it back."""
        with self._lock:
            self._lent = min(max(cpu_bytes, 0), self.limit.cpu)
            self._evict()

    def clear(self) -> None:
        """Forget every entry; pins stay with those who hold them."""
        with self._lock:
            self._entries.clear()
            self._cpu = self._gpu = 0

    @property
    def used(self) -> Bytes:
        """Bytes of all entries now."""
        with self._lock:
            return Bytes(self._cpu, self._gpu)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._cpu -= entry.size.cpu
            self._gpu -= entry.size.gpu

    def _evict(self) -> None:
        over_cpu, over_gpu = self._cpu - self.limit.cpu + self._lent, self._gpu - self.limit.gpu
        if over_cpu <= 0 and over_gpu <= 0:
            return
        victims = []
        for key, entry in self._entries.items():
            if over_cpu <= 0 and over_gpu <= 0:
                break
            size = entry.size
            if key not in self._pins and ((over_cpu > 0 and size.cpu) or (over_gpu > 0 and size.gpu)):
                victims.append(key)
                over_cpu, over_gpu = over_cpu - size.cpu, over_gpu - size.gpu
        for key in victims:
            self._drop(key)


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

        It is held at the cost of the one used longest ago; one that is not cacheable is not held at all. Raises what
        `load` does.
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
                if entry.cacheable:
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
