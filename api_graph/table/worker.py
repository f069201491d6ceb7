"""One worker: takes rows, a chunk at a time, and gives their records. It may be asked from several threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from api_graph.context import ParallelMap
from api_graph.errors import ApiGraphError, BadInput
from api_graph.executor import Listener, RunResult
from api_graph.executor.shared import ComputeLock, SharedResources, Turn
from api_graph.graph import Graph
from api_graph.registry import all_nodes
from api_graph.table.binding import Binding
from api_graph.table.job import WORTH_STORING, Job
from api_graph.table.places import clear_row_folder, row_folder
from api_graph.table.processes import ProcessDied
from api_graph.table.records import Record, disk_is_full, record_of, record_of_fault
from api_graph.table.row import Row
from api_graph.table.uses import ReferenceCounts


@dataclass(frozen=True)
class Done:
    """What came of a chunk: a record per row, in their order, and the most bytes that one row took.

    Where the disk is full, `full` says so, and the rows that suffered from it have no record: nothing is wrong with
    them.
    """

    records: list[Record]
    bytes_per_row: int = 0
    full: bool = False


class Worker:
    """Runs rows of one job over one executor: models, and whatever rows share, are held from chunk to chunk.

    `uses`, once it is set, says when what rows share is needed no more; else it stays until room is wanted.
    """

    def __init__(self, job: Job, listener: Listener | None = None) -> None:
        registry = all_nodes()
        self.job, self.listener = job, listener
        self.uses: ReferenceCounts | None = None
        self.cancelled = threading.Event()
        self.binding = Binding(job.read_graph(), registry, job.columns, texts=job.texts)
        self.executor = job.executor(registry)
        self._folders, self._lane = job.folders(), ComputeLock()
        self.threads: ThreadPoolExecutor | None = None  # an engine's, while it runs
        self.parallel_map: ParallelMap | None = None  # likewise
        self.model_threads: int | None = None  # likewise
        self._reading = threading.Lock()  # guards the binding, which learns columns as it meets them

    def run(self, rows: Sequence[Row]) -> Done:
        """The rows' records. Raises Cancelled, and nothing for a fault of a row."""
        self._clear(rows)  # in front of the lane: it waits for the file system
        with self._lane.inside() as place:
            return self._run(place, rows)

    def _clear(self, rows: Sequence[Row]) -> None:
        """Each row writes to a folder of its own, empty but for what it writes: a run may have been killed there."""
        for row in rows:
            clear_row_folder(self._folders.output, row.key)

    def _run(self, place: Turn, rows: Sequence[Row]) -> Done:
        records: dict[int, Record] = {}
        graphs: list[tuple[int, Graph]] = []
        with self._reading:
            for index, row in enumerate(rows):
                try:
                    graphs.append((index, self._graph(row)))
                except ApiGraphError as fault:
                    records[index] = record_of_fault(row, fault)
            transient = self.binding.own_nodes() if self.uses is None else self.uses.transient
        results = self._results(place, [graph for _, graph in graphs], [rows[index] for index, _ in graphs], transient)
        self._let_go(rows, {index: result for (index, _), result in zip(graphs, results, strict=True)})
        full = False
        for (index, _), result in zip(graphs, results, strict=True):
            if disk_is_full(result):
                full = True
            else:
                records[index] = record_of(rows[index], result, self._folders.output)
        held = results[0].held // len(results) if results else 0
        return Done([records[index] for index in sorted(records)], held, full)

    def _let_go(self, rows: Sequence[Row], results: Mapping[int, RunResult]) -> None:
        """Free what these rows were the last to read."""
        if self.uses is None or self.executor.memory is None:
            return
        for index, row in enumerate(rows):
            unread = self.uses.finish(row)
            keys = {step.node: step.key for step in results[index].steps} if unread and index in results else {}
            for node in unread:
                self.executor.memory.drop(keys.get(node, ""))

    def _graph(self, row: Row) -> Graph:
        if row.fault is not None:
            raise row.fault
        try:
            return self.binding.graph_of(row.values)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(f"the row cannot be read ({error})", input="ROWS", value=row.number) from error

    def _results(
        self, place: Turn, graphs: Sequence[Graph], rows: Sequence[Row], transient: frozenset[str]
    ) -> list[RunResult]:
        shared = SharedResources(place, self.threads, self.parallel_map, self.model_threads, transient, WORTH_STORING)
        try:
            return self._results_once(graphs, rows, shared)
        except ProcessDied:
            self._clear(rows)
            return self._results_once(graphs, rows, shared)

    def _results_once(self, graphs: Sequence[Graph], rows: Sequence[Row], shared: SharedResources) -> list[RunResult]:
        return self.executor.run_rows(
            graphs,
            [replace(self._folders, output=row_folder(self._folders.output, row.key)) for row in rows],
            listener=self.listener,
            cancelled=self.cancelled,
            metadata=self.job.metadata,
            previews=False,
            run_id=self.job.run_id,
            shared=shared,
        )
