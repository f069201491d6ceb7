"""Calling a node's function: ComfyUI's list mapping, the injected context, the batched form and its batch limits.

For a node that treats each map or picture of a batch by itself, many calls go as one (`executor.rowwise`).
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from api_graph.context import Context
from api_graph.errors import ApiGraphError, BadInput
from api_graph.executor.accelerator import DeviceMemory, Waiting, brought_home, out_of_memory_in
from api_graph.executor.batch_sizes import BatchSizes
from api_graph.executor.cache.entry import SMALL, Entry, check_size, size_of
from api_graph.settings import MAX_RESULT, MAX_TEXT, limit
from api_graph.spec import NodeSpec

if TYPE_CHECKING:
    from api_graph.executor.cache.memory import ModelPool

C = TypeVar("C")
R = TypeVar("R")

Arguments = Mapping[str, object]
StepCalls = tuple[Sequence[Arguments], Context | None]
"""A step's calls, and the context that they share."""
Steps = Sequence[StepCalls]

_LITERALS = (str, int, float, bool, type(None))
_BATCHES_UNTIL_GROWTH = 16
_FEW, _VALUE = 1000, 4096
"""Of the values of a list: so many are held against no limit, and each counts as so many bytes."""


def calls_of(spec: NodeSpec, inputs: Mapping[str, Sequence[object]]) -> list[Arguments]:
    """The calls that one step makes.

    Every input arrives as a list. A node is called once per element, and a shorter list repeats its last one; an empty
    list means no call. A node that takes lists is called once with all of them; its other inputs are single values.
    """
    lists = spec.lists
    single = [values for name, values in inputs.items() if name not in lists]
    if not all(single):
        return []
    if lists:
        return [{name: list(values) if name in lists else values[0] for name, values in inputs.items()}]
    count = max(map(len, single), default=1)
    if count == 1:
        return [{name: values[0] for name, values in inputs.items()}]
    return [{name: values[min(i, len(values) - 1)] for name, values in inputs.items()} for i in range(count)]


def run_calls(spec: NodeSpec, calls: Sequence[Arguments], context: Context | None) -> Entry:
    """Call the node's function once for each of one step's calls."""
    import torch

    injected = {} if spec.context is None else {spec.context[0]: context}
    # Parameters born in inference mode could never take part in a gradient.
    if spec.estimate is not None:
        check_estimate(spec, calls)
    results: list[object] = []
    total = 0
    with torch.inference_mode(not spec.model):
        for call in calls:
            results.append(spec.function(**call, **injected))
            if len(calls) > 1 and not spec.model:  # of a list: it must end before it has filled the memory
                total += sum(size_of(results[-1:]))
                if total > limit(MAX_RESULT):
                    total = sum(size_of(results))  # what several calls give counts once
                    check_size(spec, total, MAX_RESULT)
    return _entry(spec, results, context)


def run_batch(
    spec: NodeSpec, steps: Steps, limits: BatchLimits, waiting: Waiting = nullcontext
) -> list[Entry | Exception]:
    """All calls of many steps through the node's batched form, as many at once as memory has room for: `entries_of`.

    Calls go together that agree in every input that is not in the node's `over`: a literal has the same value and type,
    and anything else (a model, a tensor, a list) is the very same object. An input that `over` forgets costs speed, and
    never gives one row another row's setting. Inputs that a graph leaves out stand at their default.

    The form of an output node gets all calls at once: what it has done to the world it must not do again. An
    accelerator is waited for inside `waiting`.
    """
    import torch

    shared = [declared.name for declared in spec.inputs if declared.name not in spec.over]
    each = [*spec.over] if spec.context is None else [*spec.over, spec.context[0]]
    defaults = {declared.name: declared.default for declared in spec.inputs if not declared.required}
    calls: list[Arguments] = []
    for own_calls, context in steps:
        if spec.estimate is not None:
            check_estimate(spec, own_calls)
        injected = {} if spec.context is None else {spec.context[0]: context}
        calls += [{**defaults, **call, **injected} for call in own_calls]

    def together(units: Sequence[Sequence[Arguments]]) -> Sequence[Sequence[object]]:
        alike = list(chain.from_iterable(units))
        columns = {name: [call[name] for call in alike] for name in each}
        settings = {name: alike[0][name] for name in shared}
        if spec.batched is None:
            from api_graph.executor.rowwise import run_rowwise

            answered: Sequence[object] = run_rowwise(spec.function, columns, settings)
        else:
            answered = spec.batched(**columns, **settings)
        if len(answered) != len(alike):
            raise _miscounted(spec, len(answered), len(alike))
        rest = iter(answered)
        return [list(islice(rest, len(unit))) for unit in units]

    sizes = None if limits.pool is None or limits.pool.memory is None else limits.sizes_on(limits.pool.memory)
    groups: dict[tuple[Hashable, Hashable], list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        settings = [call[name] for name in shared]
        kind = None if sizes is None else sizes.kind(spec.id, settings, [call[name] for name in spec.over])
        groups[kind, _same(settings)].append(index)
    results: dict[int, object] = {}
    with torch.inference_mode(not spec.model):
        if spec.output and spec.batched is not None and calls:
            answered = spec.batched(**{name: [call[name] for call in calls] for name in each})
            return entries_of(spec, steps, answered)
        own = [name for name in spec.over if name not in spec.at_once] if spec.at_once else []
        for (kind, _), group in groups.items():
            units: dict[Hashable, list[int]] = defaultdict(list)
            for index in group:
                units[_same(calls[index][name] for name in own) if own else index].append(index)
            own_units = [[calls[index] for index in unit] for unit in units.values()]
            answers = limits.run(kind or spec.id, own_units, together, sizes if kind else None)
            for unit, answered in zip(units.values(), answers, strict=True):
                results |= zip(unit, answered, strict=True)
    given = [results[index] for index in range(len(calls))]
    return entries_of(spec, steps, given if sizes is None else brought_home(given, waiting))


def _same(values: Iterable[object]) -> Hashable:
    """Equal for values that are the same: literals of one type and value, anything else the very same object."""
    return tuple([(type(v), repr(v)) if isinstance(v, _LITERALS) else id(v) for v in values])


def prepared(spec: NodeSpec, steps: Steps, threads: ThreadPoolExecutor) -> Steps:
    """Steps of which each call has been prepared for the batched form; one that cannot be stays as it is."""
    import torch

    prepare = spec.prepare
    assert prepare is not None
    defaults = {name: declared.default for name in spec.prepared_from if (declared := spec.input(name)) is not None}

    def attempt(given: Arguments) -> Mapping[str, object]:
        with torch.inference_mode():
            try:
                return prepare(**given)
            except Exception:  # the node says it better
                return {}

    made: dict[Hashable, Future[Mapping[str, object]]] = {}
    by_call: list[list[Future[Mapping[str, object]]]] = []
    for calls, _ in steps:
        by_call.append([])
        for call in calls:
            given = {name: call.get(name, default) for name, default in defaults.items()}
            if (key := _same(given.values())) not in made:  # once, so that what was the same stays the same
                made[key] = threads.submit(attempt, given)
            by_call[-1].append(made[key])
    return [
        ([{**call, **future.result()} for call, future in zip(calls, futures, strict=True)], context)
        for (calls, context), futures in zip(steps, by_call, strict=True)
    ]


def entries_of(spec: NodeSpec, steps: Steps, results: Sequence[object]) -> list[Entry | Exception]:
    """Each step's entry, from the results of a batched form; an exception in the place of a result is its step's."""
    count = sum(len(calls) for calls, _ in steps)
    if len(results) != count:
        raise _miscounted(spec, len(results), count)
    entries: list[Entry | Exception] = []
    first = 0
    for calls, context in steps:
        own = results[first : first + len(calls)]
        failed = next((result for result in own if isinstance(result, Exception)), None)
        entries.append(failed or _entry(spec, own, context))
        first += len(calls)
    return entries


def _entry(spec: NodeSpec, results: Sequence[object], context: Context | None) -> Entry:
    """Gather the results of a step's calls: one list per output; outputs that are lists are joined."""
    from api_graph.sockets import Attribution

    rows = [spec.unpack(result) for result in results]
    for row in rows:
        if len(row) != len(spec.outputs):
            raise ApiGraphError(f"{spec.id} gave {len(row)} outputs instead of {len(spec.outputs)}")
    outputs: list[list[Any]] = []
    for slot, output in enumerate(spec.outputs):
        values: list[Any] = [row[slot] for row in rows]
        values = [v for each in values for v in each] if output.is_list else values
        if any(isinstance(v, Attribution) and v.values.device.type != "cpu" for v in values):
            values = brought_home(values)
        outputs.append(values)
    count = max(map(len, outputs), default=0)
    if count > _FEW and count > limit(MAX_RESULT) // _VALUE:  # lists of one picture grow, and the picture does not
        raise BadInput(
            f"{spec.title} gives a list of {count:,} values here, and the limit is {limit(MAX_RESULT) // _VALUE:,}",
            hint=f"Give it less, or set the environment variable {MAX_RESULT} to more: each counts as 4 KiB.",
        )
    entry = Entry(tuple(outputs)) if context is None else Entry(tuple(outputs), context.ui, context.cacheable)
    if sum(entry.size) > SMALL and not spec.model:
        check_size(spec, sum(entry.size), MAX_RESULT)
        texts = [values for output, values in zip(spec.outputs, outputs, strict=True) if output.socket == "STRING"]
        check_size(spec, sum(map(sys.getsizeof, chain(*texts))), MAX_TEXT)
    return entry


def check_estimate(spec: NodeSpec, calls: Sequence[Arguments]) -> None:
    """Raise BadInput if a step's calls would give more than one node may; they have not been made."""
    assert spec.estimate is not None
    defaults = {name: declared.default for name in spec.estimated if (declared := spec.input(name)) is not None}
    size = 0
    for call in calls:
        with suppress(Exception):  # of what has the wrong shape the node says so better
            size += spec.estimate(**{name: call.get(name, defaults[name]) for name in spec.estimated})
    texts = all(output.socket == "STRING" for output in spec.outputs)
    check_size(spec, size, MAX_TEXT if texts else MAX_RESULT, "would make")


def _miscounted(spec: NodeSpec, answered: int, count: int) -> ApiGraphError:
    return ApiGraphError(f"the batched form of {spec.id} answered {answered} of {count} calls")


@dataclass
class BatchLimits:
    """How many calls a batched form gets at once: as many as there are, within a limit of each node class.

    On an accelerator, `BatchSizes` says how many fit. A limit halves when memory runs out and no model of the `pool`
    can go in place of that, and doubles again after a while without it.

    `most` is a limit that the user has set; None leaves it to memory.
    """

    most: int | None = None
    pool: ModelPool | None = None
    _limits: dict[Hashable, int] = field(default_factory=dict, init=False)
    _good_batches: dict[Hashable, int] = field(default_factory=dict, init=False)  # since memory ran out
    _sizes: BatchSizes | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def sizes_on(self, memory: DeviceMemory) -> BatchSizes:
        """What is known of batches on an accelerator."""
        self._sizes = sizes = self._sizes or BatchSizes(memory)
        return sizes

    def run(
        self,
        name: Hashable,
        calls: Sequence[C],
        batched: Callable[[Sequence[C]], Sequence[R]],
        sizes: BatchSizes | None = None,
    ) -> list[R]:
        """`batched` over all calls, in as few batches as memory allows; `sizes` knows those of the kind `name`.

        Raises what it raises, save for memory that runs out while there is still something to halve.
        """
        results: list[R] = []
        while len(results) < len(calls):
            fit = len(calls) if sizes is None else sizes.fit(name)
            limit = min(fit, self._limits.get(name, fit))
            size = max(1, min(limit, self.most or limit))
            batch = calls[len(results) : len(results) + size]
            try:
                answers = list(batched(batch)) if sizes is None else sizes.measured(name, batched, batch)
            except Exception as error:
                if not self._may_fit_now(name, len(batch), error):
                    raise
                continue
            results += answers
            if len(answers) != len(batch):
                break  # the caller counts, and knows what to say
            if name in self._limits:
                self._grow(name)
        return results

    def _may_fit_now(self, name: Hashable, size: int, error: Exception) -> bool:
        """After memory ran out: whether a model has gone, or half as many calls can be tried."""
        if out_of_memory_in(error) is None:
            return False
        if self.pool is not None and self.pool.relieve(error) is None:  # what the batch had made is given back, too
            return True
        if size == 1:
            return False
        with self._lock:
            # Another run may have halved more than that meanwhile.
            self._limits[name], self._good_batches[name] = min(size // 2, self._limits.get(name, size)), 0
        return True

    def _grow(self, name: Hashable) -> None:
        with self._lock:
            self._good_batches[name] += 1
            if self._good_batches[name] >= _BATCHES_UNTIL_GROWTH:
                self._limits[name], self._good_batches[name] = 2 * self._limits[name], 0
