"""Several runs at once want the same step: one of them does it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api_graph.executor import MemoryCache
from api_graph.executor.in_flight import InFlight
from api_graph.executor.shared import ComputeLock, SharedResources
from api_graph.spec import node


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
    executor, lock = lab.executor(memory=memory), ComputeLock()
    graph = lab.graph({"1": ("Slow", {"value": 1}), "2": ("Show", {"value": ["1", 0]})})

    def run() -> Any:
        both_there.wait()
        with lock.inside() as turn:
            return executor.run_rows([graph], lab.folders, shared=SharedResources(turn))

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
    executor, lock = lab.executor(), ComputeLock()
    graph = lab.graph({"1": ("Once", {}), "2": ("Show", {"value": ["1", 0]})})

    def run() -> Any:
        both_there.wait()
        with lock.inside() as turn:
            return executor.run_rows([graph], lab.folders, shared=SharedResources(turn))

    with ThreadPoolExecutor(2) as threads:
        results = [future.result()[0] for future in [threads.submit(run), threads.submit(run)]]
    assert sorted(len(result.failures) for result in results) == [0, 1]
    assert lab.shown == [7] and len(attempts) == 2


def test_a_step_in_flight_is_completed_once_for_all_who_wait():
    in_flight = InFlight()
    assert in_flight.claim("k") is None
    waiting = [in_flight.claim("k") for _ in range(2)]
    in_flight.complete("k", None)
    assert [future is not None and future.result(0) for future in waiting] == [None, None]
    assert in_flight.claim("k") is None
