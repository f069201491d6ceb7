"""Many rows of one graph together: each distinct step once, batched or in threads where the node says so."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from api_graph.context import Context
from api_graph.errors import ApiGraphWarning, BadInput, Cancelled
from api_graph.executor import DiskCache, MemoryCache
from api_graph.spec import node


def test_four_hundred_images_with_five_questions_are_four_hundred_encodings(lab):
    rows = [
        {
            "1": ("Fill", {"value": i, "side": 2}),
            "2": ("Number", {"value": q}),
            "3": ("Show", {"value": ["1", 0], "other": ["2", 0]}),
        }
        for i in range(400)
        for q in range(5)
    ]
    results = lab.rows(lab.executor(), rows)
    assert (lab.calls["Fill"], lab.calls["Number"], lab.calls["Show"]) == (400, 5, 2000)
    assert [int(t[0, 0, 0]) for t in lab.shown] == [i for i in range(400) for _ in range(5)]
    assert [s.action for s in results[1].steps] == ["memory", "ran", "ran"]
    assert results[1].steps[0].why.startswith("same inputs as row 1")
    assert results[1].steps[0].seconds == 0


def test_results_are_in_row_order_and_a_failure_stays_in_its_row(lab):
    rows = [
        {"1": ("Number", {"value": v}), "2": ("Refuse", {"a": ["1", 0], "at": 2}), "3": ("Show", {"value": ["2", 0]})}
        for v in (3, 2, 1, 2)
    ]
    results = lab.rows(lab.executor(), rows, targets=["2"])
    assert [r.outputs["2"].values["int"] if "2" in r.outputs else None for r in results] == [3, None, 1, None]
    assert [len(r.failures) for r in results] == [0, 1, 0, 1]
    assert lab.shown == [3, 1]


def test_a_missing_file_fails_only_its_row(lab):
    lab.file("a.txt", "four")
    rows = [{"1": ("ReadText", {"name": n}), "2": ("Length", {"text": ["1", 0]})} for n in ("a.txt", "gone.txt")]
    good, bad = lab.rows(lab.executor(), rows, targets=["2"])
    assert good.outputs["2"].values == {"int": 4}
    assert bad.outputs == {} and [f.node for f in bad.failures] == ["1"]


def test_rows_of_different_graphs_are_refused(lab):
    one = {"1": ("Number", {"value": 1}), "2": ("Add", {"a": ["1", 0]})}
    for other in (
        {"1": ("Number", {"value": 1}), "2": ("Refuse", {"a": ["1", 0]})},
        {"1": ("Number", {"value": 1}), "2": ("Add", {"a": ["1", 0], "b": ["1", 0]})},
        {"2": ("Add", {"a": 1})},
    ):
        with pytest.raises(BadInput, match="graphs: the rows are not one graph"):
            lab.rows(lab.executor(), [one, other], targets=["2"])


# ------------------------------------------------------------------------------------------ batched


@pytest.fixture
def batch(lab):
    """The lab with a node that squares numbers in batches, and refuses 13; its batches."""
    batches: list[list[int]] = []

    def squares(a: Sequence[int], context: Sequence[Context]):
        batches.append([*a])
        assert torch.is_inference_mode_enabled()
        for value, own in zip(a, context, strict=True):
            own.show_text(f"{value} squared")
            if value == 13:
                raise ValueError("thirteen")
        return [value**2 for value in a]

    @node("Square", category="test", title="Square", batched=squares, over=("a",), store=True)
    def square(a: int, context: Context) -> int:
        """a²."""
        lab.calls["Square"] += 1
        context.show_text(f"{a} squared")
        if a == 13:
            raise ValueError("thirteen")
        return a**2

    lab.nodes.append(square)
    return batches


def _squares(values: list[int]) -> list[dict[str, Any]]:
    return [{"1": ("Number", {"value": v}), "2": ("Square", {"a": ["1", 0]})} for v in values]


def _given(results):
    return [r.outputs["2"].values["int"] if "2" in r.outputs else None for r in results]


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_batch_holds_only_what_is_distinct_and_missing(lab, batch, tmp_path, kind):
    caches: dict[str, Any] = {kind: MemoryCache() if kind == "memory" else DiskCache(tmp_path / "cache")}
    assert _given(lab.rows(lab.executor(**caches), _squares([1, 2, 1, 3]), targets=["2"])) == [1, 4, 1, 9]
    results = lab.rows(lab.executor(**caches), _squares([3, 4, 4, 5, 2]), targets=["2"])
    assert _given(results) == [9, 16, 16, 25, 4]
    assert batch == [[1, 2, 3], [4, 5]]
    assert lab.calls["Square"] == 0
    assert [r.outputs["2"].ui for r in results][:2] == [{"text": ["3 squared"]}, {"text": ["4 squared"]}]


def test_a_batch_that_fails_is_run_row_by_row_and_only_the_faulty_row_fails(lab, batch):
    results = lab.rows(lab.executor(memory=MemoryCache()), _squares([1, 13, 3]), targets=["2"])
    assert _given(results) == [1, None, 9]
    assert [str(f) for r in results for f in r.failures] == ['node 2 "Square": ValueError: thirteen']
    assert results[0].outputs["2"].ui == {"text": ["1 squared"]}  # not twice
    assert lab.calls["Square"] == 3
    assert len([e for e in lab.events if e.kind == "started" and e.node == "2"]) == 3


def test_a_single_call_is_no_batch_and_a_mapped_list_is_one(lab, batch):
    lab.rows(lab.executor(), _squares([7]), targets=["2"])
    assert (batch, lab.calls["Square"]) == ([], 1)
    graph = {"1": ("Many", {"count": 3}), "2": ("Square", {"a": ["1", 0]})}
    result = lab.run(lab.executor(), graph, targets=["2"])
    assert result.outputs["2"].values == {"int": [0, 1, 4]}
    assert batch == [[0, 1, 2]]


@pytest.mark.parametrize("counts", [[0, 0], [2, 0, 3]])
def test_rows_with_lists_of_several_lengths_share_a_batch(lab, batch, counts):
    rows = [{"1": ("Many", {"count": c, "start": c}), "2": ("Square", {"a": ["1", 0]})} for c in counts]
    results = lab.rows(lab.executor(), rows, targets=["2"])
    given = [r.outputs["2"].values["int"] for r in results]
    assert given == [[v**2 for v in range(c, 2 * c)][0:c] for c in counts]
    assert batch == ([[2, 3, 3, 4, 5]] if any(counts) else [])


def test_a_batched_form_that_is_wrong_is_not_hidden(lab):
    @node("Twice", category="test", title="Twice", batched=lambda a: [0], over=("a",))
    def twice(a: int) -> int:
        """Its batched form answers once."""
        return 2 * a

    lab.nodes.append(twice)
    rows = [{"1": ("Number", {"value": v}), "2": ("Twice", {"a": ["1", 0]})} for v in (1, 2)]
    with pytest.warns(ApiGraphWarning, match="works call by call, but not batched .*answered 1 of 2 calls"):
        assert _given(lab.rows(lab.executor(), rows, targets=["2"])) == [2, 4]


# ------------------------------------------------------------------------------------------ threads


def _waiting(lab, function):
    @node("Wait", category="test", title="Wait", waits=True)
    def wait(context: Context, a: int) -> int:
        """Waits for something."""
        return function(context, a)

    lab.nodes.append(wait)


def _waits(count: int) -> list[dict[str, Any]]:
    return [{"1": ("Number", {"value": v}), "2": ("Wait", {"a": ["1", 0]})} for v in range(count)]


def test_rows_of_a_node_that_waits_go_at_once(lab):
    together = threading.Barrier(4, timeout=60)
    modes = []

    def wait(context: Context, a: int) -> int:
        modes.append(torch.is_inference_mode_enabled())
        together.wait()  # passes only when four are here
        return -a

    _waiting(lab, wait)
    results = lab.rows(lab.executor(threads=4), _waits(8), targets=["2"])
    assert _given(results) == [0, -1, -2, -3, -4, -5, -6, -7]
    assert modes == [True] * 8


def test_the_listener_hears_of_one_thing_at_a_time(lab):
    inside = threading.Lock()
    together = threading.Barrier(4, timeout=60)
    overlaps = []

    def listen(event):
        overlaps.append(not inside.acquire(blocking=False))
        threading.Event().wait(0.001)
        inside.release()

    def wait(context: Context, a: int) -> int:
        together.wait()
        context.progress(1, 1)
        return a

    _waiting(lab, wait)
    graphs = [lab.graph(row) for row in _waits(8)]
    lab.executor(threads=4).run_rows(graphs, lab.folders, targets=["2"], listener=listen)
    assert len(overlaps) == 8 * 2 + 8 * 3 and not any(overlaps)


def test_a_failure_in_a_thread_is_its_rows_own(lab):
    def wait(context: Context, a: int) -> int:
        if a == 2:
            raise OSError("no answer")
        return a

    _waiting(lab, wait)
    results = lab.rows(lab.executor(threads=3), _waits(5), targets=["2"])
    assert _given(results) == [0, 1, None, 3, 4]
    assert str(results[2].failures[0]) == 'node 2 "Wait": OSError: no answer'


@pytest.mark.parametrize("how", ["cancelled", "interrupted"])
def test_threads_stop_when_the_run_does(lab, how):
    cancelled = threading.Event()
    both = threading.Barrier(2, timeout=60)
    begun = []

    def wait(context: Context, a: int) -> int:
        begun.append(a)
        if a < 2:
            both.wait()
        if a == 0 and how == "interrupted":
            raise KeyboardInterrupt
        if a == 0:
            cancelled.set()
        while True:  # until somebody says stop
            context.check_cancelled()

    _waiting(lab, wait)
    memory = MemoryCache()
    with pytest.raises(Cancelled if how == "cancelled" else KeyboardInterrupt):
        lab.rows(lab.executor(memory=memory, threads=2), _waits(50), targets=["2"], cancelled=cancelled)
    assert set(begun) <= {0, 1, 2}  # the thread that was interrupted may have begun another
    assert cancelled.is_set() is (how == "cancelled")  # it is the caller's, to set and to use again
    assert len(memory) == 50 and not memory._pins


def test_many_threads_free_what_they_have_read(lab):
    _waiting(lab, lambda context, a: a)
    memory = MemoryCache(cpu_bytes=0)
    lab.rows(lab.executor(memory=memory, threads=8), _waits(200), targets=["2"])
    assert not memory._pins and memory.used == (0, 0)
