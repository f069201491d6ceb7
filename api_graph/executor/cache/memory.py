"""Results and models in memory.

Of results the least recently used go first, by bytes, with budgets of their own for CPU and accelerators. Of models
there is one each, shared by every node, row and run that names the same checkpoint, precision and device; they are
never written to disk.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from api_graph.errors import BadInput
from api_graph.executor.accelerator import CudaMemory, DeviceMemory, forget_traceback, out_of_memory_in, return_freed
from api_graph.executor.cache.entry import Bytes, Entry
from api_graph.settings import MAX_VRAM, vram_budget

GIB = 1 << 30
_MOST_SAID = 80


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


@dataclass
class ModelPool:
    """The most recently used `capacity` models. Models that a running graph still holds live on until it lets go.

    On an accelerator, whose `memory` is looked for when the first model is loaded, models have a budget of bytes
    besides (`vram_budget`). Where a model would pass it, and where memory runs out, those that no run holds go, and
    what they took is given back to the device. What `get` and `get_or_load` give, a run holds until `release`.
    """

    capacity: int = 4
    memory: DeviceMemory | None = None
    loads: int = field(default=0, init=False)
    _models: OrderedDict[str, Entry] = field(default_factory=OrderedDict, init=False, repr=False)
    _held: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    _sizes: dict[str, int] = field(default_factory=dict, init=False, repr=False)  # on the accelerator, of all ever seen
    _loading: dict[str, threading.Lock] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def get(self, key: str) -> Entry | None:
        """The model, if it is loaded."""
        with self._lock:
            entry = self._models.get(key)
            if entry is not None:
                self._models.move_to_end(key)
                self._held[key] += 1
            return entry

    def get_or_load(
        self, key: str, load: Callable[[], Entry], weights: Callable[[], int] | None = None
    ) -> tuple[Entry, bool]:
        """The model, and whether it was loaded now: once, even when two runs ask at the same time.

        It is held at the cost of the one used longest ago; one that is not cacheable is not held at all. `weights`
        says how many bytes it is going to take, roughly. Raises what `load` does, and BadInput for a model that an
        accelerator has no room for.
        """
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            entry = self.get(key)
            if entry is not None:
                return entry, False
            import torch  # no sooner than a model is loaded

            if self.memory is None and torch.cuda.is_available():
                self.memory = CudaMemory()
            entry = load() if self.memory is None else self._load_where_room_is(self.memory, key, load, weights)
            with self._lock:
                self.loads += 1
                self._held[key] += 1
                if entry.cacheable:
                    self._models[key] = entry
                full = len(self._models) > self.capacity
                while len(self._models) > self.capacity:
                    self._models.popitem(last=False)
            if full and self.memory is not None:
                return_freed(self.memory)
            return entry, True

    def release(self, key: str) -> None:
        """A run that was given the model will not read it again."""
        with self._lock:
            self._held[key] -= 1
            if self._held[key] <= 0:
                del self._held[key]

    def relieve(self, error: Exception) -> Exception | None:
        """What an error for lack of memory on the accelerator calls for.

        None if a model that no run holds has gone, the one used longest ago: then what failed may be tried again.
        Otherwise the error to report, which says what is in the way; any other error is handed back.
        """
        ran_out = out_of_memory_in(error)
        if self.memory is None or ran_out is None:
            return error
        forget_traceback(error)
        if self._drop_oldest(self.memory):
            return None
        if isinstance(ran_out, MemoryError):  # of the machine, not of the accelerator
            return error
        in_use, count = self._taken()
        models = "no model is in use" if not count else f"the models in use ({count}) take {_gib(in_use)}"
        reported = BadInput(
            f"the accelerator has no memory left, and no other model can go: {models} of its "
            f"{_gib(self.memory.total())} GiB ({str(ran_out).splitlines()[0][:_MOST_SAID]})",
            hint="Use smaller pictures or batches (--batch-size), a model of less precision or quantized, or a smaller "
            "one, or run the graph in parts that use one model each.",
        )
        reported.__cause__ = error
        return reported

    def clear(self) -> None:
        """Let go of every model."""
        with self._lock:
            self._models.clear()
        if self.memory is not None:
            return_freed(self.memory)

    def __len__(self) -> int:
        return len(self._models)

    def _load_where_room_is(
        self, memory: DeviceMemory, key: str, load: Callable[[], Entry], weights: Callable[[], int] | None
    ) -> Entry:
        """What `load` gives, after models that are in its way have gone."""
        expected = self._sizes.get(key, 0 if weights is None else weights())
        if expected and self._taken()[1]:  # nothing is asked of a device that no model lies on yet
            while not self._in_budget(memory, expected) or memory.free() < expected:
                if not self._drop_oldest(memory):
                    break
        while True:
            try:
                entry = load()
                break
            except Exception as error:
                reported = self.relieve(error)
                if reported is error:
                    raise
                if reported is not None:
                    raise reported from error
        self._sizes[key] = size = memory.size_of(entry.outputs)
        while size and not self._in_budget(memory, size):
            if not self._drop_oldest(memory):
                del entry
                return_freed(memory)
                raise self._too_large(memory, size)
        return entry

    def _in_budget(self, memory: DeviceMemory, more: int) -> bool:
        return self._taken()[0] + more <= vram_budget(memory.total())

    def _taken(self) -> tuple[int, int]:
        """Bytes of all models that lie on the accelerator, and how many these are."""
        with self._lock:
            sizes = [size for key in {*self._models, *self._held} if (size := self._sizes.get(key, 0))]
        return sum(sizes), len(sizes)

    def _drop_oldest(self, memory: DeviceMemory) -> bool:
        """Let go of the model on the accelerator that was used longest ago, of those that no run holds, if any."""
        with self._lock:
            key = next((key for key in self._models if self._sizes.get(key) and key not in self._held), None)
            if key is not None:
                del self._models[key]
        return_freed(memory)
        return key is not None

    def _too_large(self, memory: DeviceMemory, size: int) -> BadInput:
        in_use, count = self._taken()
        others = f", and the {count} in use beside it {_gib(in_use)}" if count else ""
        return BadInput(
            f"the model takes {_gib(size)} GiB on the accelerator{others}; models may take "
            f"{_gib(vram_budget(memory.total()))}, so that there is room to compute",
            hint=f"Load it with less precision or quantized, or set the environment variable {MAX_VRAM} to more, "
            "such as 20G.",
        )


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f}"
