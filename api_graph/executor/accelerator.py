"""The memory of the accelerator: what is free, what was taken at most, and how what was let go of comes back.

The executor asks no device itself: it asks a `DeviceMemory`, which `CudaMemory` is on a machine with an NVIDIA GPU.
"""

from __future__ import annotations

import gc
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from api_graph.executor.cache.entry import size_of

if TYPE_CHECKING:
    from api_graph.sockets import Attribution

Waiting = Callable[[], AbstractContextManager[None]]
"""Inside what this gives, whoever waits lets others compute."""

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

    def __init__(self) -> None:
        import torch

        self._cuda = torch.cuda

    def total(self) -> int:
        return self._cuda.mem_get_info()[1]

    def free(self) -> int:
        kept = self._cuda.memory_reserved() - self._cuda.memory_allocated()
        return self._cuda.mem_get_info()[0] + kept

    def allocated(self) -> int:
        return self._cuda.memory_allocated()

    def peak(self) -> int:
        return self._cuda.max_memory_allocated()

    def reset_peak(self) -> None:
        self._cuda.reset_peak_memory_stats()

    def empty_cache(self) -> None:
        self._cuda.empty_cache()

    def size_of(self, values: Iterable[object]) -> int:
        return size_of(values).gpu


def brought_home(values: Sequence[object], waiting: Waiting = nullcontext) -> list[object]:
    """The values, of which maps lie on the processor: those on an accelerator are fetched at once, in one copy.

    What is made of a map needs no model, and each of its steps would wait for the accelerator. Inside `waiting` the
    accelerator is waited for, until it has made them: others may give it more to do.
    """
    import torch

    from api_graph.sockets import Attribution

    home = list(values)
    away: dict[object, list[tuple[int, Attribution]]] = defaultdict(list)
    for index, value in enumerate(values):
        if isinstance(value, Attribution) and value.values.device.type != "cpu":
            away[value.values.device, value.values.dtype].append((index, value))
    for maps in away.values():
        joined = torch.cat([one.values.flatten() for _, one in maps])
        with waiting():
            fetched = joined.cpu()
        parts = fetched.split([one.values.numel() for _, one in maps])
        for (index, one), part in zip(maps, parts, strict=True):
            home[index] = one.with_values(part.view(one.values.shape).clone())
    return home


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
    import torch

    while error is not None:
        if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
            return error
        if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID):
            return error
        error = error.__cause__
    return None
