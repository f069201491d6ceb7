"""What a run tells its listeners: progress bars, the editor's socket, a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from api_graph.json_values import Json

EventKind = Literal["started", "progress", "done", "cached", "failed"]


@dataclass(frozen=True)
class Event:
    """One thing that happened to one node in one row.

    `done` of `total` belong to `progress`, `ui` to `done` and `cached`, `error` to `failed`.
    """

    kind: EventKind
    node: str
    title: str
    row: int = 0
    done: int = 0
    total: int = 0
    ui: dict[str, list[Json]] = field(default_factory=dict)
    error: Exception | None = None


Listener = Callable[[Event], None]
