"""How many calls a batched form gets at once: as many as there are, and half of it whenever memory runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch

_RUNS_UNTIL_GROWTH = 16
_SAID = ("out of memory", "not enough memory", "can't allocate memory")


class BatchLimits:
    """The limit of each node class. It halves when memory runs out, and doubles again after a while without that.

    `most` is a limit that the user has set; None leaves it to memory.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._limits: dict[str, int] = {}
        self._calm: dict[str, int] = {}

    def run(self, name: str, calls: Sequence[Any], batched: Callable[[Sequence[Any]], Sequence[Any]]) -> list[Any]:
        """`batched` over all calls, in as few passes as memory allows. Raises what it raises, save for memory that
        runs out while there is still something to halve."""
        results: list[Any] = []
        while len(results) < len(calls):
            part = calls[len(results) : len(results) + self._limit(name, len(calls))]
            try:
                answered = list(batched(part))
            except Exception as error:
                if len(part) == 1 or not ran_out_of_memory(error):
                    raise
                self._halve(name, len(part))
            else:
                if len(answered) != len(part):
                    return [*results, *answered]  # the caller counts, and knows what to say
                results += answered
                self._went_well(name)
        return results

    def _limit(self, name: str, wanted: int) -> int:
        with self._lock:
            limit = self._limits.get(name, wanted)
            return max(1, min(limit, self.most or limit))

    def _halve(self, name: str, size: int) -> None:
        with self._lock:
            # Another run may have halved more than that meanwhile.
            self._limits[name], self._calm[name] = min(size // 2, self._limits.get(name, size)), 0

    def _went_well(self, name: str) -> None:
        with self._lock:
            if name in self._limits:
                self._calm[name] += 1
                if self._calm[name] >= _RUNS_UNTIL_GROWTH:
                    self._limits[name], self._calm[name] = 2 * self._limits[name], 0


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no memory left. The back ends say so in different classes and words."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID)
