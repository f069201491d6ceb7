"""Which calls of many rows go together: those that agree in every input that the batched form does not run over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from api_graph.context import Context
from api_graph.executor.call import BatchLimits, run_batch
from api_graph.sockets import Mask
from api_graph.spec import node, spec_of

Batch = tuple[int, float, bool, str]


class Blend:
    """A node with a link and four settings of which the batched form runs over one, and the batches that it got."""

    def __init__(self, folders: Any) -> None:
        self.batches: list[Batch] = []
        self.folders = folders

        def blend_all(
            text: Sequence[str], context: Sequence[Context], *, mask: Tensor, share: float, on: bool, kind: str
        ) -> list[str]:
            assert len(text) == len(context)
            self.batches.append((len(text), share, on, kind))
            return [f"{float(mask.mean())} {share} {on} {kind} {own}" for own in text]

        @node("Blend", category="test", title="Blend", batched=blend_all, over=("text",))
        def blend(mask: Mask, text: str, context: Context, share: float = 0.5, on: bool = True, kind: str = "a") -> str:
            """Say what came."""
            return f"{float(mask.mean())} {share} {on} {kind} {text}"

        self.spec = spec_of(blend)

    def check(self, calls: list[dict[str, Any]]) -> list[Batch]:
        """Run the calls, each a row of its own; they must give what each gives alone. The batches that they came in."""
        steps = [([call], Context(self.folders)) for call in calls]
        entries = run_batch(self.spec, steps, BatchLimits())
        assert isinstance(entries, list)
        alone = [self.spec.function(**call, context=context) for call, (_, context) in zip(calls, steps, strict=True)]
        assert [getattr(entry, "outputs", entry) for entry in entries] == [([text],) for text in alone]
        return self.batches


MASK, SAME_VALUES = torch.ones(1, 2, 2), torch.ones(1, 2, 2)


@pytest.fixture
def blend(lab: Any) -> Blend:
    return Blend(lab.folders)


def test_rows_that_agree_in_all_else_go_together(blend: Blend) -> None:
    assert blend.check([{"mask": MASK, "text": text} for text in "xyz"]) == [(3, 0.5, True, "a")]


@pytest.mark.parametrize(
    ("name", "value"), [("mask", SAME_VALUES), ("share", 0.25), ("on", False), ("kind", "b"), ("share", -0.5)]
)
def test_rows_that_differ_in_anything_else_do_not(blend: Blend, name: str, value: Any) -> None:
    other = {"mask": MASK, "text": "y", name: value}
    found = blend.check([{"mask": MASK, "text": "x"}, other, {"mask": MASK, "text": "z"}])
    assert sorted(size for size, *_ in found) == [1, 2]


@pytest.mark.parametrize(("one", "other"), [(True, 1), (1, 1.0), (0.0, -0.0)])
def test_values_that_are_equal_but_not_the_same_are_kept_apart(blend: Blend, one: Any, other: Any) -> None:
    found = blend.check([{"mask": MASK, "text": "x", "share": share} for share in (one, other, one)])
    assert [size for size, *_ in found] == [2, 1]


def test_what_a_graph_leaves_out_stands_at_its_default(blend: Blend) -> None:
    """In whatever order a graph names its inputs."""
    rows = [
        {"text": "x", "mask": MASK},
        {"mask": MASK, "kind": "a", "text": "y"},
        {"share": 0.5, "text": "z", "mask": MASK},
    ]
    assert blend.check(rows) == [(3, 0.5, True, "a")]


def test_no_calls_are_no_batch(blend: Blend) -> None:
    entries = run_batch(blend.spec, [([], Context(blend.folders))], BatchLimits())
    assert isinstance(entries, list)
    assert ([getattr(entry, "outputs", entry) for entry in entries], blend.batches) == ([([],)], [])


def test_calls_that_differ_in_what_goes_at_once_count_as_one_of_a_limited_batch(lab: Any) -> None:
    batches: list[list[str]] = []

    def say_all(text: Sequence[str], level: Sequence[int], *, on: bool) -> list[str]:
        batches.append([f"{own}{at}" for own, at in zip(text, level, strict=True)])
        return [f"{each}{on}" for each in batches[-1]]

    @node("Say", category="test", title="Say", batched=say_all, over=("text", "level"), at_once=("level",))
    def say(text: str, level: int = 0, on: bool = True) -> str:
        """Say it."""
        return f"{text}{level}{on}"

    calls = [("a", 1, True), ("b", 1, True), ("a", 2, True), ("c", 3, True), ("a", 1, False), ("b", 2, True)]
    steps = [([{"text": text, "level": level, "on": on}], Context(lab.folders)) for text, level, on in calls]
    entries = run_batch(spec_of(say), steps, BatchLimits(most=2))
    assert isinstance(entries, list)
    assert [getattr(entry, "outputs", entry) for entry in entries] == [([f"{a}{b}{c}"],) for a, b, c in calls]
    assert batches == [["a1", "a2", "b1", "b2"], ["c3"], ["a1"]]


def test_an_input_that_is_a_list_is_not_taken_for_another(lab: Any) -> None:
    def count_all(mask: Sequence[Tensor], *, texts: list[str]) -> list[int]:
        return [len(texts) for _ in mask]

    @node("Count", category="test", title="Count", batched=count_all, over=("mask",))
    def count(mask: Mask, texts: list[str]) -> int:
        """How many texts."""
        return len(texts)

    steps = [([{"mask": MASK, "texts": list(texts)}], None) for texts in ("a", "ab", "abc", "cd")]
    entries = run_batch(spec_of(count), steps, BatchLimits())
    assert isinstance(entries, list)
    assert [getattr(entry, "outputs", entry) for entry in entries] == [([1],), ([2],), ([3],), ([2],)]
