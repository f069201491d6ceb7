"""Batches on an accelerator: a few calls are measured, then as many go together as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from api_graph.executor import Executor, ModelPool
from api_graph.executor.batch_sizes import FIRST, GROWTH, BatchSizes
from api_graph.executor.call import BatchLimits
from api_graph.graph import set_inputs
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders
from api_graph.spec import node
from tests.executor.card import Card

KIND = ("Encode", (10,), 13)


@dataclass(frozen=True, eq=False)
class Model:
    socket: ClassVar[str] = "TEST_MODEL"

    weights: Tensor


class Encode:
    """A batched form that takes so many bytes of a card for each call, and so many for the batch."""

    def __init__(self, card: Card, each: int, fixed: int = 0) -> None:
        self.card, self.each, self.fixed = card, each, fixed
        self.sizes: list[int] = []

    def __call__(self, calls: Sequence[Any]) -> list[Any]:
        self.sizes.append(len(calls))
        taken = [self.card.zeros(self.fixed), *(self.card.zeros(self.each) for _ in calls)]
        return [call if len(taken) else None for call in calls]


def run(card: Card, encode: Encode, count: int, limits: BatchLimits | None = None) -> list[int]:
    limits = limits or BatchLimits(pool=ModelPool(memory=card))
    assert limits.run(KIND, range(count), encode, limits.sizes_on(card)) == list(range(count))
    return encode.sizes


def test_a_few_are_measured_and_then_as_many_go_as_fit() -> None:
    card = Card(1000)
    encode = Encode(card, 50)
    # .8 of 1000 has room for 16; what failed would have been halved.
    assert run(card, encode, 60) == [FIRST, 16, 16, 16, 8]


def test_a_batch_grows_by_a_factor_and_no_faster() -> None:
    card = Card(10**6)
    assert run(card, Encode(card, 1), 400) == [FIRST, GROWTH * FIRST, GROWTH**2 * FIRST, 400 - 292]


def test_what_a_batch_takes_once_counts_less_as_more_is_measured() -> None:
    card = Card(1000)
    encode = Encode(card, 10, 200)
    # 60 each in the first, so 13; then 25.4 each, so 31
    assert run(card, encode, 60) == [4, 13, 31, 12]


def test_a_small_batch_says_less_of_one_call_than_the_largest() -> None:
    card = Card(1000)
    encode = Encode(card, 10, 200)
    limits = BatchLimits(pool=ModelPool(memory=card))
    run(card, encode, 49, limits)
    assert encode.sizes == [4, 13, 31, 1]
    encode.sizes.clear()
    assert run(card, encode, 50, limits) == [48, 2]  # by the batch of 31, 16.45 each; by the last, it would be 210


def test_what_others_have_taken_leaves_less() -> None:
    card = Card(1000)
    held = card.zeros(600)
    assert run(card, Encode(card, 50), 22) == [4, 6, 6, 6] and len(held) == 600


def test_where_not_even_one_seems_to_fit_one_is_tried() -> None:
    card = Card(300)
    held = card.zeros(80)
    encode = Encode(card, 50)
    assert run(card, encode, 7) == [4, 3]  # .8 of 220
    del held
    encode.each = 1
    limits = BatchLimits(pool=ModelPool(memory=card))
    limits.sizes_on(card)._measured[KIND] = 4, 10**6
    encode.sizes.clear()
    assert run(card, encode, 2, limits) == [1, 1]


def test_a_limit_of_the_users_is_never_passed() -> None:
    card = Card(10**6)
    assert run(card, Encode(card, 1), 10, BatchLimits(3, ModelPool(memory=card))) == [3, 3, 3, 1]


def test_what_does_not_fit_after_all_is_halved_as_ever() -> None:
    """The first calls were small: of the others fewer fit than seemed."""
    card = Card(1000)
    encode = Encode(card, 50)
    limits = BatchLimits(pool=ModelPool(memory=card))
    run(card, encode, 4, limits)
    encode.each = 150
    encode.sizes.clear()
    assert run(card, encode, 16, limits) == [16, 8, 4, 4, 4, 4]


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(100, 5000),
    each=st.integers(0, 90),
    fixed=st.integers(0, 10),
    count=st.integers(0, 60),
    most=st.none() | st.integers(1, 50),
)
def test_every_call_is_answered_once_in_order_and_memory_never_runs_out(
    size: int, each: int, fixed: int, count: int, most: int | None
) -> None:
    """Calls of one size: what was measured holds, so that nothing fails but perhaps the first batch."""
    card = Card(size)
    encode = Encode(card, each, fixed)
    sizes = run(card, encode, count, BatchLimits(most, ModelPool(memory=card)))
    assert max(sizes, default=0) <= (most or 10**9)
    failed = len(sizes) - len([one for one in sizes if one]) + (sum(sizes) - count > 0)
    assert failed == 0 or each * FIRST + fixed > size


def test_kinds() -> None:
    sizes = BatchSizes(Card(10**9))
    model, other, small = Model(torch.zeros(1000)), Model(torch.zeros(2000)), torch.zeros(10)
    one = sizes.kind("Encode", [model, "paper"], [torch.zeros(1, 64, 64, 3)])
    assert one is not None
    assert one == sizes.kind("Encode", [Model(torch.zeros(1000)), "other"], [torch.zeros(1, 60, 64, 3)])
    assert one != sizes.kind("Encode", [other, "paper"], [torch.zeros(1, 64, 64, 3)])
    assert one != sizes.kind("Other", [model, "paper"], [torch.zeros(1, 64, 64, 3)])
    assert one != sizes.kind("Encode", [model, "paper"], [torch.zeros(1, 128, 64, 3)])
    assert sizes.kind("Encode", [model], [small]) == sizes.kind("Encode", [model], ["a text"])
    assert len(sizes._shared) == 2  # the third has gone
    image = torch.zeros(1, 8, 8, 3)
    assert sizes.kind("Draw", [image], ["a"]) == sizes.kind("Draw", [image], ["b"])
    del model, other, image
    assert sizes._shared == {}


class Elsewhere(Card):
    """Nothing lies on it."""

    def size_of(self, values: Any) -> int:
        return 0


def test_what_does_not_lie_on_the_accelerator_has_no_kind() -> None:
    assert BatchSizes(Elsewhere(10)).kind("Encode", [Model(torch.zeros(9))], [torch.zeros(9)]) is None


# ------------------------------------------------------------------------------------------ in a graph


@pytest.mark.parametrize("card", [Card(10**6), Elsewhere(10**6)])
def test_in_a_graph_calls_on_the_accelerator_are_measured_and_others_are_not(lab, card: Card) -> None:
    encode = Encode(card, 50)

    def encoded(value: Sequence[int], *, model: Model) -> list[int]:
        return encode(value)

    @node("Load", category="test", title="Load", model=True)
    def load() -> Model:
        """Load a model."""
        return Model(torch.zeros(100))

    @node("Encode", category="test", title="Encode", batched=encoded, over=("value",))
    def encode_one(model: Model, value: int) -> int:
        """Batched only."""
        raise AssertionError("the batched form suffices")

    lab.nodes += [load, encode_one]
    rows = [
        {"1": ("Load", {}), "2": ("Encode", {"model": ["1", 0], "value": i}), "3": ("Show", {"value": ["2", 0]})}
        for i in range(20)
    ]
    results = lab.rows(lab.executor(pool=ModelPool(memory=card)), rows)
    assert [str(error) for result in results for error in result.failures] == [] and lab.shown == list(range(20))
    assert encode.sizes == ([20] if isinstance(card, Elsewhere) else [4, 16])


@pytest.mark.parametrize("name", ["api_clip", "api_clip_reference", "rec_foveal"])
def test_results_are_the_same_to_the_last_bit(name: str, tmp_path: Path) -> None:
    graph = open_graph(name)
    texts = ("the yellow ring", "the star", "the blue square", "the green triangle", "the red circle", "a ring", "x")
    rows = [set_inputs(graph, all_nodes(), {"query": text}) for text in texts]

    def values(memory: Card | None) -> list[Any]:
        executor = Executor(pool=ModelPool(memory=memory))
        results = executor.run_rows(rows, headless_folders(tmp_path), metadata=False, figures=True, maps=True)
        assert (executor.batches._sizes is not None) == (memory is not None)
        found: list[Any] = []
        for result in results:
            assert not result.failures
            found += [{id: {k: v for k, v in own.items() if k != "seconds"} for id, own in result.figures.items()}]
            found += [one.values.numpy().tobytes() for own in result.maps.values() for one in own]
        return found

    assert values(Card(2**40)) == values(None)
