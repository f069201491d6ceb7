"""The memory of the accelerator: what is free, what was taken at most, and how what was let go of comes back.

The executor asks no device itself: it asks a `DeviceMemory`, which `CudaMemory` is on a machine with an NVIDIA GPU.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterable
from typing import Protocol

import torch

from api_graph.executor.cache.entry import size_of

_SAID = ("out of memory", "not enough memory", "can't allocate memory", "status_alloc_failed")


class DeviceMemory(Protocol):
    """The memory of one accelerator, in bytes."""

    def total(self) -> int:
        """What the device has."""
        ...

    def free(self) -> int:
        """What new tensors may take: what nobody has, and what the allocator keeps for them."""
        ...

    def allocated(self) -> int:
        """What the tensors of this process take now."""
        ...

    def peak(self) -> int:
        """The most that they took at one time since `reset_peak`."""
        ...

    def reset_peak(self) -> None:
        """Begin to look for the peak anew."""
        ...

    def empty_cache(self) -> None:
        """Give back to the device what the allocator keeps and no tensor takes."""
        ...

    def size_of(self, values: Iterable[object]) -> int:
        """What the tensors inside these values take there."""
        ...


class CudaMemory:
    """The memory of the GPU that "cuda" means."""

    def total(self) -> int:
        return torch.cuda.mem_get_info()[1]

    def free(self) -> int:
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return torch.cuda.mem_get_info()[0] + kept

    def allocated(self) -> int:
        return torch.cuda.memory_allocated()

    def peak(self) -> int:
        return torch.cuda.max_memory_allocated()

    def reset_peak(self) -> None:
        torch.cuda.reset_peak_memory_stats()

    def empty_cache(self) -> None:
        torch.cuda.empty_cache()

    def size_of(self, values: Iterable[object]) -> int:
        return size_of(values).gpu


def return_freed(memory: DeviceMemory) -> None:
    """Give back to the device what nobody holds any more, networks that refer to themselves too."""
    frozen = gc.get_freeze_count() > 0
    if frozen:  # a run over a table hides its objects from the collector, and models are among them
        gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
    memory.empty_cache()


def forget_frames(error: BaseException | None) -> None:
    """Let go of what an error's frames hold: tensors would live for as long as the error. Line numbers stay."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def forget_traceback(error: BaseException | None) -> None:
    """Let go of an error's frames themselves. One that was cleared still has its function, and so a closure."""
    forget_frames(error)
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def out_of_memory_in(error: BaseException | None) -> BaseException | None:
    """The error for lack of memory that this one is, or was raised from; None where there is none.

    The back ends say in different classes and words that a device, or the machine, has no memory left.
    """
    while error is not None:
        if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
            return error
        if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID):
            return error
        error = error.__cause__
    return None
