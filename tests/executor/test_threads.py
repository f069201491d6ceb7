"""Work spread over threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.executor.threads import over_threads


@given(st.integers(1, 5), st.lists(st.integers()))
def test_it_is_map(count: int, items: list[int]) -> None:
    assert list(over_threads(count)(lambda item: item + 1, items)) == [item + 1 for item in items]


def test_threads_do_it_but_for_a_single_item() -> None:
    parallel_map, here = over_threads(3), threading.get_ident()
    assert list(parallel_map(lambda _: threading.get_ident(), [0])) == [here]
    meet = threading.Barrier(3)
    assert here not in set(parallel_map(lambda _: (meet.wait(10), threading.get_ident())[1], range(3)))


def test_when_making_an_item_fails_nothing_is_left_under_way() -> None:
    begun, done = [], []

    def work(item: int) -> int:
        begun.append(item)
        threading.Event().wait(0.02)
        done.append(item)
        return item

    def items() -> Iterator[int]:
        yield from range(4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(over_threads(2)(work, items()))
    assert sorted(begun) == sorted(done) == [0, 1, 2, 3]
