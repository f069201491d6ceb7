"""How many bytes a value holds, on the CPU and on accelerators."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from torch import Tensor


class Bytes(NamedTuple):
    """Bytes in main memory and in the memory of accelerators."""

    cpu: int
    gpu: int


def size_of(values: Iterable[Any]) -> Bytes:
    """Bytes of all tensors and texts inside lists, tuples, dicts and dataclasses; each tensor counted once."""
    cpu = gpu = 0
    seen: set[int] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            storage = value.untyped_storage()
            if storage.data_ptr() in seen:
                continue
            seen.add(storage.data_ptr())
            if value.device.type == "cpu":
                cpu += storage.nbytes()
            else:
                gpu += storage.nbytes()
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif is_dataclass(value) and not isinstance(value, type):
            waiting.extend(getattr(value, f.name) for f in fields(value))
        else:
            cpu += sys.getsizeof(value)
    return Bytes(cpu, gpu)
