"""How many calls a batched form gets at once: as many as there are, and half of it whenever memory runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch

C = TypeVar("C")
R = TypeVar("R")

_BATCHES_UNTIL_GROWTH = 16
_SAID = ("out of memory", "not enough memory", "can't allocate memory")


@dataclass
class BatchLimits:
    """The limit of each node class. It halves when memory runs out, and doubles again after a while without that.

    `most` is a limit that the user has set; None leaves it to memory.
    """

    most: int | None = None
    _limits: dict[str, int] = field(default_factory=dict, init=False)
    _good_batches: dict[str, int] = field(default_factory=dict, init=False)  # since memory ran out
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def run(self, name: str, calls: Sequence[C], batched: Callable[[Sequence[C]], Sequence[R]]) -> list[R]:
        """`batched` over all calls, in as few batches as memory allows.

        Raises what it raises, save for memory that runs out while there is still something to halve.
        """
        results: list[R] = []
        while len(results) < len(calls):
            limit = self._limits.get(name, len(calls))
            size = max(1, min(limit, self.most or limit))
            batch = calls[len(results) : len(results) + size]
            try:
                answers = list(batched(batch))
            except Exception as error:
                if len(batch) == 1 or not ran_out_of_memory(error):
                    raise
                self._halve(name, len(batch))
                continue
            results += answers
            if len(answers) != len(batch):
                break  # the caller counts, and knows what to say
            if name in self._limits:
                self._grow(name)
        return results

    def _halve(self, name: str, size: int) -> None:
        with self._lock:
            # Another run may have halved more than that meanwhile.
            self._limits[name], self._good_batches[name] = min(size // 2, self._limits.get(name, size)), 0

    def _grow(self, name: str) -> None:
        with self._lock:
            self._good_batches[name] += 1
            if self._good_batches[name] >= _BATCHES_UNTIL_GROWTH:
                self._limits[name], self._good_batches[name] = 2 * self._limits[name], 0


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no memory left. The back ends say so in different classes and words."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID)
