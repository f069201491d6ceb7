"""The executor: order the steps, look each up in the cache, run what is missing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from api_graph.context import Context, SaveContext
from api_graph.errors import Cancelled
from api_graph.executor.call import calls_of, entry_of, run_batch, run_call
from api_graph.executor.disk import DiskCache
from api_graph.executor.events import Event, EventKind, Listener
from api_graph.executor.memory import Entry, MemoryCache
from api_graph.executor.plan import Plan, Task, plan
from api_graph.executor.pool import ModelPool
from api_graph.executor.result import NodeOutput, RunResult, Step, files_of
from api_graph.folders import Folders
from api_graph.graph import Graph, Link, execution_order
from api_graph.registry import all_nodes
from api_graph.spec import NodeSpec

_WHY_RAN = "no cached result for these inputs"
_WHY_OUTPUT = "it saves or shows something, so it always runs"
_WHY_MODEL = "this model is not loaded yet"


@dataclass
class Executor:
    """Runs graphs, one chunk of rows at a time, over its caches and its pool of models.

    `memory` and `disk` may be None. `threads` is how many rows of a node that waits on files or the network go at once.
    """

    memory: MemoryCache | None = None
    disk: DiskCache | None = None
    pool: ModelPool | None = None
    registry: Mapping[str, NodeSpec] | None = None
    threads: int = 8

    def __post_init__(self) -> None:
        self.registry = all_nodes() if self.registry is None else self.registry
        self.pool = ModelPool() if self.pool is None else self.pool

    def run(self, graph: Graph, folders: Folders, **options: Any) -> RunResult:
        """Run a (valid) graph once. Options are `run_rows`'s."""
        return self.run_rows([graph], folders, **options)[0]

    def run_rows(
        self,
        graphs: Sequence[Graph],
        folders: Folders,
        *,
        targets: Sequence[str] = (),
        listener: Listener | None = None,
        cancelled: threading.Event | None = None,
        metadata: bool = True,
    ) -> list[RunResult]:
        """Run rows of one graph together: the same nodes and links, other literals.

        `targets` are nodes whose outputs are wanted besides the graph's own output nodes. A node that fails takes with
        it only what depends on it, in its own row; everything computed before stays cached. Raises Cancelled as soon
        as `cancelled` is set.
        """
        assert self.registry is not None
        if not graphs:
            return []
        roots = [*_output_nodes(graphs[0], self.registry), *targets]
        order = execution_order(graphs[0], roots)
        chunk = plan(graphs, order, self.registry, folders)
        return _Chunk(self, graphs, chunk, folders, roots, listener, cancelled or threading.Event(), metadata).run()


def _output_nodes(graph: Graph, registry: Mapping[str, NodeSpec]) -> list[str]:
    return [id for id, node in graph.nodes.items() if registry[node.class_type].output]


class _Chunk:
    """One execution of a plan."""

    def __init__(
        self,
        executor: Executor,
        graphs: Sequence[Graph],
        chunk: Plan,
        folders: Folders,
        roots: Sequence[str],
        listener: Listener | None,
        cancelled: threading.Event,
        metadata: bool,
    ) -> None:
        assert executor.pool is not None
        self.memory, self.disk, self.pool = executor.memory, executor.disk, executor.pool
        self.threads, self.lock = executor.threads, threading.Lock()
        self.graphs, self.plan, self.folders, self.roots = graphs, chunk, folders, roots
        self.listener, self.cancelled, self.metadata = listener, cancelled, metadata
        self.targets = {id(t) for tasks in chunk.of_row for node, t in tasks.items() if node in set(roots)}

    def run(self) -> list[RunResult]:
        started = time.perf_counter()
        try:
            self._find_needed()
            for stage in self.plan.stages:
                self._run_stage([task for task in stage if task.needed and task.entry is None])
            seconds = time.perf_counter() - started
            return [self._result(row, seconds) for row in range(len(self.graphs))]
        finally:
            self._let_go()

    # ------------------------------------------------------------------------------------------ what must run

    def _find_needed(self) -> None:
        """Walk from the targets upwards; behind a cached result nothing is needed, not even the model that made it."""
        for stage in reversed(self.plan.stages):
            for task in stage:
                if task.readers == 0 and id(task) not in self.targets:
                    continue
                if task.error is not None:
                    self._tell("failed", task, error=task.error)
                    continue
                task.needed = True
                self._look_up(task)
                if task.entry is None:
                    for parent, _ in task.parents.values():
                        parent.readers += 1

    def _look_up(self, task: Task) -> None:
        """Take the entry from the model pool, from memory or from disk, if it is there."""
        spec = task.spec
        if spec.output:
            task.why = _WHY_OUTPUT
        elif spec.model:
            task.why = _WHY_MODEL
            self._found(task, self.pool.get(task.pool_key), "pool")
        else:
            task.why = _WHY_RAN
            if self.memory is not None:
                self._found(task, self.memory.get(task.key), "memory")
            if task.entry is None and self.disk is not None and spec.store:
                self._found(task, self.disk.get(task.key, spec), "disk")
                if task.entry is not None and self.memory is not None:
                    self.memory.put(task.key, task.entry)
        if task.entry is not None and self.memory is not None and not spec.model:
            self.memory.pin(task.key)

    def _found(self, task: Task, entry: Entry | None, where: Any) -> None:
        if entry is not None:
            task.entry, task.action = entry, where
            task.why = {"pool": "this model is loaded already", "memory": "same inputs as before in this process"}.get(
                where, "same inputs as in an earlier run"
            )
            self._tell("cached", task, ui=entry.ui)

    # ------------------------------------------------------------------------------------------ running

    def _run_stage(self, tasks: Sequence[Task]) -> None:
        ready = [task for task in tasks if not self._blocked(task)]
        if not ready:
            return
        if self.cancelled.is_set():
            raise Cancelled
        spec = ready[0].spec
        if spec.batched is not None and len(ready) > 1:
            self._run_batched(ready)
        elif spec.waits and len(ready) > 1:
            self._run_threaded(ready)
        else:
            for task in ready:
                if self.cancelled.is_set():
                    raise Cancelled
                self._run_task(task)

    def _blocked(self, task: Task) -> bool:
        dead = next((parent for parent, _ in task.parents.values() if parent.dead), None)
        if dead is not None:
            task.block(dead)
            self._read_parents(task)
        return task.blocked

    def _run_threaded(self, tasks: Sequence[Task]) -> None:
        with ThreadPoolExecutor(min(self.threads, len(tasks))) as threads:
            try:
                for future in [threads.submit(self._run_task, task) for task in tasks]:
                    future.result()
            except BaseException:
                self.cancelled.set()
                threads.shutdown(cancel_futures=True)
                raise

    def _run_task(self, task: Task) -> None:
        context = self._context(task)
        self._tell("started", task)
        started = time.perf_counter()
        try:
            results = [run_call(task.spec, call, context) for call in calls_of(task.spec, self._inputs(task))]
            entry = entry_of(task.spec, results, context.ui if context else {})
        except Exception as error:
            self._failed(task, error, time.perf_counter() - started)
        else:
            self._done(task, entry, time.perf_counter() - started)

    def _run_batched(self, tasks: Sequence[Task]) -> None:
        """All calls of all tasks at once; should that fail, one task at a time, so that only the culprit fails."""
        calls = [calls_of(task.spec, self._inputs(task)) for task in tasks]
        contexts = [self._context(task) for task in tasks]
        for task in tasks:
            self._tell("started", task)
        started = time.perf_counter()
        try:
            results = run_batch(
                tasks[0].spec,
                [call for each in calls for call in each],
                [context for each, context in zip(calls, contexts, strict=True) for _ in each],
            )
        except Exception:
            for task in tasks:
                self._run_task(task)
            return
        seconds = (time.perf_counter() - started) / len(tasks)
        first = 0
        for task, own, context in zip(tasks, calls, contexts, strict=True):
            own_results = results[first : first + len(own)]
            first += len(own)
            self._done(task, entry_of(task.spec, own_results, context.ui if context else {}), seconds)

    def _inputs(self, task: Task) -> dict[str, Sequence[Any]]:
        inputs: dict[str, Sequence[Any]] = {}
        for name, value in task.node.inputs.items():
            if isinstance(value, Link):
                parent, slot = task.parents[name]
                assert parent.entry is not None
                inputs[name] = parent.entry.outputs[slot]
            else:
                inputs[name] = (value,)
        return inputs

    def _context(self, task: Task) -> Context | None:
        if task.spec.context is None:
            return None

        def progress(done: int, total: int) -> None:
            self._tell("progress", task, done=done, total=total)

        kind = task.spec.context[1]
        if not issubclass(kind, SaveContext):
            return kind(self.folders, task.node.id, progress, self.cancelled.is_set)
        graph = self.graphs[task.row]
        prompt, extra = (graph.to_api(), graph.extra) if self.metadata else (None, None)
        return kind(self.folders, task.node.id, progress, self.cancelled.is_set, prompt=prompt, extra=extra)

    # ------------------------------------------------------------------------------------------ afterwards

    def _done(self, task: Task, entry: Entry, seconds: float) -> None:
        spec = task.spec
        task.entry, task.action, task.seconds = entry, "ran", seconds
        if spec.model:
            self.pool.put(task.pool_key, entry)
        elif not spec.output:
            if self.memory is not None:
                self.memory.pin(task.key)
                self.memory.put(task.key, entry)
            if self.disk is not None and spec.store:
                self.disk.put(task.key, entry, spec)
        self._read_parents(task)
        self._tell("done", task, ui=entry.ui)

    def _failed(self, task: Task, error: Exception, seconds: float) -> None:
        task.fail(error)
        task.seconds = seconds
        self._read_parents(task)
        self._tell("failed", task, error=error)

    def _read_parents(self, task: Task) -> None:
        with self.lock:  # rows may run in threads
            for parent, _ in task.parents.values():
                parent.readers -= 1
                if parent.readers == 0 and id(parent) not in self.targets:
                    self._release(parent)

    def _release(self, task: Task) -> None:
        """Nobody in this run will read the entry again."""
        if task.entry is not None:
            task.bytes = sum(task.entry.size()) if not task.spec.model else 0
            task.entry = None
            if self.memory is not None and not task.spec.output and not task.spec.model:
                self.memory.unpin(task.key)

    def _let_go(self) -> None:
        for stage in self.plan.stages:
            for task in stage:
                self._release(task)

    def _tell(self, kind: EventKind, task: Task, **details: Any) -> None:
        if self.listener is not None:
            self.listener(Event(kind, task.node.id, task.title, task.row, **details))

    def _result(self, row: int, seconds: float) -> RunResult:
        result = RunResult(seconds=seconds)
        tasks = self.plan.of_row[row]
        for node_id, task in tasks.items():
            result.steps.append(_step(node_id, task))
            if task.error is not None and task.error not in result.failures:
                result.failures.append(task.error)
        for node_id in self.roots:
            entry = tasks[node_id].entry
            if entry is not None:
                result.outputs[node_id] = _output(tasks[node_id].spec, entry, self.folders)
        return result


def _step(node_id: str, task: Task) -> Step:
    if node_id != task.node.id:
        why = f"same inputs as node {task.node.id}"
        return Step(node_id, task.title, task.spec.id, "memory" if task.needed else "unneeded", why)
    size = sum(task.entry.size()) if task.entry is not None and not task.spec.model else task.bytes
    return Step(node_id, task.title, task.spec.id, task.action, task.why, task.seconds, size)


def _output(spec: NodeSpec, entry: Entry, folders: Folders) -> NodeOutput:
    """Each output by name: a single value, or the list where there is one."""
    values = {
        output.name: list(got) if output.is_list or len(got) != 1 else got[0]
        for output, got in zip(spec.outputs, entry.outputs, strict=True)
    }
    return NodeOutput(values, entry.ui, files_of(entry.ui, folders))
