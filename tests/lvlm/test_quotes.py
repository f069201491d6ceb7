"""No stray quotation mark is left around an answer, and none is taken out of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api_graph.lvlm.quotes import unquoted
from api_graph.lvlm.strategies import extract_answer

PAIRS = [
    '""',
    "''",
    "``",
    "“”",
    "‘’",
    "„“",
    "„”",
    "‚‘",
    "«»",
    "»«",
    "‹›",
    "›‹",
    "「」",
    "『』",
    "〝〞",
    "＂＂",
    "’’",
    "””",
]
OPENING, CLOSING = "\"'“‘„«「『‹", "\"'”’»」』›"

word = st.from_regex(r"[A-Za-z0-9äé中]+", fullmatch=True)
contraction = st.sampled_from(["dog's", "O'Brien", "don’t", "it's", "l’eau", "rock'n'roll"])
phrases = st.lists(word | contraction, min_size=1, max_size=5).map(" ".join)
before = st.sampled_from(
    ["New answer: ", "The old one was wrong.\nAnswer: ", "**Final answer:** ", "A better answer is ", ""]
)
after = st.sampled_from(["", "\n\nI hope this helps.", '\n \nHe said "so".'])


@given(phrases, before, after, st.lists(st.sampled_from(PAIRS), max_size=4), st.sampled_from(["", ".", "!", " ."]))
def test_marks_around_an_answer_go(phrase: str, before: str, after: str, pairs: list[str], stop: str) -> None:
    """However many, of whatever kinds, one in the other, with the full stop inside."""
    quoted = phrase + stop
    for left, right in pairs:
        quoted = left + quoted + right
    assert extract_answer(before + quoted + (after if before else "")) == (phrase + stop).strip()


@given(phrases, before, st.sampled_from(PAIRS), st.sampled_from([".", "!", " .", ",", "。"]))
def test_a_full_stop_outside_goes_with_the_marks(phrase: str, before: str, pair: str, stop: str) -> None:
    assert extract_answer(before + pair[0] + phrase + pair[1] + stop) == phrase


@given(phrases, before, st.text(OPENING, max_size=3), st.text(CLOSING, max_size=3))
def test_marks_at_one_end_go(phrase: str, before: str, left: str, right: str) -> None:
    assume(not re.match(r"(?i)(tis|twas|twere|em|cause|til|\d\d?0s)\b", phrase))  # apostrophes: 'tis, the '90s
    assert extract_answer(before + left + phrase) == phrase
    assert extract_answer(before + phrase + right) == phrase


@given(phrases, phrases, before, st.sampled_from(PAIRS))
def test_marks_inside_stay(first: str, second: str, before: str, pair: str) -> None:
    quoted = pair[0] + second + pair[1]
    for answer in (f"{first} {quoted}", f"{quoted} {first}", f"{quoted} {first} {quoted}"):
        assert extract_answer(before + answer) == answer
        other = "“”" if pair not in ("“”", "””", "„“", "„”") else "«»"
        assert extract_answer(before + other[0] + answer + other[1]) == answer


@given(st.text("ab1s '\"“”‘’„«».,`\n"))
def test_an_answer_is_a_part_of_the_text_and_its_ends_are_paired(text: str) -> None:
    answer = unquoted(text)
    assert answer in text and unquoted(answer) == answer
    assert answer == answer.strip()
    if len(answer) > 1 and answer[0] in '"“„«':
        assert any(mark in answer[1:] for mark in '"“”«»'), "a mark that opens is alone"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('"New answer: stop"', "stop"),
        ('Answer: "stop" and "go"', '"stop" and "go"'),
        ("Answer: 'yes' or 'no'", "'yes' or 'no'"),
        ("Answer: 'the dogs' bowl'", "the dogs' bowl"),
        ('Answer: "a 5" pipe"', 'a 5" pipe'),
        ('Answer: a 5" pipe', 'a 5" pipe'),
        ("'tis a ring", "'tis a ring"),
        ("Answer: the '90s", "the '90s"),
        ("Answer: ``stop''", "stop"),
        ('Answer: "He said "stop" twice"', 'He said "stop" twice'),
        ("Answer: He said “stop”.", "He said “stop”."),
        ("Answer: \"stop.'", "stop."),
        ('Answer: "', 'Answer: "'),
        ('""', '""'),
    ],
)
def test_by_hand(text: str, answer: str) -> None:
    assert extract_answer(text) == answer
