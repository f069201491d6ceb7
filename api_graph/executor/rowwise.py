"""Many calls as one, of a node that treats each map or picture of a batch by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from torch import Tensor

from api_graph.sockets import Attribution

_TOGETHER = {"cpu": 2**17}
"""Values in the largest tensor of calls that go together: on a processor as many as its cache has room for."""
_TOGETHER_ON_ACCELERATOR = 2**24


def run_rowwise(
    function: Callable[..., object], columns: Mapping[str, Sequence[object]], settings: Mapping[str, object]
) -> list[object]:
    """What `function` gives for each call; it takes tensors (B, ...) and attributions, and gives one such.

    `columns` are the inputs in which the calls differ, one value per call, and `settings` those that they share. Calls
    whose tensors agree in shape, type and device go together as one larger batch; large ones stay by themselves.
    """
    calls = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        groups[_kind(call) or index].append(index)
    results: dict[int, object] = {}
    for group in groups.values():
        largest = max(_tensors(calls[group[0]]), key=Tensor.numel, default=None)
        size = 1  # how many of them go together
        if largest is not None:
            room = _TOGETHER.get(largest.device.type, _TOGETHER_ON_ACCELERATOR)
            size = max(1, room // max(1, largest.numel()))
        for part in (group[first : first + size] for first in range(0, len(group), size)):
            results |= zip(part, _run(function, [calls[index] for index in part], settings), strict=True)
    return [results[index] for index in range(len(calls))]


def _run(
    function: Callable[..., object], calls: Sequence[Mapping[str, object]], settings: Mapping[str, object]
) -> Sequence[object]:
    """Calls that go together."""
    if len(calls) == 1:
        return [function(**calls[0], **settings)]
    result = function(**{name: _joined([call[name] for call in calls]) for name in calls[0]}, **settings)
    each = len(_tensors(calls[0])[0])
    # Copies: a view would keep the whole batch in memory for as long as one of its rows is wanted.
    if isinstance(result, Attribution):
        starts = range(0, each * len(calls), each)
        return [Attribution(result.values[i : i + each].clone(), result.geometry[i : i + each]) for i in starts]
    assert isinstance(result, Tensor), "a rowwise node gives a tensor or an attribution"
    return [part.clone() for part in result.split(each)]


def _kind(call: Mapping[str, object]) -> Hashable | None:
    """What calls that go together have in common; None for a call that goes alone, as one without a batch axis does."""
    tensors = _tensors(call)
    if len({len(tensor) for tensor in tensors}) != 1 or any(tensor.ndim < 3 for tensor in tensors):
        return None
    kind: list[Hashable] = []
    for value in call.values():
        if isinstance(value, Attribution):  # what brings maps to pixels wants sources of one size
            kind.append(tuple((geometry.width, geometry.height) for geometry in value.geometry))
            value = value.values
        kind.append((value.shape, value.dtype, value.device) if isinstance(value, Tensor) else id(value))
    return tuple(kind)


def _tensors(call: Mapping[str, object]) -> list[Tensor]:
    values = (value.values if isinstance(value, Attribution) else value for value in call.values())
    return [value for value in values if isinstance(value, Tensor)]


def _joined(values: Sequence[object]) -> object:
    maps = [value for value in values if isinstance(value, Attribution)]
    if maps:
        return Attribution.joined(maps)
    tensors = [value for value in values if isinstance(value, Tensor)]
    return torch.cat(tensors) if tensors else values[0]
