"""Right or wrong, word by word."""

from __future__ import annotations

import pytest

from api_graph.bench.answers import is_right
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
