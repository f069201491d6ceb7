"""Results that are not cacheable, calls of a batch that fail alone, and what is counted per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from api_graph.context import Context
from api_graph.executor import DiskCache, MemoryCache
from api_graph.spec import node


@pytest.fixture
def asks(lab):
    """The lab with a node that asks a server which is down at first; who asked, by run."""
    runs: list[str] = []

    def ask_all(a: Sequence[int], context: Sequence[Context]):
        return [LookupError("thirteen") if v == 13 else ask(v, own) for v, own in zip(a, context, strict=True)]

    @node("Ask", category="test", title="Ask", store=True, batched=ask_all, over=("a",))
    def ask(a: int, context: Context) -> int:
        """a, or 0 as long as the server is down."""
        lab.calls["Ask"] += 1
        runs.append(context.run_id)
        if lab.calls["Ask"] == 1:
            context.keep_for_this_run_only()
            return 0
        return a

    lab.nodes.append(ask)
    return runs


def _graph(a: int) -> dict[str, Any]:
    return {"1": ("Number", {"value": a}), "2": ("Ask", {"a": ["1", 0]}), "3": ("Add", {"a": ["2", 0]})}


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_neither_a_result_that_is_not_cacheable_nor_what_is_made_from_it_is_kept(lab, asks, tmp_path, kind):
    memory = MemoryCache()
    caches: dict[str, Any] = {kind: memory if kind == "memory" else DiskCache(tmp_path / "cache")}
    executor = lab.executor(**caches)
    given = [lab.run(executor, _graph(4), targets=["3"]).outputs["3"].values["int"] for _ in range(3)]
    assert given == [1, 5, 5]
    assert (lab.calls["Ask"], lab.calls["Add"]) == (2, 2)
    assert dict(memory._pins) == {}


def test_a_call_of_a_batch_may_fail_alone(lab, asks):
    results = lab.rows(lab.executor(), [_graph(a) for a in (1, 13, 3)], targets=["3"])
    assert [r.outputs["3"].values["int"] if "3" in r.outputs else None for r in results] == [1, None, 4]
    assert [str(f) for r in results for f in r.failures] == ['node 2 "Ask": LookupError: thirteen']
    assert lab.calls["Ask"] == 2  # nobody was asked twice


def test_one_call_that_fails_fails_its_whole_list(lab, asks):
    graph = {"1": ("Many", {"count": 3, "start": 12}), "2": ("Ask", {"a": ["1", 0]})}
    assert [str(f) for f in lab.run(lab.executor(), graph, targets=["2"]).failures] == [
        'node 2 "Ask": LookupError: thirteen'
    ]


def test_every_run_has_a_name_of_its_own_unless_it_is_given_one(lab, asks):
    executor = lab.executor()
    lab.rows(executor, [_graph(1), _graph(2)], targets=["2"])
    lab.run(executor, _graph(3), targets=["2"])
    lab.run(executor, _graph(4), targets=["2"], run_id="table")
    first, second, third, named = asks
    assert first == second and first and third not in ("", first) and named == "table"
