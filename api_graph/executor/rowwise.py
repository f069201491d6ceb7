"""Many calls as one, for nodes that treat each map or picture of a batch by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from api_graph.sockets import Attribution

Call = Mapping[str, Any]

_TOGETHER = {"cpu": 2**17}
"""Values in the largest tensor of calls that go together: on a processor as many as its cache has room for."""
_TOGETHER_ON_ACCELERATOR = 2**24


def stacked(function: Callable[..., Any]) -> Callable[[Sequence[Call]], list[Any]]:
    """The batched form of `function`, which takes tensors (B, ...) and attributions, and gives one such.

    Calls with equal literals, whose tensors agree in shape, go together; large ones stay by themselves.
    """

    def batched(calls: Sequence[Call]) -> list[Any]:
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for index, call in enumerate(calls):
            groups[_kind(call) or index].append(index)
        results: dict[int, Any] = {}
        for group in groups.values():
            size = _calls_together(calls[group[0]])
            for part in (group[first : first + size] for first in range(0, len(group), size)):
                results |= zip(part, _run(function, [calls[index] for index in part]), strict=True)
        return [results[index] for index in range(len(calls))]

    return batched


def _run(function: Callable[..., Any], calls: Sequence[Call]) -> list[Any]:
    if len(calls) == 1:
        return [function(**calls[0])]
    result = function(**{name: _joined([call[name] for call in calls]) for name in calls[0]})
    each = len(_tensors(calls[0])[0])
    # Copies: a view would keep the whole batch in memory for as long as one of its rows is wanted.
    if isinstance(result, Attribution):
        starts = range(0, each * len(calls), each)
        return [Attribution(result.values[i : i + each].clone(), result.geometry[i : i + each]) for i in starts]
    return [part.clone() for part in result.split(each)]


def _kind(call: Call) -> Hashable | None:
    """What calls that go together have in common; None for a call that goes alone."""
    if len({len(tensor) for tensor in _tensors(call)}) != 1:
        return None
    return tuple((name, _alike(value)) for name, value in call.items())


def _alike(value: Any) -> Hashable:
    if isinstance(value, Attribution):  # what brings maps to pixels wants sources of one size
        return _alike(value.values), tuple((place.width, place.height) for place in value.geometry)
    return (value.shape, value.dtype, value.device) if isinstance(value, Tensor) else (type(value), value)


def _calls_together(call: Call) -> int:
    largest = max(_tensors(call), key=Tensor.numel, default=None)
    if largest is None:
        return 1
    room = _TOGETHER.get(largest.device.type, _TOGETHER_ON_ACCELERATOR)
    return max(1, room // max(1, largest.numel()))


def _tensors(call: Call) -> list[Tensor]:
    return [v for value in call.values() if isinstance(v := _values(value), Tensor)]


def _values(value: Any) -> Any:
    return value.values if isinstance(value, Attribution) else value


def _joined(values: Sequence[Any]) -> Any:
    if isinstance(values[0], Attribution):
        return Attribution.joined(values)
    return torch.cat(list(values)) if isinstance(values[0], Tensor) else values[0]
