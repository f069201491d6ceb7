"""Runs that end early: cancelled, interrupted, or with a node that fails."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import NamedTuple

import pytest
import torch

from api_graph.context import Context
from api_graph.errors import Cancelled
from api_graph.executor import MemoryCache
from api_graph.sockets import Mask
from api_graph.spec import node


class Two(NamedTuple):
    first: int
    second: int


# ------------------------------------------------------------------------------------------ cancellation


def test_a_cancelled_run_stops_before_the_next_node(lab):
    cancelled = threading.Event()

    @node("Stop", category="test", title="Stop")
    def stop(a: int) -> int:
        """Somebody presses the button while this runs."""
        cancelled.set()
        return a

    lab.nodes.append(stop)
    memory = MemoryCache()
    graph = {
        "1": ("Number", {"value": 1}),
        "2": ("Stop", {"a": ["1", 0]}),
        "3": ("Add", {"a": ["2", 0]}),
        "4": ("Show", {"value": ["3", 0]}),
    }
    with pytest.raises(Cancelled):
        lab.run(lab.executor(memory=memory), graph, cancelled=cancelled)
    assert lab.calls["Add"] == 0
    assert len(memory) == 2  # what was done stays


def test_a_node_that_reports_progress_is_cancelled_inside(lab):
    cancelled = threading.Event()
    reached: list[int] = []

    @node("Loop", category="test", title="Loop", output=True)
    def loop(context: Context) -> None:
        """Is cancelled in its third step."""
        for i in range(10):
            reached.append(i)
            if i == 2:
                cancelled.set()
            try:
                context.progress(i, 10)
            except Exception:  # what careless nodes do; Cancelled is none
                pytest.fail("swallowed")

    lab.nodes.append(loop)
    with pytest.raises(Cancelled):
        lab.run(lab.executor(), {"1": ("Loop", {})}, cancelled=cancelled)
    assert reached == [0, 1, 2]


def test_an_interrupt_in_a_node_ends_the_run_and_leaves_the_cache_usable(lab):
    interrupt = [True]

    @node("Interrupt", category="test", title="Interrupt")
    def interrupted(a: int) -> int:
        """Ctrl-C arrives here, once."""
        if interrupt.pop() if interrupt else False:
            raise KeyboardInterrupt
        return a

    lab.nodes.append(interrupted)
    memory = MemoryCache(cpu_bytes=100)
    executor = lab.executor(memory=memory)
    graph = {
        "1": ("Number", {"value": 1}),
        "2": ("Interrupt", {"a": ["1", 0]}),
        "3": ("Show", {"value": ["2", 0]}),
    }
    with pytest.raises(KeyboardInterrupt):
        lab.run(executor, graph)
    assert not memory._pins
    lab.run(executor, graph).raise_failures()
    assert lab.calls["Number"] == 1
    assert not memory._pins


# ------------------------------------------------------------------------------------------ failures


def test_a_failure_takes_only_its_own_branch(lab, actions):
    graph = {
        "1": ("Number", {"value": 0}),
        "2": ("Refuse", {"a": ["1", 0]}),
        "3": ("Add", {"a": ["2", 0]}),
        "4": ("Show", {"value": ["3", 0]}),
        "5": ("Add", {"a": ["1", 0], "b": 4}),
        "6": ("Show", {"value": ["5", 0]}),
    }
    memory = MemoryCache()
    result = lab.run(lab.executor(memory=memory), graph)
    expected = {"1": "ran", "2": "failed", "3": "blocked", "4": "blocked", "5": "ran", "6": "ran"}
    assert actions(result) == expected
    whys = {step.node: step.why for step in result.steps}
    assert whys["2"] == "a: is refused (got 0). Give another."
    assert whys["3"] == whys["4"] == 'node 2 "Refuse" failed'
    (failure,) = result.failures
    assert str(failure) == 'node 2 "Refuse": a: is refused (got 0). Give another.'
    assert (failure.node, failure.title, failure.class_type, failure.input) == ("2", "Refuse", "Refuse", "a")
    assert set(result.outputs) == {"6"}
    assert lab.shown == [4]
    assert [e.error for e in lab.events if e.kind == "failed"] == [failure]
    assert len(memory) == 2 and not memory._pins
    with pytest.raises(type(failure)):
        result.raise_failures()


def test_a_failed_node_holds_no_tensors(lab):
    made: list[weakref.ref[torch.Tensor]] = []

    @node("Burst", category="test", title="Burst")
    def burst(a: Mask) -> Mask:
        """Fails with a tensor in its hands."""
        large = torch.zeros(10)
        made.extend([weakref.ref(large), weakref.ref(a)])
        try:
            raise MemoryError
        except MemoryError as error:
            raise RuntimeError("burst") from error

    lab.nodes.append(burst)
    result = lab.run(lab.executor(), {"1": ("Fill", {"value": 1}), "2": ("Burst", {"a": ["1", 0]})}, targets=["2"])
    gc.collect()
    assert str(result.failures[0]) == 'node 2 "Burst": RuntimeError: burst'
    assert result.failures[0].__cause__ is not None
    assert result.failures[0].__cause__.__traceback__ is not None  # --debug shows where it was
    assert [ref() for ref in made] == [None, None]


def test_a_missing_file_is_its_own_nodes_failure(lab, actions):
    graph = {
        "1": ("ReadText", {"name": "gone.txt"}),
        "2": ("Number", {"value": 2}),
        "3": ("Length", {"text": ["1", 0], "more": ["2", 0]}),
        "4": ("Show", {"value": ["3", 0]}),
        "5": ("Show", {"value": ["6", 0]}),
        "6": ("Number", {"value": 6}),
    }
    result = lab.run(lab.executor(), graph)
    assert actions(result)["1"] == "failed"
    assert actions(result)["2"] == "unneeded"  # all that could read it is blocked
    assert actions(result)["4"] == "blocked"
    assert lab.shown == [6]
    assert len(result.failures) == 1 and "no such file" in str(result.failures[0])
    assert [e.node for e in lab.events if e.kind == "failed"] == ["1"]


def test_a_fingerprint_with_a_bug_is_its_own_nodes_failure(lab):
    @node("Buggy", category="test", title="Buggy", fingerprint=lambda folders, a: {"a": object()})
    def buggy(a: int = 0) -> int:
        """Its fingerprint is not JSON."""
        return a

    lab.nodes.append(buggy)
    result = lab.run(lab.executor(), {"1": ("Buggy", {}), "2": ("Show", {"value": ["1", 0]})})
    assert "not JSON serializable" in str(result.failures[0])


def test_a_node_that_gives_too_few_outputs_fails(lab):
    @node("Short", category="test", title="Short")
    def short() -> Two:
        """Promises two."""
        return (1,)  # type: ignore[return-value]

    lab.nodes.append(short)
    result = lab.run(lab.executor(), {"1": ("Short", {})}, targets=["1"])
    assert str(result.failures[0]) == 'node 1 "Short": Short gave 1 outputs instead of 2'
