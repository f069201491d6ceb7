"""Why a step ran, in words for `--explain`: compared with the last time that this process ran the same node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from api_graph.executor.plan import Task

OUTPUT = "it saves or shows something"
FOUND = {
    "pool": "this model is loaded already",
    "memory": "same inputs as before in this process",
    "disk": "same inputs as in an earlier run",
    "saved": "what it saved in an earlier run still stands",
}
_MOST_NAMED = 3
_ABSENT = object()


class _Inputs(NamedTuple):
    """What a node was run with: its literals and fingerprint, and the steps it was linked to."""

    class_type: str
    literals: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    links: Mapping[str, str]


class History:
    """What each node of a graph, by id, was last run with."""

    def __init__(self) -> None:
        self._last: dict[str, _Inputs] = {}

    def remember(self, task: Task) -> None:
        """The task has run."""
        self._last[task.node.id] = _Inputs(task.spec.id, task.literals, task.fingerprint, task.links)

    def why(self, task: Task, *, kept: bool) -> str:
        """Why the task runs; `kept` says whether a cache would hold its result."""
        if task.spec.output:
            return OUTPUT
        last = self._last.get(task.node.id)
        if last is None or last.class_type != task.spec.id:
            return "this model is not loaded yet" if task.spec.model else "no cached result for these inputs"
        changes = [
            *_differ(last.literals, task.literals),
            *_differ(last.fingerprint, task.fingerprint),
            *(f"what {name} links to" for name in _differ(last.links, task.links)),
        ]
        if changes:
            more = len(changes) - _MOST_NAMED
            return f"{', '.join(changes[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''} changed"
        return "same inputs, but its result is no longer held" if kept else "same inputs, but no cache holds its result"


def _differ(last: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in {**last, **now} if last.get(name, _ABSENT) != now.get(name, _ABSENT)]
