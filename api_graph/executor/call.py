"""Calling a node's function: ComfyUI's list mapping, the injected context, and the batched form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from api_graph.context import Context, DeferredWork
from api_graph.errors import ApiGraphError
from api_graph.executor.batch_limits import BatchLimits
from api_graph.executor.cache.entry import Entry
from api_graph.executor.rowwise import stacked
from api_graph.spec import NodeSpec

Arguments = dict[str, Any]
Steps = Sequence[tuple[Sequence[Arguments], Context | None]]
"""Of each step its calls and the context that they share."""


def calls_of(spec: NodeSpec, inputs: Mapping[str, Sequence[Any]]) -> list[Arguments]:
    """The calls that one step makes.

    Every input arrives as a list. A node is called once per element, and a shorter list repeats its last one; an empty
    list means no call. A node that takes lists is called once with all of them; its other inputs are single values.
    """
    lists = spec.lists
    single = [values for name, values in inputs.items() if name not in lists]
    if not all(single):
        return []
    if lists:
        return [{name: list(values) if name in lists else values[0] for name, values in inputs.items()}]
    count = max(map(len, single), default=1)
    if count == 1:
        return [{name: values[0] for name, values in inputs.items()}]
    return [{name: values[min(i, len(values) - 1)] for name, values in inputs.items()} for i in range(count)]


def run_calls(spec: NodeSpec, calls: Sequence[Arguments], context: Context | None) -> Entry:
    """Call the node's function once for each of one step's calls."""
    # Parameters born in inference mode could never take part in a gradient.
    with torch.inference_mode(not spec.model):
        results = [_checked(spec, spec.function(**_with_context(spec, call, context))) for call in calls]
    return _entry(spec, results, context)


def run_batch(spec: NodeSpec, steps: Steps, limits: BatchLimits) -> list[Entry | Exception] | DeferredWork:
    """All calls of many steps through the node's batched form, as many at once as memory has room for: `entries_of`.

    A batched form gets every input of every call: those that a graph leaves out stand at their default. The form of an
    output node gets all calls at once: what it has done to the world it must not do again. It may leave the rest of its
    work for later.
    """
    batched = stacked(spec.function) if spec.batched is None else spec.batched
    defaults = {declared.name: declared.default for declared in spec.inputs if not declared.required}
    together = [defaults | _with_context(spec, call, context) for calls, context in steps for call in calls]
    with torch.inference_mode(not spec.model):
        came = batched(together) if spec.output else limits.run(spec.id, together, lambda part: _now(batched(part)))
    return came if isinstance(came, DeferredWork) else entries_of(spec, steps, came)


def _now(came: Sequence[Any] | DeferredWork) -> Sequence[Any]:
    return came.work() if isinstance(came, DeferredWork) else came


def entries_of(spec: NodeSpec, steps: Steps, results: Sequence[Any]) -> list[Entry | Exception]:
    """Each step's entry, from the results of a batched form; an exception in the place of a result is its step's."""
    count = sum(len(calls) for calls, _ in steps)
    if len(results) != count:
        raise ApiGraphError(f"the batched form of {spec.id} answered {len(results)} of {count} calls")
    entries: list[Entry | Exception] = []
    first = 0
    for calls, context in steps:
        own = results[first : first + len(calls)]
        failed = next((result for result in own if isinstance(result, Exception)), None)
        entries.append(failed or _entry(spec, [_checked(spec, result) for result in own], context))
        first += len(calls)
    return entries


def _entry(spec: NodeSpec, results: Sequence[tuple[Any, ...]], context: Context | None) -> Entry:
    """Gather the results of a step's calls: one list per output; outputs that are lists are joined."""
    outputs: list[list[Any]] = []
    for slot, output in enumerate(spec.outputs):
        values = [result[slot] for result in results]
        outputs.append([v for each in values for v in each] if output.is_list else values)
    return Entry(tuple(outputs)) if context is None else Entry(tuple(outputs), context.ui, context.cacheable)


def _with_context(spec: NodeSpec, arguments: Arguments, context: Context | None) -> Arguments:
    return arguments if spec.context is None else {**arguments, spec.context[0]: context}


def _checked(spec: NodeSpec, result: Any) -> tuple[Any, ...]:
    values = spec.unpack(result)
    if len(values) != len(spec.outputs):
        raise ApiGraphError(f"{spec.id} gave {len(values)} outputs instead of {len(spec.outputs)}")
    return values
