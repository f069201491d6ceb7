"""Nodes called for many rows at once, as the executor calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api_graph.context import Context
from api_graph.executor.cache.entry import Entry
from api_graph.executor.call import BatchLimits, run_batch
from api_graph.spec import NodeSpec, spec_of


def called_together(
    node: Callable[..., Any], calls: Sequence[Mapping[str, Any]], contexts: Sequence[Context | None] | None = None
) -> list[Any]:
    """What each call gives, or the exception that it ends with, where all are rows of one run.

    Several outputs come as a tuple. A node with a context needs one for each call.
    """
    spec = spec_of(node)
    steps = [([call], context) for call, context in zip(calls, contexts or [None] * len(calls), strict=True)]
    entries = run_batch(spec, steps, BatchLimits())
    return [entry if isinstance(entry, Exception) else _result_of(entry, spec) for entry in entries]


def _result_of(entry: Entry, spec: NodeSpec) -> Any:
    """What the node's function returned, of a step with one call."""
    outputs = zip(entry.outputs, spec.outputs, strict=True)
    values = [output if declared.is_list else output[0] for output, declared in outputs]
    return tuple(values) if spec.named_outputs else values[0] if values else None
