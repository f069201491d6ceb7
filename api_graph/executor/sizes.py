"""How many bytes a value holds, on the CPU and on accelerators."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_PLAIN = frozenset({int, float, str, bool, type(None)})


class Bytes(NamedTuple):
    """Bytes in main memory and in the memory of accelerators."""

    cpu: int
    gpu: int


def size_of(values: Iterable[Any]) -> Bytes:
    """Bytes of all tensors and texts inside lists, tuples, dicts, dataclasses and networks, each counted once.

    A view counts as its whole storage, since that is what it keeps alive.
    """
    cpu = gpu = 0
    seen: set[int] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if type(value) in _PLAIN:  # most of what there is, and far quicker to tell than a tensor
            cpu += sys.getsizeof(value)
        elif isinstance(value, Tensor):
            memory, size = _memory(value)
            if memory in seen:
                continue
            seen.add(memory)
            if value.device.type == "cpu":
                cpu += size
            elif value.device.type != "meta":
                gpu += size
        elif id(value) not in seen:
            seen.add(id(value))
            inside = _parts(value)
            if inside is None:
                cpu += sys.getsizeof(value)
            else:
                waiting.extend(inside)
    return Bytes(cpu, gpu)


def _memory(tensor: Tensor) -> tuple[int, int]:
    """Where a tensor's numbers lie, and how many bytes there are."""
    if tensor.layout is not torch.strided:  # sparse: no one storage; its own numbers are an upper bound
        return id(tensor), tensor.element_size() * tensor.numel()
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()


def _parts(value: Any) -> Iterable[Any] | None:
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, nn.Module):
        return [*value.parameters(), *value.buffers()]
    names = _fields_of(type(value))
    return None if names is None else [getattr(value, name) for name in names]


@cache
def _fields_of(kind: type) -> tuple[str, ...] | None:
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else None
