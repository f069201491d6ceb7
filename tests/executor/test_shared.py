"""Several runs at once over one executor, as the chunks of a table are: each step once, one of them computing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from api_graph.context import Context, SaveContext
from api_graph.executor import DiskCache, MemoryCache
from api_graph.executor.batch_limits import BatchLimits, ran_out_of_memory
from api_graph.executor.in_flight import InFlight
from api_graph.executor.shared import ComputeLock, SharedResources, torch_threads
from api_graph.spec import node


@dataclass(frozen=True)
class Weights:
    socket: ClassVar[str] = "TEST_WEIGHTS"

    network: nn.Module


def number_graph(lab: Any, value: int) -> Any:
    return lab.graph({"1": ("Number", {"value": value}), "2": ("Show", {"value": ["1", 0]})})


@pytest.mark.parametrize("memory", [None, MemoryCache()])
def test_two_runs_at_once_do_a_common_step_once(lab, memory):
    calls: list[int] = []
    both_there = threading.Barrier(2)

    @node("Slow", category="test", title="Slow", waits=True)
    def slow(value: int) -> int:
        """Slow."""
        calls.append(value)
        time.sleep(0.2)
        return value + 1

    lab.nodes.append(slow)
    executor, lane = lab.executor(memory=memory), ComputeLock()
    graph = lab.graph({"1": ("Slow", {"value": 1}), "2": ("Show", {"value": ["1", 0]})})

    def run() -> Any:
        both_there.wait()
        with lane.inside() as place:
            return executor.run_rows([graph], lab.folders, shared=SharedResources(place))

    with ThreadPoolExecutor(2) as threads:
        results = [future.result()[0] for future in [threads.submit(run), threads.submit(run)]]
    assert calls == [1]
    assert lab.shown == [2, 2]
    assert sorted(result.steps[0].action for result in results) == ["memory", "ran"]


def test_a_step_that_failed_for_one_run_is_tried_by_the_other(lab):
    attempts: list[int] = []
    both_there = threading.Barrier(2)

    @node("Once", category="test", title="Once", waits=True)
    def once() -> int:
        """Fails the first time."""
        attempts.append(1)
        time.sleep(0.1)
        if len(attempts) == 1:
            raise OSError("the first time")
        return 7

    lab.nodes.append(once)
    executor, lane = lab.executor(), ComputeLock()
    graph = lab.graph({"1": ("Once", {}), "2": ("Show", {"value": ["1", 0]})})

    def run() -> Any:
        both_there.wait()
        with lane.inside() as place:
            return executor.run_rows([graph], lab.folders, shared=SharedResources(place))

    with ThreadPoolExecutor(2) as threads:
        results = [future.result()[0] for future in [threads.submit(run), threads.submit(run)]]
    assert sorted(len(result.failures) for result in results) == [0, 1]
    assert lab.shown == [7] and len(attempts) == 2


def test_one_run_computes_at_a_time_and_while_it_waits_another_does(lab):
    inside: list[int] = []
    most: list[int] = []
    waited_together = threading.Barrier(3, timeout=10)

    @node("Compute", category="test", title="Compute")
    def compute(context: Context, value: int) -> int:
        """Notes how many are here."""
        inside.append(value)
        most.append(len(inside))
        time.sleep(0.02)
        inside.remove(value)
        with context.waiting():
            waited_together.wait()  # all three get here only if none of them keeps the others out
        return value

    lab.nodes.append(compute)
    executor, lane = lab.executor(), ComputeLock()

    def run(value: int) -> Any:
        graph = lab.graph({"1": ("Compute", {"value": value}), "2": ("Show", {"value": ["1", 0]})})
        with lane.inside() as place:
            return executor.run_rows([graph], lab.folders, shared=SharedResources(place))[0]

    with ThreadPoolExecutor(3) as threads:
        assert all(not result.failures for result in threads.map(run, range(3)))
    assert max(most) == 1


def test_the_first_to_come_is_the_first_to_go_on_each_time():
    lane, told = ComputeLock(), []
    away, back = threading.Event(), threading.Event()

    def first() -> None:
        with lane.inside() as place:
            with place.outside():
                away.set()
                back.wait(10)
            told.append("first")

    def waits_for(number: int) -> None:
        until = time.monotonic() + 10
        while len(lane._waiting) < number:
            assert time.monotonic() < until
            time.sleep(0.001)

    def third() -> None:
        with lane.inside():
            told.append("third")

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(first)
        assert away.wait(10)
        with lane.inside():  # the second
            other = threads.submit(third)
            waits_for(1)
            back.set()
            waits_for(2)
            told.append("second")
        one.result()
        other.result()
    assert told == ["second", "first", "third"]


@pytest.mark.parametrize(("inputs", "threads"), [(2**12, 3), (2**12 - 1, 1)])
def test_a_large_model_computes_with_threads_of_its_own_number(lab, inputs, threads):
    used: dict[str, int] = {}

    @node("Weights", category="test", title="Weights", model=True)
    def weights() -> Weights:
        """A model."""
        return Weights(nn.Linear(inputs, 2**12, bias=False))  # 64 MiB, or a little less

    @node("Encode", category="test", title="Encode")
    def encode(model: Weights) -> int:
        """Notes the threads."""
        used["model"] = torch.get_num_threads()
        return 1

    @node("After", category="test", title="After")
    def after(value: int) -> int:
        """Notes them, too."""
        used["else"] = torch.get_num_threads()
        return value + 1

    lab.nodes += [weights, encode, after]
    graph = lab.graph({"1": ("Weights", {}), "2": ("Encode", {"model": ["1", 0]}), "3": ("After", {"value": ["2", 0]})})
    before = torch.get_num_threads()
    with ComputeLock().inside() as place, torch_threads(1):
        shared = SharedResources(place, model_threads=3)
        (result,) = lab.executor().run_rows([graph], lab.folders, targets=["3"], shared=shared)
    assert not result.failures
    assert used == {"model": threads, "else": 1} and torch.get_num_threads() == before


def test_fleeting_results_are_in_no_memory_and_others_are(lab):
    memory = MemoryCache()
    executor = lab.executor(memory=memory)
    graph = lab.graph(
        {
            "1": ("Fill", {"value": 1, "side": 2}),
            "2": ("Fill", {"value": 2, "side": 2}),
            "3": ("Show", {"value": ["1", 0], "other": ["2", 0]}),
        }
    )
    with ComputeLock().inside() as place:
        shared = SharedResources(place, transient=frozenset({"2", "3"}))
        executor.run_rows([graph], lab.folders, shared=shared)
        assert len(memory) == 1
        executor.run_rows([graph], lab.folders, shared=shared)
    assert lab.calls["Fill"] == 3


def test_only_what_took_its_time_is_stored(lab, cache: DiskCache):
    @node("Dear", category="test", title="Dear", store=True)
    def dear(value: int) -> int:
        """Takes its time."""
        time.sleep(0.05)
        return value

    @node("Cheap", category="test", title="Cheap", store=True)
    def cheap(value: int) -> int:
        """Takes none."""
        return value

    lab.nodes += [dear, cheap]
    graph = lab.graph({"1": ("Dear", {"value": 1}), "2": ("Cheap", {"value": ["1", 0]})})
    executor = lab.executor(disk=cache)
    with ComputeLock().inside() as place:
        executor.run_rows([graph], lab.folders, targets=["2"], shared=SharedResources(place, worth_storing=0.04))
    (result,) = lab.executor(disk=cache).run_rows([graph], lab.folders, targets=["1", "2"])
    assert [step.action for step in result.steps] == ["disk", "ran"]


def test_each_row_writes_to_its_own_folder(lab):
    @node("Where", category="test", title="Where", output=True)
    def where(context: SaveContext) -> str:
        """The folder."""
        return context.folders.output.name

    lab.nodes.append(where)
    graph = lab.graph({"1": ("Where", {})})
    own = [replace(lab.folders, output=lab.folders.output / name) for name in ("a", "b")]
    results = lab.executor().run_rows([graph, graph], own)
    assert [result.outputs["1"].values["string"] for result in results] == ["a", "b"]


def test_without_previews_only_they_are_left_out(lab):
    @node("Glance", category="test", title="Glance", output=True, preview=True)
    def glance(value: int) -> None:
        """Shows."""
        lab.calls["Glance"] += 1

    lab.nodes.append(glance)
    graph = lab.graph(
        {"1": ("Number", {"value": 3}), "2": ("Show", {"value": ["1", 0]}), "3": ("Glance", {"value": ["1", 0]})}
    )
    executor = lab.executor()
    executor.run_rows([graph], lab.folders, previews=False)
    assert (lab.calls["Glance"], lab.shown) == (0, [3])
    executor.run_rows([graph], lab.folders)
    assert lab.calls["Glance"] == 1


def test_the_most_bytes_held_are_those_of_the_widest_stage(lab):
    rows = [
        lab.graph({"1": ("Fill", {"value": value, "side": 8}), "2": ("Show", {"value": ["1", 0]})})
        for value in range(3)
    ]
    results = lab.executor().run_rows(rows, lab.folders)
    one = 8 * 8 * 4  # a float32 mask
    assert {result.held for result in results} == {3 * one}


# ------------------------------------------------------------------------------------------ batches


def doubled_within(room: int, sizes: list[int]) -> Any:
    """A batched form whose memory holds `room` calls."""

    def batched(calls: Any) -> list[int]:
        sizes.append(len(calls))
        if len(calls) > room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [2 * call for call in calls]

    return batched


def test_a_batch_that_memory_cannot_hold_is_halved_until_it_can_and_the_size_is_remembered():
    limits, sizes = BatchLimits(), []
    assert limits.run("Encode", range(13), doubled_within(4, sizes)) == [2 * i for i in range(13)]
    assert sizes == [13, 6, 3, 3, 3, 3, 1]
    sizes.clear()
    assert limits.run("Encode", range(7), doubled_within(4, sizes)) == [2 * i for i in range(7)]
    assert sizes == [3, 3, 1]
    sizes.clear()
    limits.run("Other", range(4), doubled_within(4, sizes))
    assert sizes == [4]


def test_after_a_while_without_trouble_a_batch_grows_again():
    limits, sizes = BatchLimits(), []
    limits.run("Encode", range(2), doubled_within(1, sizes))
    sizes.clear()
    for _ in range(20):
        limits.run("Encode", range(2), doubled_within(8, sizes))
    assert sizes[0] == 1 and sizes[-1] == 2


def test_one_call_that_memory_cannot_hold_fails_and_other_errors_pass():
    with pytest.raises(torch.cuda.OutOfMemoryError):
        BatchLimits().run("Encode", range(3), doubled_within(0, []))
    with pytest.raises(ValueError, match="no"):
        BatchLimits().run("Encode", range(3), lambda calls: (_ for _ in ()).throw(ValueError("no")))


def test_a_limit_of_the_users_is_never_passed():
    sizes: list[int] = []
    BatchLimits(most=3).run("Encode", range(8), doubled_within(99, sizes))
    assert sizes == [3, 3, 2]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("no"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_class_or_words(error, expected):
    assert ran_out_of_memory(error) is expected


def test_no_row_is_lost_when_memory_runs_out_in_a_graph(lab):
    sizes: list[int] = []

    @node(
        "Halving",
        category="test",
        title="Halving",
        batched=lambda value: doubled_within(2, sizes)(value),
        over=("value",),
    )
    def halving(value: int) -> int:
        """Batched only."""
        raise AssertionError("the batched form suffices")

    lab.nodes.append(halving)
    rows = [lab.graph({"1": ("Halving", {"value": i}), "2": ("Show", {"value": ["1", 0]})}) for i in range(5)]
    results = lab.executor().run_rows(rows, lab.folders)
    assert lab.shown == [0, 2, 4, 6, 8] and not any(result.failures for result in results)
    assert sizes == [5, 2, 2, 1]


def test_a_flight_lands_once_for_all_who_wait():
    in_flight = InFlight()
    assert in_flight.take("k") is None
    waiting = [in_flight.take("k") for _ in range(2)]
    in_flight.land("k", None)
    assert [flight is not None and flight.result(0) for flight in waiting] == [None, None]
    assert in_flight.take("k") is None
