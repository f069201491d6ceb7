"""The context of each call: what a node may ask of the run that it is part of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from api_graph.context import Context, SaveContext
from api_graph.executor.options import Options
from api_graph.executor.plan import Task
from api_graph.graph import Graph, GraphNode


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
        self._texts: dict[int, dict[str, str]] = {}  # by row
        self._node_texts: dict[int, str] = {}  # by the identity of nodes: most rows have the very same ones

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
            "parallel_map": self._options.parallel_map,
        }
        if self._options.shared is not None and not task.spec.waits:  # those are outside anyway
            facts["waiting"] = self._options.shared.place.outside
        if issubclass(kind, SaveContext) and self._options.metadata:
            facts["texts"] = self._texts_of(task.row)
        return kind(**facts)

    def _texts_of(self, row: int) -> dict[str, str]:
        """What the row's files embed, made once for all its nodes."""
        if row not in self._texts:
            graph = self._graphs[row]
            self._texts[row] = {"prompt": f"{{{', '.join(map(self._text_of, graph.nodes.values()))}}}"}
            # Of what came with the graph only the editor's own form of it belongs into files.
            if "workflow" in graph.extra:
                self._texts[row]["workflow"] = json.dumps(graph.extra["workflow"])
        return self._texts[row]

    def _text_of(self, node: GraphNode) -> str:
        if id(node) not in self._node_texts:
            self._node_texts[id(node)] = json.dumps({node.id: node.to_api()})[1:-1]
        return self._node_texts[id(node)]
