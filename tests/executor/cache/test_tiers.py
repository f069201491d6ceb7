"""Which tier holds which result, and what a run holds itself."""

from __future__ import annotations

import time

from api_graph.executor import DiskCache, MemoryCache
from api_graph.executor.shared import ComputeLock, SharedResources
from api_graph.spec import node


def test_transient_results_are_in_no_memory_and_others_are(lab):
    memory = MemoryCache()
    executor = lab.executor(memory=memory)
    graph = lab.graph(
        {
            "1": ("Fill", {"value": 1, "side": 2}),
            "2": ("Fill", {"value": 2, "side": 2}),
            "3": ("Show", {"value": ["1", 0], "other": ["2", 0]}),
        }
    )
    with ComputeLock().inside() as turn:
        shared = SharedResources(turn, transient=frozenset({"2", "3"}))
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
    with ComputeLock().inside() as turn:
        executor.run_rows([graph], lab.folders, targets=["2"], shared=SharedResources(turn, worth_storing=0.04))
    (result,) = lab.executor(disk=cache).run_rows([graph], lab.folders, targets=["1", "2"])
    assert [step.action for step in result.steps] == ["disk", "ran"]


def test_the_most_bytes_held_are_those_of_the_widest_stage(lab):
    rows = [
        lab.graph({"1": ("Fill", {"value": value, "side": 8}), "2": ("Show", {"value": ["1", 0]})})
        for value in range(3)
    ]
    results = lab.executor().run_rows(rows, lab.folders)
    one = 8 * 8 * 4  # a float32 mask
    assert {result.held for result in results} == {3 * one}
