"""One prompt on its way through the queue, and how ComfyUI's routes show it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from api_graph.graph import Graph
from api_graph.json_values import Json

Status = Literal["pending", "in_progress", "completed", "failed", "cancelled"]


def now_ms() -> int:
    """Milliseconds since 1970, as JavaScript has them."""
    return int(time.time() * 1000)


@dataclass(eq=False)
class Job:
    """A graph that can run, and its results.

    `prompt` is the graph in API format as it was sent, `graph` that part of it which runs, `targets` its outputs.
    `messages` are those of its run that stay of interest, `size` the bytes of the request.
    """

    id: str
    number: float
    prompt: Mapping[str, object]
    graph: Graph
    targets: list[str]
    client: str | None
    extra: Mapping[str, object]
    size: int
    created: int = field(default_factory=now_ms)
    started: int | None = None
    ended: int | None = None
    status: Status = "pending"
    cancelled: threading.Event = field(default_factory=threading.Event)
    outputs: dict[str, dict[str, list[Json]]] = field(default_factory=dict)
    messages: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    error: dict[str, object] | None = None

    @property
    def extra_data(self) -> dict[str, object]:
        """What came with the graph, without what may be secret."""
        return {"extra_pnginfo": self.extra, "client_id": self.client, "create_time": self.created}

    def as_row(self) -> list[object]:
        """The job in a queue."""
        return [self.number, self.id, self.prompt, self.extra_data, self.targets]

    def as_history(self) -> dict[str, object]:
        """The job in the history."""
        done = self.status == "completed"
        return {
            "prompt": self.as_row(),
            "outputs": self.outputs,
            "status": {"status_str": "success" if done else "error", "completed": done, "messages": self.messages},
            "meta": {
                id: {"node_id": id, "display_node": id, "parent_node": None, "real_node_id": id} for id in self.outputs
            },
        }

    def as_summary(self) -> dict[str, object]:
        """The job in a list of jobs; keys without a value are left out."""
        shown = [
            {**item, "nodeId": id, "mediaType": kind}
            for id, ui in self.outputs.items()
            for kind, items in ui.items()
            for item in items
            if isinstance(item, dict)
        ]
        workflow = self.extra.get("workflow")
        kept = [item for item in shown if item.get("type") == "output"]
        summary = {
            "id": self.id,
            "status": self.status,
            "create_time": self.created,
            "execution_start_time": self.started,
            "execution_end_time": self.ended,
            "preview_output": (kept or shown or [None])[-1],
            "outputs_count": sum(len(items) for ui in self.outputs.values() for items in ui.values()),
            "execution_error": self.error,
            "workflow_id": workflow.get("id") if isinstance(workflow, Mapping) else None,
            "priority": self.number,
        }
        return {key: value for key, value in summary.items() if value is not None}

    def as_details(self) -> dict[str, object]:
        """The job on its own."""
        return {
            **self.as_summary(),
            "update_time": self.ended or self.started or self.created,
            "workflow": {"prompt": self.prompt, "extra_data": self.extra_data},
            "outputs": self.outputs,
            "execution_status": self.as_history()["status"],
        }
