"""VQA accuracy: figures worked out by hand, and a second normaliser that walks through the text letter by letter."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench.scorers import normalize_vqa, unanswerable_scores, vqa_accuracy
from api_graph.bench.scorers.vqa import _SPELT_OUT
from api_graph.errors import BadInput

PIECES = st.sampled_from(
    [
        "red",
        "A",
        "the",
        "an",
        "two",
        "None",
        "Dont",
        "couldntve",
        "it's",
        ".",
        ".5",
        "3",
        ",",
        "?",
        "!",
        ";",
        "-",
        "(",
        ")",
        "/",
        " ",
        "\n",
        "\t",
        '"',
        "=",
        "U.S.",
        "y'alld've",
        "1,000",
        "@",
        "_",
        "bus",
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.lists(PIECES, max_size=12).map(" ".join)


def walked(text: str) -> str:
    """The rules once more, in another way: one letter after the other."""
    text = "".join(letter for letter in text.lower() if letter not in ",?")
    text = text.replace("'s", " 's").strip().replace("\n", " ").replace("\t", " ").strip()
    pairs = set(itertools.pairwise(text))
    apart = {mark for mark in ';/[]"{}()=+\\_-><@`!' if (mark, " ") in pairs or (" ", mark) in pairs}
    kept, stops = "", 0
    spread = "".join("" if c in apart else " " if c in ';/[]"{}()=+\\_-><@`!' else c for c in text)
    for index, letter in enumerate(spread):
        if letter == "." and not spread[index + 1 : index + 2].isdecimal() and stops < 32:
            stops += 1
            continue
        kept += letter
    numbers = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}
    numbers |= {"seven": "7", "eight": "8", "nine": "9", "ten": "10"}
    words = [numbers.get(word, word) for word in kept.split()]
    return " ".join(_SPELT_OUT.get(word, word) for word in words if word not in ("a", "an", "the"))


@given(TEXTS)
def test_the_normaliser_agrees_with_a_second_one(text: str) -> None:
    assert normalize_vqa(text) == walked(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is a Stop-Sign.", "it is stop sign"),
        ("stop - sign", "stop sign"),  # a blank beside it: deleted, and the blanks are joined
        ("cant", "can't"),
        ("you'dve", "you'd've"),
        ("somebody'd", "somebodyd"),  # the official table's own
        ("Im", "im"),  # its capitals never match after lower-casing
        ("3.5 oz.", "3.5 oz"),
        ("One, two; THREE", "1 2 3"),
    ],
)
def test_normalised_by_hand(text: str, expected: str) -> None:
    assert normalize_vqa(text) == expected


def test_the_table_of_contractions_has_every_apostrophe_once() -> None:
    assert _SPELT_OUT["couldnt've"] == _SPELT_OUT["couldn'tve"] == "couldn't've"
    assert {_SPELT_OUT[key] for key in ("yall'd've", "y'alld've", "y'all'dve")} == {"y'all'd've"}
    assert all(key.replace("'", "") == value.replace("'", "") for key, value in _SPELT_OUT.items())


@given(st.lists(st.sampled_from(["cat", "dog", "a cow"]), min_size=2, max_size=12), st.sampled_from(["cat", "The cow"]))
def test_accuracy_is_the_mean_over_the_others(answers: list[str], prediction: str) -> None:
    meant = {"cat": "cat", "The cow": "a cow"}[prediction]
    scores = []
    for left_out in range(len(answers)):
        others = answers[:left_out] + answers[left_out + 1 :]
        scores.append(min(1, others.count(meant) / 3))
    assert vqa_accuracy(prediction, answers) == pytest.approx(sum(scores) / len(scores))


def test_vizwiz_compares_with_the_answers_as_they_are() -> None:
    answers = ["two"] * 10
    assert vqa_accuracy("two", answers) == 1.0
    assert vqa_accuracy("two", answers, normalize_answers=False) == 0.0  # the prediction becomes "2"


def test_nobody_to_compare_with() -> None:
    for answers in ([], ["red"], "red"):
        with pytest.raises(BadInput, match="answers"):
            vqa_accuracy("red", answers)


def test_unanswerable_in_both_readings() -> None:
    def item(prediction: str, answerable: int, type: str, answers: list[str]) -> dict[str, object]:
        people = [{"answer": answer, "answer_confidence": "yes"} for answer in answers]
        return {"prediction": prediction, "answerable": answerable, "answer_type": type, "answers": people}

    items = [
        item("Unanswerable.", 0, "unanswerable", ["unanswerable"] * 10),  # recalled; accuracy 1
        item("a can", 0, "unanswerable", ["unanswerable"] * 9 + ["can"]),  # accuracy .3
        item("unanswerable", 1, "other", ["can"] * 10),  # a false positive
        item("can", 1, "other", ["can"] * 10),
    ]
    scores = unanswerable_scores(items)
    assert (scores.recall, scores.false_positives) == (0.5, 0.5)
    assert scores.accuracy == pytest.approx(0.65)
    assert unanswerable_scores(items[3:]).recall is None
