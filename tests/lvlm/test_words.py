"""The words of an answer, and what each looked at."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm import WordMaps, lvlm_attribution
from api_graph.lvlm.layout import TokenLayout, View
from api_graph.lvlm.words import Word, word_spans, words_of
from tests.lvlm.asked import picture, tiny
from tests.lvlm.families import FAMILIES


def split(text: str, *cuts: int) -> list[str]:
    """The words of a text, whose tokens begin at 0 and at the cuts."""
    edges = [0, *cuts, len(text)]
    tokens = list(itertools.pairwise(edges))
    return [text[start:end] for start, end in word_spans(text, tokens)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The red car.", ["The", "red", "car"]),
        ("red,blue", ["red", "blue"]),
        ('"a" (b); c!', ["a", "b", "c"]),
        ("it's a T-shirt", ["it's", "a", "T-shirt"]),
        ("don’t well‑known", ["don’t", "well‑known"]),
        ("'quoted' - dash", ["quoted", "dash"]),
        ("3.5 or 1,000 at 12:30, 1/2.", ["3.5", "or", "1,000", "at", "12:30", "1/2"]),
        ("and/or", ["and", "or"]),
        ("$5 + 10%", ["$5", "+", "10"]),
        ("snake_case", ["snake_case"]),
        ("a café\u0301 हिन्दी", ["a", "café\u0301", "हिन्दी"]),
        ("سلام دنیا", ["سلام", "دنیا"]),
        ("빨간 자동차", ["빨간", "자동차"]),
        ("ok 👍🏽 👨‍👩‍👧", ["ok", "👍🏽", "👨‍👩‍👧"]),
        ("", []),
        (" ... ", []),
    ],
)
def test_words_between_spaces(text: str, words: list[str]) -> None:
    """Wherever the tokens begin: sub-tokens of a word are joined."""
    assert split(text) == words
    assert split(text, *range(1, len(text))) == words


def test_without_spaces_a_word_is_a_tokens_characters() -> None:
    assert split("红色的车。", 2, 3, 4) == ["红色", "的", "车"]
    assert split("红色的车。") == ["红色的车"]
    assert split("赤い車です", 2, 3) == ["赤い", "車", "です"]
    assert split("รถสีแดง", 2) == ["รถ", "สีแดง"]
    assert split("สี", 1) == ["สี"]  # a vowel sign is no word of its own
    assert split("a红b车", 1, 2, 3) == ["a", "红", "b", "车"]
    assert split("ラーメン", 1, 2, 3) == ["ラ", "ー", "メ", "ン"]


@given(st.text("ab'- .,1红車สี\u0301", max_size=12), st.sets(st.integers(1, 11)))
def test_words_are_parted_in_order_and_hold_every_letter(text: str, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    tokens = [(a, b) for a, b in itertools.pairwise(edges) if a < b]
    spans = word_spans(text, tokens)
    assert all(a < b for a, b in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    inside = {i for start, end in spans for i in range(start, end)}
    assert {i for i, character in enumerate(text) if character.isalnum()} <= inside
    assert not any(text[i].isspace() for i in inside)


class Pieces:
    """A tokenizer whose tokens are these; 0 is the end token, which is not written."""

    words = ("", " A", " star", "fish", ",", " red", "-", "ish", ".")

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return "".join(self.words[i] for i in ids)


LAYOUT = TokenLayout((20, 10), (View(torch.tensor([3, 4]), (1, 2), Geometry.whole(20, 10)),))
ANSWER = [1, 2, 3, 4, 5, 6, 7, 8, 0]
"""A starfish, red-ish."""
MAPS = torch.arange(18.0).view(9, 2)


def words(steps: list[int]) -> list[Word]:
    tokenizer: Any = Pieces()
    return list(words_of(tokenizer, ANSWER, steps, MAPS[steps], LAYOUT))


def test_a_words_map_is_the_mean_of_its_tokens() -> None:
    found = words(list(range(9)))
    assert [(w.text, w.start, w.end, w.steps) for w in found] == [
        ("A", 0, 1, (0,)),
        ("starfish", 2, 10, (1, 2)),
        ("red-ish", 12, 19, (4, 5, 6)),
    ]
    assert [w.map.flatten().tolist() for w in found] == [[0, 1], [3, 4], [10, 11]]
    assert all(w.attribution.geometry == (Geometry.whole(20, 10),) for w in found)


def test_only_chosen_steps_count() -> None:
    found = words([2, 3, 8])
    assert [(w.text, w.steps, w.map.flatten().tolist()) for w in found] == [("starfish", (2,), [4, 5])]
    assert words([3]) == [] == words([8])


def test_without_a_tokenizer_there_are_no_words() -> None:
    assert words_of(None, ANSWER, [0], MAPS[:1], LAYOUT) == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_words_of_an_answer_that_is_read(family: str) -> None:
    """Byte-level tokens: a word's map is the mean of its bytes' rows."""
    found = lvlm_attribution(picture(), "What?", tiny(family), answer="a réd car, 车", max_tokens=40)
    assert [word.text for word in found.words] == ["a", "réd", "car", "车"]
    assert [word.steps for word in found.words] == [(0,), (2, 3, 4, 5), (7, 8, 9), (12, 13, 14)]
    assert [found.answer[word.start : word.end] for word in found.words] == ["a", "réd", "car", "车"]
    phrase = lvlm_attribution(picture(), "What?", tiny(family), answer="a réd car, 车", steps="réd", max_tokens=40)
    assert torch.allclose(found.words[1].map, phrase.map, atol=1e-6)
    assert found.words[1].attribution.geometry == phrase.attribution.geometry


def test_the_map_of_a_phrase() -> None:
    maps = WordMaps("A starfish, red-ish.", tuple(words(list(range(9)))))
    for phrase, values in {
        "starfish": [3.0, 4.0],
        " STAR ": [3.0, 4.0],
        "A star": [1.5, 2.5],
        "fish, red": [6.5, 7.5],
        "": [13 / 3, 16 / 3],
    }.items():
        found = maps.about(phrase)
        assert found.values.flatten().tolist() == pytest.approx(values), phrase
        assert found.geometry == (Geometry.whole(20, 10),)
    assert maps.about("fish, red", each=True).values.view(2, 2).tolist() == [[3, 4], [10, 11]]
    for phrase in ("green", ",", "."):
        with pytest.raises(BadInput, match=r"phrase: the answer 'A starfish, red-ish\.' has no such words"):
            maps.about(phrase)
    with pytest.raises(BadInput, match="no such words"):
        WordMaps("...", ()).about()


@pytest.mark.parametrize("found", [words(list(range(9))), []])
def test_word_maps_are_stored_and_read_again(found: list[Word]) -> None:
    maps = WordMaps("A starfish, red-ish.", tuple(found), "What?", "activation")
    again = WordMaps.from_storage(*maps.to_storage())  # type: ignore[arg-type]
    assert (again.answer, again.question, again.method) == ("A starfish, red-ish.", "What?", "activation")
    assert [(w.text, w.start, w.end, w.steps) for w in again.words] == [
        (w.text, w.start, w.end, w.steps) for w in found
    ]
    for one, other in zip(again.words, found, strict=True):
        assert torch.equal(one.map, other.map) and one.attribution.geometry == other.attribution.geometry
