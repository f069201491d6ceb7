"""One execution of a plan: find what is needed, run it stage by stage, let go of what nobody will read."""

from __future__ import annotations

import threading
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from api_graph.context import DeferredWork
from api_graph.errors import ApiGraphWarning, Cancelled
from api_graph.executor.beside import Beside, Piece
from api_graph.executor.call import Steps, calls_of, entries_of, run_batch, run_calls
from api_graph.executor.contexts import Contexts
from api_graph.executor.entry import Entry
from api_graph.executor.events import Event, EventKind
from api_graph.executor.in_flight import Flight, InFlight, wait_for
from api_graph.executor.keys import as_declared
from api_graph.executor.live_results import LiveResults
from api_graph.executor.options import Options
from api_graph.executor.plan import Plan, Task
from api_graph.executor.reasons import FOUND, History
from api_graph.executor.report import result_of_row
from api_graph.executor.result import RunResult
from api_graph.executor.shared import LARGE, torch_threads
from api_graph.executor.stores import Stores
from api_graph.executor.threaded import run_threaded
from api_graph.graph import Graph, Link


class Chunk:
    """Rows of one graph on their way through it."""

    def __init__(
        self,
        graphs: Sequence[Graph],
        plan: Plan,
        stores: Stores,
        history: History,
        in_flight: InFlight,
        options: Options,
    ) -> None:
        self.graphs, self.plan, self.stores, self.history, self.options = graphs, plan, stores, history, options
        self.in_flight = in_flight
        self.stopped = False  # the caller's own `cancelled` is not ours to set
        self.live_results = LiveResults(stores)
        self.listening = threading.RLock()
        self.contexts = Contexts(graphs, options, self._is_cancelled, self._tell_progress)
        self.beside = Beside()

    def run(self) -> list[RunResult]:
        """Run what is missing; raises Cancelled when the caller has asked to stop."""
        started = time.perf_counter()
        try:
            self._find_needed()
            for stage in self.plan.stages:
                self._run_stage([task for task in stage if task.needed and task.entry is None])
            self._finish(self.beside.take())
            seconds, options, held = time.perf_counter() - started, self.options, self.live_results.most
            return [
                result_of_row(row, graph, self.plan.of_row[row], options.roots, options.folders[row], seconds, held)
                for row, graph in enumerate(self.graphs)
            ]
        finally:
            self.beside.close()
            for stage in self.plan.stages:
                for task in stage:
                    self.live_results.release(task)

    # ------------------------------------------------------------------------------------------ what must run

    def _find_needed(self) -> None:
        """Walk from the roots upwards; behind a cached result nothing is needed, not even the model that made it."""
        for stage in reversed(self.plan.stages):
            for task in stage:
                if task.error is not None:
                    self._tell("failed", task, error=task.error)
                elif task.failed_upstream is None and (task.readers or task.root):
                    self._look_up(task)

    def _look_up(self, task: Task) -> None:
        task.needed = True
        found = self.stores.find(task)
        if found is None:
            task.why = self.history.why(task, kept=self.stores.would_keep(task))
            for parent in task.parents.values():
                parent.readers += 1
        else:
            entry, where = found
            self.live_results.hold(task, entry)
            task.action, task.why = where, FOUND[where]
            self._tell("cached", task, ui=entry.ui)

    # ------------------------------------------------------------------------------------------ running

    def _run_stage(self, tasks: Sequence[Task]) -> None:
        """Run one node for all rows that need it, save for what another run has under way."""
        self._finish(self.beside.take_read_by(tasks))
        ready = [task for task in tasks if not self._blocked(task)]
        if not ready:
            return
        mine, others = self._taken(ready)
        try:
            todo = [task for task in mine if not self._found_by_now(task)]
            if todo:
                with self._room_for(todo[0]):
                    self._run_mine(todo)
        finally:
            for task in mine:
                self._land(task)
        late = [task for task, flight in others if not self._arrived(task, self._wait_for(flight))]
        if late:  # theirs came to nothing
            self._run_stage(late)

    def _taken(self, tasks: Sequence[Task]) -> tuple[list[Task], list[tuple[Task, Flight]]]:
        """The tasks that are this run's to do, and those that another run does just now."""
        mine: list[Task] = []
        others: list[tuple[Task, Flight]] = []
        for task in tasks:
            flight = self.in_flight.take(task.key) if self._is_shared(task) else None
            if flight is None:
                mine.append(task)
            else:
                others.append((task, flight))
        return mine, others

    def _is_shared(self, task: Task) -> bool:
        """Whether another run may want the same step: every row does its own output, and the pool sees to models."""
        shared = self.options.shared
        return not (task.spec.output or task.spec.model or (shared and task.node.id in shared.transient))

    def _room_for(self, task: Task) -> AbstractContextManager[None]:
        """A node that waits does so beside the lane, and one that runs a large model gets more of the processors."""
        shared = self.options.shared
        if shared is None:
            return nullcontext()
        if task.spec.waits:
            return shared.place.outside()
        if shared.model_threads is not None and any(_is_large_model(parent) for parent in task.parents.values()):
            return torch_threads(shared.model_threads)
        return nullcontext()

    def _wait_for(self, flight: Flight) -> Entry | None:
        with nullcontext() if flight.done() else self._outside():
            return wait_for(flight, self._check_cancelled)

    def _outside(self) -> AbstractContextManager[None]:
        """Let others compute while this run waits."""
        return nullcontext() if self.options.shared is None else self.options.shared.place.outside()

    def _found_by_now(self, task: Task) -> bool:
        """Whether another run has done the step since this one was planned."""
        if self.options.shared is None or not self._is_shared(task):
            return False
        return self._arrived(task, self.stores.in_memory(task), held=True)

    def _arrived(self, task: Task, entry: Entry | None, *, held: bool = False) -> bool:
        if entry is None:
            return False
        if not held:
            self.stores.hold(task, entry)
        self.live_results.hold(task, entry)
        task.action = "pool" if task.spec.model else "memory"
        task.why = FOUND[task.action]
        self.live_results.read_parents(task)
        self._tell("cached", task, ui=entry.ui)
        return True

    def _land(self, task: Task) -> None:
        if self._is_shared(task):
            self.in_flight.land(task.key, task.entry if task.cacheable else None)

    def _run_mine(self, tasks: Sequence[Task]) -> None:
        spec = tasks[0].spec
        if (spec.batched is not None or spec.rowwise) and not spec.model:
            self._run_batched(tasks)
        elif spec.waits and len(tasks) > 1:
            run_threaded(tasks, self._run_each, self._stop, self.options)
        else:
            self._run_each(tasks)

    def _blocked(self, task: Task) -> bool:
        if not task.block():
            return False
        self.live_results.read_parents(task)
        return True

    def _run_each(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._run_task(task)

    def _run_batched(self, tasks: Sequence[Task]) -> None:
        """All calls of all tasks at once; should that fail, one task at a time, so that only the culprit fails."""
        steps = [(calls_of(task.spec, self._inputs(task)), self.contexts.of(task)) for task in tasks]
        # A row of a table is treated alike, whether others go with it or not: the last bits of its result depend on it.
        if self.options.shared is not None or sum(len(calls) for calls, _ in steps) > 1:
            self._run_steps(tasks, steps)
        else:
            self._run_each(tasks)

    def _run_steps(self, tasks: Sequence[Task], steps: Steps) -> None:
        self._check_cancelled()
        for task in tasks:
            self._tell("started", task)
        started = time.perf_counter()
        try:
            came = run_batch(tasks[0].spec, steps, self.options.batches)
        except Exception as error:
            self._run_one_by_one(tasks, error)
            return
        seconds = time.perf_counter() - started
        if isinstance(came, DeferredWork):
            self.beside.begin(tasks, steps, came, seconds)
        else:
            self._give(tasks, came, seconds)

    def _finish(self, pieces: Sequence[Piece]) -> None:
        """Wait for what goes on beside the run."""
        for piece in pieces:
            started = time.perf_counter()
            entries: Sequence[Entry | Exception]
            try:
                with self._outside():
                    results = piece.answer.result()
                entries = entries_of(piece.tasks[0].spec, piece.steps, results)
            except Exception as error:  # some of it may be done: it is not tried again
                entries = [error] * len(piece.tasks)
            self._give(piece.tasks, entries, piece.seconds + time.perf_counter() - started)

    def _give(self, tasks: Sequence[Task], entries: Sequence[Entry | Exception], seconds: float) -> None:
        """The tasks' results, which took so long altogether."""
        for task, entry in zip(tasks, entries, strict=True):
            if isinstance(entry, Exception):
                _clear_frames(entry)
                self._failed(task, entry, seconds / len(tasks))
            else:
                self._done(task, entry, seconds / len(tasks))

    def _run_one_by_one(self, tasks: Sequence[Task], error: Exception) -> None:
        _clear_frames(error)
        for task in tasks:
            self._run_task(task, announced=True)
        if not any(task.error for task in tasks):
            problem = f"{tasks[0].spec.id} works call by call, but not batched ({type(error).__name__}: {error})"
            warnings.warn(problem, ApiGraphWarning, stacklevel=2)

    def _run_task(self, task: Task, *, announced: bool = False) -> None:
        self._check_cancelled()
        if not announced:
            self._tell("started", task)
        started = time.perf_counter()
        try:
            entry, made_here = self._entry(task)
        except Exception as error:
            _clear_frames(error)
            self._failed(task, error, time.perf_counter() - started)
        else:
            if made_here:
                self._done(task, entry, time.perf_counter() - started)
            else:
                self._arrived(task, entry, held=True)

    def _entry(self, task: Task) -> tuple[Entry, bool]:
        """The result, and whether it was made here: of the runs that want a model at one time, one loads it."""
        if not task.spec.model:
            return self._call(task), True
        loaded: list[Entry] = []

        def load() -> Entry:
            loaded.append(self._call(task))
            return loaded[0]

        return self.stores.pool.get_or_load(task.pool_key, load), bool(loaded)

    def _call(self, task: Task) -> Entry:
        return run_calls(task.spec, calls_of(task.spec, self._inputs(task)), self.contexts.of(task))

    def _inputs(self, task: Task) -> dict[str, Sequence[Any]]:
        """Every input as a list: a literal is a list of one."""
        inputs: dict[str, Sequence[Any]] = {}
        for name, value in task.node.inputs.items():
            if isinstance(value, Link):
                entry = task.parents[name].entry
                assert entry is not None
                inputs[name] = entry.outputs[value.output]
            else:
                inputs[name] = (as_declared(task.spec.input(name), value),)
        return inputs

    def _stop(self) -> None:
        self.stopped = True

    def _is_cancelled(self) -> bool:
        return self.stopped or self.options.cancelled.is_set()

    def _check_cancelled(self) -> None:
        if self._is_cancelled():
            raise Cancelled

    # ------------------------------------------------------------------------------------------ afterwards

    def _done(self, task: Task, entry: Entry, seconds: float) -> None:
        self.live_results.hold(task, entry)
        # Keys know nothing of a result that only stands in for one: what is made from it may not be kept either.
        task.cacheable = entry.cacheable and all(parent.cacheable for parent in task.parents.values())
        if task.cacheable:
            self.stores.keep(task, entry, seconds)
        task.action, task.seconds = "ran", seconds
        self.history.remember(task)
        self.live_results.read_parents(task)
        self._tell("done", task, ui=entry.ui)

    def _failed(self, task: Task, error: Exception, seconds: float) -> None:
        task.fail(error)
        task.seconds = seconds
        self.live_results.read_parents(task)
        self._tell("failed", task, error=task.error)

    def _tell_progress(self, task: Task, done: int, total: int) -> None:
        self._tell("progress", task, done=done, total=total)

    def _tell(self, kind: EventKind, task: Task, **details: Any) -> None:
        if self.options.listener is not None:
            with self.listening:
                self.options.listener(Event(kind, task.node.id, task.title, task.row, **details))


def _is_large_model(task: Task) -> bool:
    return task.spec.model and task.entry is not None and sum(task.entry.size) >= LARGE


def _clear_frames(error: BaseException | None) -> None:
    """A failed node's frames would hold its tensors for as long as somebody holds the error. Line numbers stay."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
