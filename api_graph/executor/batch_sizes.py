"""How many calls go together on an accelerator: a few at first, then as many as the memory that they took allows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import ref

from api_graph.executor.accelerator import DeviceMemory
from api_graph.executor.cache.entry import size_of

C = TypeVar("C")
R = TypeVar("R")

FIRST = 4
"""Calls of the first batch of a kind, which is measured."""
GROWTH = 8
"""A batch is at most so many times as large as the largest one that was measured."""
_MARGIN = 0.8
"""Of what is free: the allocator's blocks do not fit into each other without gaps."""
_SMALL = 2**12
"""Bytes: calls of less are alike."""
_PLAIN = (str, int, float, bool, type(None))


@dataclass
class BatchSizes:
    """What calls of each kind took at most on an accelerator, and so how many fit. Thread-safe.

    A kind is a node class, what its model (or whatever the calls share) takes there, and the size of a call's own
    tensors, to a factor of two.
    """

    memory: DeviceMemory
    _measured: dict[Hashable, tuple[int, float]] = field(default_factory=dict, init=False)
    """By kind: calls in the largest batch, and bytes of each of them."""
    _shared: dict[int, tuple[ref[object], int]] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def kind(self, name: str, shared: Iterable[object], own: Iterable[object]) -> Hashable | None:
        """The kind of a call; None for one of which nothing lies on the accelerator."""
        tensors = [value for value in own if not isinstance(value, _PLAIN)]
        there = tuple(self._size_there(value) for value in shared if not isinstance(value, _PLAIN))
        if not any(there) and not self.memory.size_of(tensors):
            return None
        return name, there, max(sum(size_of(tensors)), _SMALL).bit_length()

    def fit(self, kind: Hashable) -> int:
        """How many calls may go together now."""
        count, each = self._measured.get(kind, (0, 0.0))
        if not count:
            return FIRST
        most = GROWTH * count
        return most if each <= 0 else max(1, min(most, int(_MARGIN * self.memory.free() / each)))

    def measured(self, kind: Hashable, batched: Callable[[Sequence[C]], Sequence[R]], batch: Sequence[C]) -> list[R]:
        """What `batched` gives for a batch; what it took counts for those to come."""
        before = self.memory.allocated()
        self.memory.reset_peak()
        answers = list(batched(batch))
        each = max(0, self.memory.peak() - before) / len(batch)
        with self._lock:
            if len(batch) >= self._measured.get(kind, (0, 0.0))[0]:  # smaller ones say less of one call
                self._measured[kind] = len(batch), each
        return answers

    def _size_there(self, value: object) -> int:
        """Bytes of a value on the accelerator; of a model, which has many tensors, they are counted once."""
        key = id(value)  # what holds tensors may not be comparable, nor may a tensor
        known = self._shared.get(key)
        if known is not None and known[0]() is value:
            return known[1]
        size = self.memory.size_of([value])
        with suppress(TypeError):  # what takes no weak reference
            self._shared[key] = ref(value, lambda _: self._shared.pop(key, None)), size
        return size
