"""Calling a node's function: ComfyUI's list mapping, the injected context, and the batched form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from api_graph.context import Context
from api_graph.errors import ApiGraphError
from api_graph.executor.memory import Entry
from api_graph.spec import NodeSpec

Arguments = dict[str, Any]


def calls_of(spec: NodeSpec, inputs: Mapping[str, Sequence[Any]]) -> list[Arguments]:
    """The calls that one step makes.

    Every input arrives as a list. A node is called once per element, and a shorter list repeats its last one; an empty
    list means no call. A node that takes lists is called once with all of them; its other inputs are single values.
    """
    if spec.takes_lists:
        return [{name: list(v) if _is_list(spec, name) else v[0] for name, v in inputs.items()}]
    if not inputs:
        return [{}]
    if any(len(v) == 0 for v in inputs.values()):
        return []
    count = max(len(v) for v in inputs.values())
    return [{name: v[min(i, len(v) - 1)] for name, v in inputs.items()} for i in range(count)]


def run_call(spec: NodeSpec, arguments: Arguments, context: Context | None) -> tuple[Any, ...]:
    """One call of the node's function, as one value per output."""
    # Parameters born in inference mode could never take part in a gradient.
    with torch.inference_mode(not spec.model):
        return _checked(spec, spec.function(**_with_context(spec, arguments, context)))


def run_batch(spec: NodeSpec, calls: Sequence[Arguments], contexts: Sequence[Context | None]) -> list[tuple[Any, ...]]:
    """Many calls through the node's batched form."""
    assert spec.batched is not None
    with torch.inference_mode(not spec.model):
        results = spec.batched([_with_context(spec, a, c) for a, c in zip(calls, contexts, strict=True)])
    if len(results) != len(calls):
        raise ApiGraphError(f"the batched form of {spec.id} answered {len(results)} of {len(calls)} calls")
    return [_checked(spec, result) for result in results]


def entry_of(spec: NodeSpec, results: Sequence[tuple[Any, ...]], ui: Mapping[str, list[Any]]) -> Entry:
    """Gather the results of a step's calls: one list per output; outputs that are lists are joined."""
    outputs: list[list[Any]] = []
    for slot, output in enumerate(spec.outputs):
        values = [result[slot] for result in results]
        outputs.append([v for each in values for v in each] if output.is_list else values)
    return Entry(tuple(outputs), dict(ui))


def _is_list(spec: NodeSpec, name: str) -> bool:
    declared = spec.input(name)
    return declared is not None and declared.is_list


def _with_context(spec: NodeSpec, arguments: Arguments, context: Context | None) -> Arguments:
    return arguments if spec.context is None else {**arguments, spec.context[0]: context}


def _checked(spec: NodeSpec, result: Any) -> tuple[Any, ...]:
    values = spec.unpack(result)
    if len(values) != len(spec.outputs):
        raise ApiGraphError(f"{spec.id} gave {len(values)} outputs instead of {len(spec.outputs)}")
    return values
