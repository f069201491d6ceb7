"""Deferred work of an output node goes on in the background, and all of it is done when the run is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from api_graph.context import Context, DeferredWork
from api_graph.errors import ApiGraphError, Cancelled
from api_graph.executor.shared import ComputeLock, SharedResources
from api_graph.spec import node

Calls = Sequence[tuple[Context, int, str]]

PATIENCE = 20.0
"""Seconds for what must happen soon."""


def add_saver(lab, batched: Callable[[Calls], Any]) -> None:
    """A node "Save", which hands its number on."""

    def save_all(context: Sequence[Context], value: Sequence[int], name: Sequence[str]) -> Any:
        return batched([*zip(context, value, name, strict=True)])

    @node("Save", category="test", title="Save", output=True, batched=save_all, over=("value", "name"))
    def save(context: Context, value: int, name: str = "") -> int:
        """Batched only."""
        raise AssertionError("the batched form suffices")

    lab.nodes.append(save)


def add_hook(lab, hook: Callable[[int], int]) -> None:
    """A node "Hook", which calls back."""

    @node("Hook", category="test", title="Hook", output=True)
    def hooked(value: int) -> int:
        """Whatever the test wants."""
        return hook(value)

    lab.nodes.append(hooked)


def numbers(calls: Calls) -> list[int]:
    return [value for _, value, _ in calls]


SAVE_THEN_HOOK = {"1": ("Save", {"value": 1}), "2": ("Hook", {"value": 2})}


def test_other_nodes_run_meanwhile(lab):
    went_on = threading.Event()

    def work(calls: Calls) -> list[int]:
        assert went_on.wait(PATIENCE), "the run waits for what could go on in the background"
        calls[0][0].show_text("saved")
        return numbers(calls)

    add_saver(lab, lambda calls: DeferredWork(lambda: work(calls)))
    add_hook(lab, lambda value: went_on.set() or value)
    first, second = lab.rows(lab.executor(), [SAVE_THEN_HOOK, SAVE_THEN_HOOK])
    assert [r.outputs["1"].values["int"] for r in (first, second)] == [1, 1]
    assert first.outputs["1"].ui == {"text": ["saved"]} and not first.failures + second.failures
    done = [(event.kind, event.node) for event in lab.events]
    assert done.index(("started", "1")) < done.index(("done", "2")) < done.index(("done", "1"))


def test_whoever_reads_a_result_waits_for_it(lab):
    add_saver(lab, lambda calls: DeferredWork(lambda: [10 * number for number in numbers(calls)]))
    rows = [
        {"1": ("Save", {"value": v}), "2": ("Add", {"a": ["1", 0]}), "3": ("Show", {"value": ["2", 0]})} for v in (1, 2)
    ]
    lab.rows(lab.executor(), rows)
    assert lab.shown == [11, 21]


@pytest.mark.parametrize(("claims", "together"), [(("a", "b"), True), (("a", "a"), False)])
def test_work_on_the_same_things_is_done_in_turn(lab, claims, together):
    """Two background tasks that wait for each other: they meet only if they may be under way at once."""
    meet = threading.Barrier(2)
    met: list[bool] = []

    def work(calls: Calls) -> list[int]:
        try:
            meet.wait(PATIENCE if together else 0.2)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)
        return numbers(calls)

    add_saver(lab, lambda calls: DeferredWork(lambda: work(calls), frozenset({calls[0][2]})))
    graph = {str(i): ("Save", {"value": i, "name": name}) for i, name in enumerate(claims)}
    lab.rows(lab.executor(), [graph, graph])
    assert met == [together] * 2


@pytest.mark.parametrize("fault", [OSError("full"), None])
def test_what_goes_wrong_in_the_background_fails_its_rows_and_is_not_tried_again(lab, fault):
    """Also where there are too few answers."""
    tries: list[int] = []

    def work(calls: Calls) -> list[int]:
        tries.append(len(calls))
        if fault is not None:
            raise fault
        return [0]

    add_saver(lab, lambda calls: DeferredWork(lambda: work(calls)))
    add_hook(lab, lambda value: value)
    results = lab.rows(lab.executor(), [SAVE_THEN_HOOK, SAVE_THEN_HOOK])
    assert tries == [2]
    for result in results:
        (failure,) = result.failures
        assert failure.node == "1" and isinstance(failure.__cause__, OSError if fault else ApiGraphError)
        assert result.outputs["2"].values == {"int": 2}


def test_nothing_goes_on_behind_a_run_that_was_cancelled(lab):
    cancelled, begun, ended = threading.Event(), threading.Event(), threading.Event()

    def work(calls: Calls) -> list[int]:
        begun.set()
        cancelled.wait(PATIENCE)
        ended.set()
        calls[0][0].check_cancelled()
        raise AssertionError("it was cancelled")

    def stop(value: int) -> int:
        assert begun.wait(PATIENCE)
        cancelled.set()
        return value

    add_saver(lab, lambda calls: DeferredWork(lambda: work(calls)))
    add_hook(lab, stop)
    with pytest.raises(Cancelled):
        lab.rows(lab.executor(), [SAVE_THEN_HOOK, SAVE_THEN_HOOK], cancelled=cancelled)
    assert ended.is_set()


def test_others_compute_while_a_run_waits_for_its_background_tasks(lab):
    lock, got_in = ComputeLock(), threading.Event()

    def work(calls: Calls) -> list[int]:
        assert got_in.wait(PATIENCE), "the run keeps the compute lock while it waits"
        return numbers(calls)

    def other() -> None:
        with lock.inside():
            got_in.set()

    add_saver(lab, lambda calls: DeferredWork(lambda: work(calls)))
    thread = threading.Thread(target=other)
    add_hook(lab, lambda value: thread.start() or value)
    with lock.inside() as turn:
        lab.rows(lab.executor(), [SAVE_THEN_HOOK], shared=SharedResources(turn))
    thread.join(PATIENCE)
    assert got_in.is_set()


def test_deferred_work_of_a_node_that_is_no_output_is_done_at_once(lab):
    @node(
        "Double",
        category="test",
        title="Double",
        batched=lambda a: DeferredWork(lambda: [2 * value for value in a]),
        over=("a",),
    )
    def double(a: int) -> int:
        """Batched only."""
        raise AssertionError("the batched form suffices")

    lab.nodes.append(double)
    lab.rows(lab.executor(), [{"1": ("Double", {"a": a}), "2": ("Show", {"value": ["1", 0]})} for a in (1, 2)])
    assert lab.shown == [2, 4]
