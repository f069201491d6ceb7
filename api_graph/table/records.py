"""From what a row's run gave to its line in results.jsonl."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

from api_graph.errors import ApiGraphError
from api_graph.executor import NodeError, RunResult
from api_graph.files import name_below
from api_graph.graph import GraphError
from api_graph.table.row import Row

Record = dict[str, Any]
_FULL = {errno.ENOSPC, errno.EDQUOT}


def record_of(row: Row, result: RunResult, output: Path) -> Record:
    """The record of a row that ran, well or not. Files are named as they lie below `output`."""
    steps = {step.node: round(step.seconds, 6) for step in result.steps if step.action == "ran"}
    record = {
        **_head(row, ok=not result.failures),
        "outputs": {id: v for id, out in result.outputs.items() if (v := _plain_values(out.values))},
        "texts": {id: list(out.ui["text"]) for id, out in result.outputs.items() if out.ui.get("text")},
        "files": {
            id: [name_below(output, file) for file in out.files] for id, out in result.outputs.items() if out.files
        },
        "seconds": round(sum(step.seconds for step in result.steps), 6),
        "ran": len(steps),
        "cached": sum(step.cached for step in result.steps),
        "steps": steps,
        "error": None,
    }
    if result.failures:
        record["error"] = _node_error(result.failures[0], others=len(result.failures) - 1)
    return record


def record_of_fault(row: Row, error: ApiGraphError) -> Record:
    """The record of a row that could not even start."""
    fault = error.faults[0] if isinstance(error, GraphError) else None
    return {
        **_head(row, ok=False),
        "outputs": {},
        "texts": {},
        "files": {},
        "seconds": 0.0,
        "ran": 0,
        "cached": 0,
        "steps": {},
        "error": {
            "message": str(fault or error),
            "node": fault.node if fault else None,
            "title": fault.title if fault else None,
            "class_type": fault.class_type if fault else None,
            "input": fault.input if fault else getattr(error, "input", None),
            "kind": "row",
        },
    }


def disk_is_full(result: RunResult) -> bool:
    """Whether a row failed because nothing more can be written: then the fault is not the row's."""
    return any(_is_full(failure) for failure in result.failures)


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def _head(row: Row, *, ok: bool) -> Record:
    return {"row": row.number, "key": row.key, "ok": ok, "values": dict(row.values)}


def _node_error(failure: NodeError, others: int) -> dict[str, Any]:
    error = {**failure.to_json(), "kind": "node"}
    return {**error, "others": others} if others else error


def _plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """The outputs that JSON can hold; tensors are in files, if anywhere."""
    return {name: value for name, value in values.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(v) for v in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | bool)
