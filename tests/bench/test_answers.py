"""Right or wrong, and the exact test on pairs: numbers by hand."""

from __future__ import annotations

import pytest

from api_graph.bench.answers import is_right, mcnemar_p


@pytest.mark.parametrize(
    ("answer", "right"), [("red", True), (" Red.\n", True), ("reddish", False), ("red red", False), ("", False)]
)
def test_an_answer_is_compared_word_by_word(answer: str, right: bool) -> None:
    assert is_right(answer, "red") is right


def test_only_pairs_that_differ_count() -> None:
    # 1 against 5 of six: 2 · (1 + 6) / 2⁶.
    first = [True] * 10 + [True] + [False] * 5
    second = [True] * 10 + [False] + [True] * 5
    assert mcnemar_p(first, second) == mcnemar_p(second, first) == pytest.approx(14 / 64)


def test_p_is_one_where_nothing_speaks_for_either() -> None:
    assert mcnemar_p([True, False], [True, False]) == 1.0
    assert mcnemar_p([True, False], [False, True]) == 1.0
    assert mcnemar_p([], []) == 1.0


def test_p_is_small_where_all_pairs_agree() -> None:
    assert mcnemar_p([True] * 20, [False] * 20) == pytest.approx(2 / 2**20)
