"""Which tokens of an answer count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.lvlm.steps import chosen_steps
from tests.lvlm.asked import tiny


class Words:
    """A tokenizer whose token is a word; 0 is the end token, which is not written."""

    words = ("", "The", " red", " car", " is", " Red", ".")

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return "".join(self.words[i] for i in ids)


ANSWER = [1, 2, 3, 4, 5, 6, 0]
"""The red car is Red."""


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6]),
        ("first", [0]),
        (range(1, 100, 2), [1, 3, 5]),
        (slice(-2, None), [5, 6]),
        ((1, 3), [1, 2]),
        ((None, 2), [0, 1]),
        ("red car", [1, 2]),
        ("Red", [4]),
        ("ed c", [1, 2]),
        ("RED", [1]),
        ("the red", [0, 1]),
        (" is Red.", [3, 4, 5]),
    ],
)
def test_choices(steps: Any, expected: list[int]) -> None:
    assert chosen_steps(steps, ANSWER, Words()) == expected


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("blue", "the answer does not contain it; it is 'The red car is Red.' .*Take a phrase"),
        (" ", "the phrase is empty"),
        (range(7, 9), "no step is chosen: the answer has 7"),
        ((3, 3), "no step is chosen"),
        (3, "steps are 'all', 'first'"),
        (None, "steps are 'all', 'first'"),
    ],
)
def test_refusals(steps: Any, message: str) -> None:
    with pytest.raises(BadInput, match=f"steps: {message}"):
        chosen_steps(steps, ANSWER, Words())


def test_a_phrase_needs_a_tokenizer() -> None:
    with pytest.raises(BadInput, match="steps: without a tokenizer"):
        chosen_steps("red", ANSWER)


@given(st.text(st.sampled_from("aß→🙂 é"), min_size=1, max_size=8), st.data())
def test_a_phrases_tokens_are_its_bytes(text: str, data: st.DataObject) -> None:
    """One token per byte, also of letters of several bytes: the tokens of the phrase at its first occurrence."""
    tokenizer = tiny("llava").tokenizer
    start = data.draw(st.integers(0, len(text) - 1))
    phrase = text[start : data.draw(st.integers(start + 1, len(text)))]
    if not phrase.strip():
        return
    first = len(text[: text.find(phrase)].encode())
    assert tokenizer is not None
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert chosen_steps(phrase, ids, tokenizer) == list(range(first, first + len(phrase.encode())))
