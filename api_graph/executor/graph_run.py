"""A graph run: several rows of one graph, stage by stage. What is held is found, what is missing is run."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

from api_graph.context import Context, SaveContext
from api_graph.errors import ApiGraphWarning, BadInput, Cancelled
from api_graph.executor.accelerator import forget_frames
from api_graph.executor.cache.entry import Entry, check_total
from api_graph.executor.cache.tiers import CacheTiers, LiveResults
from api_graph.executor.call import (
    Arguments,
    BatchLimits,
    StepCalls,
    calls_of,
    prepared,
    run_batch,
    run_calls,
)
from api_graph.executor.events import Event, EventKind, Listener
from api_graph.executor.in_flight import InFlight, wait_for
from api_graph.executor.last_steps import RowThreads, last_steps
from api_graph.executor.plan import GraphPlan, Task, as_declared, read_as_planned
from api_graph.executor.results import FOUND, NO_REQUEST, LastRun, RunResult, floats_of, result_of_row, why_it_runs
from api_graph.executor.shared import SharedResources
from api_graph.executor.threads import run_in_threads
from api_graph.files import ALL_PNG, SaveFormats
from api_graph.folders import Folders
from api_graph.graph import Graph, Link
from api_graph.json_values import Json
from api_graph.spec.model import whole


@dataclass(frozen=True)
class GraphRunOptions:
    """What the caller of a run asked for. `folders` are each row's own; `shared` is None for a run by itself."""

    folders: Sequence[Folders]
    roots: Sequence[str]
    listener: Listener | None
    cancelled: threading.Event
    metadata: bool
    threads: int
    run_id: str
    batches: BatchLimits = field(default_factory=BatchLimits)
    shared: SharedResources | None = None
    formats: SaveFormats = ALL_PNG


class GraphRun:
    """Several rows of one graph on their way through it.

    `history` is the last run of each node, by id; this one adds to it.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        plan: GraphPlan,
        tiers: CacheTiers,
        history: dict[str, LastRun],
        in_flight: InFlight,
        options: GraphRunOptions,
    ) -> None:
        self.graphs, self.plan, self.tiers, self.history = graphs, plan, tiers, history
        self.in_flight, self.options = in_flight, options
        self.stopped = False  # the caller's own `cancelled` is not ours to set
        self.live_results = LiveResults(tiers)
        self.row_threads = RowThreads(options.threads, options.shared and options.shared.threads)
        # Lets other runs compute while this one waits.
        self.outside = nullcontext if options.shared is None else options.shared.turn.outside
        self._listening = threading.RLock()
        self._embedded: dict[int, dict[str, str]] = {}  # by row
        self._node_texts: dict[int, str] = {}  # by the identity of nodes: most rows have the very same ones

    def run(self) -> list[RunResult]:
        """Run what is missing; raises Cancelled when the caller has asked to stop."""
        started = time.perf_counter()
        try:
            self._find_needed()
            last = last_steps(self.plan.stages, self.options.folders)
            late = {task for each in last.values() for tasks in each for task in tasks}
            self.row_threads.begin(self._run_last, last.get(0, ()))
            for number, stage in enumerate(self.plan.stages, 1):
                missing = [task for task in stage if task.needed and task.entry is None and task not in late]
                if missing:
                    self._run_stage(missing)
                self.row_threads.begin(self._run_last, last.get(number, ()))
            with self.outside():
                self.row_threads.finish()
            seconds, options, held = time.perf_counter() - started, self.options, self.live_results.most
            return [
                result_of_row(row, graph, self.plan, options.roots, options.folders[row], seconds, held)
                for row, graph in enumerate(self.graphs)
            ]
        finally:
            self.stopped = True
            self.row_threads.close()
            for stage in self.plan.stages:
                for task in stage:
                    self.live_results.release(task)

    def _find_needed(self) -> None:
        """Walk from the roots upwards; behind a cached result nothing is needed, not even the model that made it."""
        for stage in reversed(self.plan.stages):
            for task in stage:
                if task.error is not None:
                    self._tell("failed", task, error=task.error)
                if task.failed_upstream is not None or not (task.readers or task.root or task.figures):
                    continue
                task.needed = True
                found = self.tiers.find(task)
                if found is not None:
                    entry, task.action = found
                    task.why = FOUND[task.action]
                    self.live_results.hold(task, entry)
                    self._tell("cached", task, ui=entry.ui)
                    continue
                task.spec = whole(task.spec)
                kept = task.spec.model or any(cache is not None for cache in self.tiers.of(task))
                task.why = why_it_runs(task, self.history.get(task.node.id), kept=kept)
                for parent in task.parents.values():
                    parent.readers += 1

    # ------------------------------------------------------------------------------------------ one node, all rows

    def _run_stage(self, tasks: Sequence[Task]) -> None:
        """Run one node for all rows that need it, save for what another run has in flight."""
        ready: list[Task] = []
        for task in tasks:
            if task.block():
                self.live_results.read_parents(task)
            else:
                ready.append(task)
        if not ready:
            return
        spec, shared = ready[0].spec, self.options.shared
        # Each row runs its own outputs, the pool loads a model once, and no other run reads what is transient.
        if spec.output or spec.model or (shared is not None and ready[0].node.id in shared.transient):
            self._run_tasks(ready)
        else:
            self._run_claimed(ready)

    def _run_claimed(self, tasks: Sequence[Task]) -> None:
        """Run tasks whose steps other runs may want too: each is done by the run that claims it first."""
        claims = [(task, self.in_flight.claim(task.key)) for task in tasks]
        mine = [task for task, theirs in claims if theirs is None]
        try:
            todo = [task for task in mine if self.options.shared is None or not self._found_by_now(task)]
            if todo:
                self._run_tasks(todo)
        finally:
            for task in mine:
                self.in_flight.complete(task.key, task.entry if task.cacheable else None)
        not_given = [task for task, theirs in claims if theirs is not None and not self._received(task, theirs)]
        if not_given:
            self._run_stage(not_given)

    def _found_by_now(self, task: Task) -> bool:
        """Whether another run has done the step since this one was planned."""
        found = self.tiers.find(task, on_disk=False)
        if found is not None:
            self._done_elsewhere(task, found[0])
        return found is not None

    def _received(self, task: Task, theirs: Future[Entry | None]) -> bool:
        """Whether another run's step, once it is done, has given a result for this one too."""
        with nullcontext() if theirs.done() else self.outside():
            entry = wait_for(theirs, self._is_cancelled)
        if entry is None:
            return False
        memory, _ = self.tiers.of(task)
        if memory is not None:
            memory.put(task.key, entry, pin=True)
        self._done_elsewhere(task, entry)
        return True

    def _run_tasks(self, tasks: Sequence[Task]) -> None:
        """Run one node's tasks: in a batch, in threads, or one after the other."""
        spec, shared = tasks[0].spec, self.options.shared
        with nullcontext() if shared is None else shared.resources_for(tasks[0]):
            if (spec.batched is not None or spec.rowwise) and not spec.model:
                steps: list[StepCalls] = [self._step(task) for task in tasks]
                # A row of a table always runs batched, alone or not: the last bits of its result depend on it.
                if shared is not None or sum(len(calls) for calls, _ in steps) > 1:
                    self._run_batch(tasks, steps)
                    return
                steps.clear()
            elif spec.waits and len(tasks) > 1:
                run_in_threads(self._run_task, tasks, self.options.threads, self._stop, shared and shared.threads)
                return
            for task in tasks:
                self._run_task(task)

    def _run_batch(self, tasks: Sequence[Task], steps: list[StepCalls]) -> None:
        """All calls of all tasks at once; should that fail, one task at a time, so that only the faulty ones fail.

        The steps are cleared: an error that is kept keeps the frames that called, and with these what is in them.
        """
        if self._is_cancelled():
            raise Cancelled
        for task in tasks:
            self._tell("started", task)
        spec, shared, started = tasks[0].spec, self.options.shared, time.perf_counter()
        try:
            if spec.prepare is not None and shared is not None and shared.threads is not None:
                with self.outside():
                    steps[:] = prepared(spec, steps, shared.threads)
            entries = run_batch(spec, steps, self.options.batches, self.outside)
            steps.clear()
        except Exception as error:
            forget_frames(error)
            steps.clear()
            for task in tasks:
                self._run_task(task, announced=True)
            if not any(task.error for task in tasks):
                problem = f"{tasks[0].spec.id} works call by call, but not batched ({type(error).__name__}: {error})"
                warnings.warn(problem, ApiGraphWarning, stacklevel=2)
            return
        seconds = (time.perf_counter() - started) / len(tasks)
        entries.reverse()
        for task in tasks:
            entry = entries.pop()
            if isinstance(entry, Exception):
                self._failed(task, entry, seconds)
            else:
                self._done(task, entry, seconds)

    def _run_last(self, tasks: Sequence[Task]) -> None:
        """Run the last steps of a row, in a thread: see `last_steps`."""
        for task in tasks:
            if task.block():
                self.live_results.read_parents(task)
            elif task.spec.output or self.options.shared is None or not self._found_by_now(task):
                self._run_task(task)

    # ------------------------------------------------------------------------------------------ one task

    def _run_task(self, task: Task, *, announced: bool = False) -> None:
        if self._is_cancelled():
            raise Cancelled
        if not announced:
            self._tell("started", task)
        started = time.perf_counter()
        try:
            # No variable holds the step: an error keeps this frame, and it would keep the tensors.
            if task.spec.model:  # of the runs that want it at one time, one loads it
                entry, is_new = self.tiers.pool.get_or_load(
                    task.pool_key, partial(self._load_model, task, *self._step(task)), partial(_weights_size, task)
                )
            else:
                entry, is_new = run_calls(task.spec, *self._step(task)), True
        except Exception as error:
            self._failed(task, error, time.perf_counter() - started)
            return
        if is_new:
            self._done(task, entry, time.perf_counter() - started)
        else:
            self._done_elsewhere(task, entry)

    def _load_model(self, task: Task, calls: Sequence[Arguments], context: Context | None) -> Entry:
        """A model; of other files than those behind its key, it is for this run only."""
        entry = run_calls(task.spec, calls, context)
        entry.cacheable = entry.cacheable and read_as_planned(task, self.options.folders[task.row])
        return entry

    def _step(self, task: Task) -> tuple[list[Arguments], Context | None]:
        """The task's calls, and the context that they share; None where the node asks for nothing of the run."""
        inputs: dict[str, Sequence[object]] = {}  # a literal is a list of one
        for name, value in task.node.inputs.items():
            if isinstance(value, Link):
                entry = task.parents[name].entry
                assert entry is not None
                inputs[name] = entry.outputs[value.output]
                if not task.spec.eight_bits and task.parents[name].spec.outputs[value.output].socket == "IMAGE":
                    inputs[name] = floats_of(inputs[name])
            else:
                inputs[name] = (as_declared(task.spec.input(name), value),)
        calls = calls_of(task.spec, inputs)
        if task.spec.context is None:
            return calls, None
        options, kind = self.options, task.spec.context[1]
        context: Context = kind(
            folders=options.folders[task.row],
            node_id=task.node.id,
            on_progress=partial(self._tell, "progress", task),
            is_cancelled=self._is_cancelled,
            run_id=options.run_id,
            # A node that waits is outside the compute lock anyway.
            waiting=nullcontext if task.spec.waits else self.outside,
            eight_bits=True,
        )
        if isinstance(context, SaveContext):
            context.formats = options.formats
            if options.metadata:
                context.texts = self._texts_of(task.row)
        return calls, context

    def _texts_of(self, row: int) -> dict[str, str]:
        """What the row's files embed, made once for all its nodes."""
        if row not in self._embedded:
            graph, texts = self.graphs[row], self._node_texts
            for node in graph.nodes.values():
                if id(node) not in texts:
                    texts[id(node)] = json.dumps({node.id: node.to_api()})[1:-1]
            self._embedded[row] = {"prompt": f"{{{', '.join([texts[id(node)] for node in graph.nodes.values()])}}}"}
            # Of the graph's extra data only the editor's form of the graph belongs in files.
            if "workflow" in graph.extra:
                self._embedded[row]["workflow"] = json.dumps(graph.extra["workflow"])
        return self._embedded[row]

    def _done(self, task: Task, entry: Entry, seconds: float) -> None:
        """The task has run."""
        if self.options.shared is None and not task.spec.model:  # of a table, chunks are as small as memory wants it
            try:
                check_total(self.live_results.bytes + sum(entry.size))
            except BadInput as error:
                self._failed(task, error, seconds)
                return
        if self.options.shared is not None and task.spec.output and not task.readers:
            from torch import Tensor

            # A table keeps no pictures but those in files.
            outputs = () if all(output.type is Tensor for output in task.spec.outputs) else entry.outputs
            entry = Entry(outputs, entry.ui, entry.cacheable)
        self.live_results.hold(task, entry)
        # Keys know nothing of a result that only stands in for one, or of files that have changed since: what is made
        # from it may not be kept either.
        cacheable = entry.cacheable and all(parent.cacheable for parent in task.parents.values())
        task.as_planned = task.spec.model or read_as_planned(task, self.options.folders[task.row])
        task.cacheable = cacheable and task.as_planned
        if task.cacheable:
            self.tiers.keep(task, entry, seconds)
        task.action, task.seconds = "ran", seconds
        self.history[task.node.id] = LastRun(task.spec.id, task.literals, task.links, task.fingerprint)
        self.live_results.read_parents(task)
        self._tell("done", task, ui=entry.ui)

    def _done_elsewhere(self, task: Task, entry: Entry) -> None:
        """Another run has done the task's step."""
        self.live_results.hold(task, entry)
        task.cacheable = entry.cacheable and all(parent.cacheable for parent in task.parents.values())
        task.action = "pool" if task.spec.model else "memory"
        task.why = FOUND[task.action]
        self.live_results.read_parents(task)
        self._tell("cached", task, ui=entry.ui)

    def _failed(self, task: Task, error: Exception, seconds: float) -> None:
        """The task has failed. It is tried again where memory ran out, and a model that no run holds has gone."""
        forget_frames(error)
        if not (task.spec.model or task.spec.output):
            reported = self.tiers.pool.relieve(error)
            if reported is None:
                self._run_task(task, announced=True)
                return
            error = reported
        task.fail(error)
        task.seconds = seconds
        self.live_results.read_parents(task)
        self._tell("failed", task, error=task.error)

    def _tell(
        self,
        kind: EventKind,
        task: Task,
        done: int = 0,
        total: int = 0,
        *,
        ui: dict[str, list[Json]] | None = None,
        error: Exception | None = None,
    ) -> None:
        if self.options.listener is not None:
            if kind == "cached" and ui is not None and task.asks:
                ui = {**ui, "text": [*ui.get("text", ()), f"({NO_REQUEST})"]}
            event = Event(kind, task.node.id, task.title, task.row, done, total, {} if ui is None else ui, error)
            with self._listening:
                self.options.listener(event)

    # ------------------------------------------------------------------------------------------ stopping

    def _stop(self) -> None:
        self.stopped = True

    def _is_cancelled(self) -> bool:
        return self.stopped or self.options.cancelled.is_set()


def _weights_size(task: Task) -> int:
    """Bytes of the files behind a model's key: what it is going to take on an accelerator, roughly; 0 if unknown."""
    return 0 if task.node.inputs.get("device") == "cpu" else sum(state.size for state in task.files)
