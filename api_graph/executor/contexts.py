"""The context of each call: what a node may ask of the run that it is part of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from api_graph.context import Context, SaveContext
from api_graph.executor.options import Options
from api_graph.executor.plan import Task
from api_graph.graph import Graph


class Contexts:
    """Makes the contexts of one chunk of rows."""

    def __init__(
        self,
        graphs: Sequence[Graph],
        options: Options,
        is_cancelled: Callable[[], bool],
        on_progress: Callable[[Task, int, int], None],
    ) -> None:
        self._graphs, self._options = graphs, options
        self._is_cancelled, self._on_progress = is_cancelled, on_progress
        self._embedded: dict[int, dict[str, Any]] = {}

    def of(self, task: Task) -> Context | None:
        """The context that the task's node asks for; None if it asks for none."""
        if task.spec.context is None:
            return None

        def progress(done: int, total: int) -> None:
            self._on_progress(task, done, total)

        kind = task.spec.context[1]
        facts: dict[str, Any] = {
            "folders": self._options.folders[task.row],
            "node_id": task.node.id,
            "on_progress": progress,
            "is_cancelled": self._is_cancelled,
            "run_id": self._options.run_id,
            "spread": self._options.spread,
        }
        if self._options.sharing is not None and not task.spec.waits:  # those are outside anyway
            facts["waiting"] = self._options.sharing.place.outside
        if issubclass(kind, SaveContext) and self._options.metadata:
            # Of what came with the graph only the editor's own form of it belongs into files.
            extra = {name: value for name, value in self._graphs[task.row].extra.items() if name == "workflow"}
            facts |= {"prompt": self._prompt(task.row), "extra": extra}
        return kind(**facts)

    def _prompt(self, row: int) -> dict[str, Any]:
        """The row's graph as files embed it, made once for all its nodes."""
        if row not in self._embedded:
            self._embedded[row] = self._graphs[row].to_api()
        return self._embedded[row]
