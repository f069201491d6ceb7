"""Right or wrong, and the exact test on pairs: numbers by hand."""

from __future__ import annotations

import pytest

from api_graph.bench.answers import is_right, mcnemar_p
from api_graph.errors import BadInput


@pytest.mark.parametrize(
    ("answer", "right"), [("red", True), (" Red.\n", True), ("reddish", False), ("red red", False), ("", False)]
)
def test_an_answer_is_compared_word_by_word(answer: str, right: bool) -> None:
    assert is_right(answer, "red") is right


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("-3", "3", False),
        ("\u22123", "-3", True),
        ("3.5", "3 5", False),
        ("It is 3.5.", "it is 3.5", True),
        ("10-20", "10 20", True),
        ("3.", "3", True),
        ("well-known", "well known", True),
    ],
)
def test_signs_and_decimals_count(answer: str, truth: str, right: bool) -> None:
    assert is_right(answer, truth) is right


def test_a_truth_without_words_is_none() -> None:
    with pytest.raises(BadInput, match=r"^truth: there is no word in it \(got '\?'\)"):
        is_right("", "?")


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
