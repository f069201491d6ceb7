"""An accelerator made of main memory: so many bytes, counted as they are taken and let go of."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import torch
from torch import Tensor

from api_graph.executor.cache.entry import size_of


class Card:
    """A `DeviceMemory` of `size` bytes, whose tensors `zeros` makes. What is let go of is free after `empty_cache`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = self.most = self.kept = self.emptied = 0

    def zeros(self, count: int) -> Tensor:
        """So many bytes. Raises OutOfMemoryError where there is no room."""
        self.kept -= min(
            self.kept, count
        )  # as allocators do, it takes what it has kept, and gives back the rest in need
        if self.taken + count > self.size:
            raise torch.cuda.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {count} bytes.\nSee the manual")
        tensor = torch.zeros(count, dtype=torch.uint8)
        self.taken += count
        self.kept = min(self.kept, self.size - self.taken)
        self.most = max(self.most, self.taken)
        weakref.finalize(tensor.untyped_storage(), self._let_go, count)
        return tensor

    def _let_go(self, count: int) -> None:
        self.taken -= count
        self.kept += count

    def total(self) -> int:
        return self.size

    def free(self) -> int:
        return self.size - self.taken

    def allocated(self) -> int:
        return self.taken

    def peak(self) -> int:
        return self.most

    def reset_peak(self) -> None:
        self.most = self.taken

    def empty_cache(self) -> None:
        self.kept, self.emptied = 0, self.emptied + 1

    def size_of(self, values: Iterable[object]) -> int:
        return size_of(value for value in values if not isinstance(value, str)).cpu
