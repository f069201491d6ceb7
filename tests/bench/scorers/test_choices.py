"""Options and free answers: by hand, and against second readings on random responses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench.scorers import (
    draw_choice,
    hr_bench_scores,
    mmvp_pairs,
    open_answer_correct,
    parse_multiple_choice,
    parse_open,
    read_letter,
    vstar_correct,
)
from api_graph.errors import BadInput

OPTIONS = {"A": "red", "B": "the green bus", "C": "blue", "D": "none of them"}
WORDS = st.sampled_from(
    [
        "A",
        "(B)",
        "C",
        "(D)",
        "B.",
        "A.",
        "a",
        "red",
        "The Green Bus",
        "blue",
        "is",
        "answer",
        "no",
        "it",
        "clearly",
        "!",
    ]
)


def second_reading(response: str) -> str | None:
    """By one regular expression for each form, over the same stripped text."""
    for mark in ",.!?;:'":
        response = response.strip(mark)
    padded = f" {response} "
    for pattern in (r"\(([A-D])\)", r"(?= ([A-D]) )"):
        found = re.findall(pattern, padded)
        if found:
            return found[-1]
    if len(response.split()) <= 5:
        return None
    lower = padded.lower()
    ends = [(lower.rindex(t.lower()), -i, key) for i, (key, t) in enumerate(OPTIONS.items()) if t.lower() in lower]
    return max(ends)[2] if ends else None


@given(st.lists(WORDS, max_size=9).map(" ".join))
def test_a_letter_is_read_as_by_a_second_reading(response: str) -> None:
    assert parse_multiple_choice(response, list(OPTIONS), OPTIONS) == second_reading(response)


def test_a_bracket_wins_over_a_bare_letter() -> None:
    assert parse_multiple_choice("(A) and not D", list(OPTIONS), OPTIONS) == "A"


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("b", "B"),
        ("(b)", "B"),
        (" **B**\n", "B"),
        ("B. red", "B"),
        ("(b) none of them", "B"),
        ("b: because", "B"),
        ("a red car is there", None),  # "a" begins no list
        ("E", None),
        ("", None),
    ],
)
def test_a_letter_as_people_write_it(response: str, letter: str | None) -> None:
    assert read_letter(response, OPTIONS) == letter


def test_an_option_word_for_word_means_its_letter() -> None:
    colours = {"A": "Red", "B": "dark blue.", "C": "red", "D": "grey"}
    assert [read_letter(said, colours) for said in ("Dark blue", "GREY.", "red")] == ["B", "D", None]


def test_a_draw_is_the_same_for_an_item_and_a_seed() -> None:
    drawn = [draw_choice("ABCD", f"item {number}") for number in range(400)]
    assert drawn == [draw_choice("ABCD", f"item {number}") for number in range(400)]
    assert drawn != [draw_choice("ABCD", f"item {number}", seed=1) for number in range(400)]
    assert all(70 < drawn.count(letter) < 130 for letter in "ABCD")
    with pytest.raises(BadInput):
        draw_choice("", "item")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("The area is 12.345 cm.", ["12.345 cm", 12.35]),
        ("5e3", [5000.0, 3.0]),  # and behind the "e"
        ("1,234 apples", ["1,234 apples", 1234.0, 234.0]),  # plain numbers are found behind a comma, too
        ("x = 3\ny = 4", [4.0]),  # "=" counts in the last line alone, and the first line has no other word
        ("so it is\nB", ["it is"]),  # "so " leaves "it is"; for "is " a blank is missing, and "b" has no such word
        ("B", [" b", "b "]),
    ],
)
def test_what_a_free_response_may_mean(response: str, expected: list[str | float]) -> None:
    assert parse_open(response) == expected


@pytest.mark.parametrize(
    ("response", "answer", "right"),
    [
        ("It is 3.141.", "3.14", True),
        ("It is 3.15.", "3.14", False),
        ("The answer is a box plot", ["boxplot", "box plot"], True),
        ("nothing", "b", False),  # a single letter is no part of a word
        ("-5", "-5.00", True),
    ],
)
def test_free_answers(response: str, answer: str | list[str], right: bool) -> None:
    assert open_answer_correct(response, answer) is right


@given(st.integers(-(10**6), 10**6), st.sampled_from(["The answer is {}", "{}", "so {} .", "we get = {}"]))
def test_a_number_is_found_in_its_sentence(number: int, sentence: str) -> None:
    assert open_answer_correct(sentence.format(number), str(number))
    assert open_answer_correct(sentence.format(f"{number:,}"), str(number))


def test_vstar() -> None:
    assert vstar_correct([0.5, 0.7]) and not vstar_correct([0.7, 0.5]) and vstar_correct([0.5, 0.5])
    for losses in ([0.5], [0.5, float("nan")]):
        with pytest.raises(BadInput):
            vstar_correct(losses)


def test_mmvp_counts_pairs() -> None:
    assert mmvp_pairs({1: True, 2: True, 3: True, 4: False}) == 0.5
    with pytest.raises(BadInput, match="pair"):
        mmvp_pairs({2: True, 3: True})
    with pytest.raises(BadInput):
        mmvp_pairs({})


def test_hr_bench_means_over_rotations_first() -> None:
    rows = [("single", 0, True), ("single", 0, False), ("single", 1, True), ("cross", 0, False), ("cross", 1, False)]
    scores = hr_bench_scores({"category": c, "cycle_category": r, "correct": right} for c, r, right in rows)
    assert scores == pytest.approx({"single": (0.5 + 1) / 2, "cross": 0.0, "all": (1 / 3 + 1 / 2) / 2})
