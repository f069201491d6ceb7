"""What `--explain` says."""

from __future__ import annotations

import pytest

from api_graph.executor import DiskCache, MemoryCache
from api_graph.spec import node


def _whys(result):
    return {step.node: step.why for step in result.steps}


def _graph(value=1, **inputs):
    return {
        "1": ("Number", {"value": value}),
        "2": ("Add", {"a": ["1", 0], **inputs}),
        "3": ("Show", {"value": ["2", 0]}),
    }


def test_the_first_run_and_the_second(lab, tmp_path):
    executor = lab.executor(memory=MemoryCache(), disk=DiskCache(tmp_path / "cache"))
    new = "no cached result for these inputs"
    always = "it saves or shows something"
    assert _whys(lab.run(executor, _graph())) == {"1": new, "2": new, "3": always}
    unread = "nothing that ran reads it"
    assert _whys(lab.run(executor, _graph())) == {
        "1": unread,
        "2": "same inputs as before in this process",
        "3": always,
    }
    elsewhere = lab.executor(disk=DiskCache(tmp_path / "cache"))
    assert _whys(lab.run(elsewhere, _graph()))["2"] == "same inputs as in an earlier run"


@pytest.mark.parametrize(
    "inputs, why",
    [
        ({"b": 7}, "b changed"),
        ({"value": 5}, "what a links to changed"),
        ({"value": 5, "b": 7}, "b, what a links to changed"),
    ],
)
def test_a_change_is_named(lab, inputs, why):
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, _graph(b=3))
    assert _whys(lab.run(executor, _graph(**{"b": 3, **inputs})))["2"] == why


def test_an_input_that_returns_to_its_default_has_changed(lab):
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, _graph(b=3))
    assert _whys(lab.run(executor, _graph()))["2"] == "b changed"


def test_a_changed_file_is_named_by_its_input(lab):
    executor = lab.executor(memory=MemoryCache())
    for text in ("one", "three"):
        lab.file("a.txt", text)
        result = lab.run(executor, {"1": ("ReadText", {"name": "a.txt"})}, targets=["1"])
    assert _whys(result)["1"] == "name changed"


def test_many_changes_are_counted(lab):
    @node("Five", category="test", title="Five")
    def five(a: int = 0, b: int = 0, c: int = 0, d: int = 0, e: int = 0) -> int:
        """Five inputs."""
        return a

    lab.nodes.append(five)
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, {"1": ("Five", {})}, targets=["1"])
    result = lab.run(executor, {"1": ("Five", dict.fromkeys("abcde", 1))}, targets=["1"])
    assert _whys(result)["1"] == "a, b, c and 2 more changed"


def test_a_result_that_was_not_kept_is_no_change(lab):
    without, tiny = lab.executor(), lab.executor(memory=MemoryCache(cpu_bytes=0))
    for executor, why in ((without, "no cache holds its result"), (tiny, "its result is no longer held")):
        lab.run(executor, _graph())
        assert _whys(lab.run(executor, _graph()))["2"] == f"same inputs, but {why}"


def test_another_class_under_the_same_id_is_not_compared(lab):
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, _graph())
    result = lab.run(executor, {"2": ("Many", {"count": 2})}, targets=["2"])
    assert _whys(result)["2"] == "no cached result for these inputs"


def test_rows_are_not_compared_with_what_ran_before(lab):
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, _graph())
    first, second = lab.rows(executor, [_graph(b=8), _graph(b=9)])
    assert _whys(first)["2"] == _whys(second)["2"] == "no cached result for these inputs"
