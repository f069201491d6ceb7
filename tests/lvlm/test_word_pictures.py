"""Word maps as pictures: what lies where, and in which colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.word_pictures import heat, levels, words_strip
from api_graph.lvlm.words import Word, WordMaps
from api_graph.sockets import Attribution

GREY = Image.new("RGB", (80, 40), (100, 100, 100))


def word(text: str, start: int, *values: float, size: tuple[int, int] = (80, 40)) -> Word:
    """A word whose map has one row of cells over the whole picture."""
    maps = Attribution(torch.tensor([[[*values]]]), (Geometry.whole(*size),))
    return Word(text, start, start + len(text), (0,), maps)


READING = WordMaps("red car", (word("red", 0, 0.0, 1.0), word("car", 4, 0.5, 0.25)), "What?")
OTHER = WordMaps("red car", (word("car", 4, 0.0, 1.0),), "What?", "activation")


def pixels(strip: Image.Image, column: int, row: int = 0, cell: int = 80) -> np.ndarray[Any, Any]:
    """A word's map (40, 80): the grey levels of a cell, in its upper or lower picture, without its border of 8."""
    left, top = 8 + column * (cell + 8), 8 + row * 42
    return np.asarray(strip.convert("L"))[top : top + 40, left : left + cell]


def test_levels_by_hand() -> None:
    own = [one.values.flatten().tolist() for one in levels(READING.words, "word")]
    assert own == [[0, 1], [1, 0]]
    shared = [one.values.flatten().tolist() for one in levels(READING.words, "answer")]
    assert shared == [[0, 1], [0.5, 0.25]]
    assert levels((word("a", 0, 3.0, 3.0),), "word")[0].values.flatten().tolist() == [0, 0]
    assert levels((), "answer") == []


def test_a_map_lies_where_the_model_looked() -> None:
    """Cells over the middle half of a picture of 80 × 40, on a copy of half its size."""
    seen = Attribution(torch.tensor([[[1.0]]]), (Geometry(80, 40, 20.0, 0.0, 60.0, 40.0),))
    with pytest.warns(match="did not see 50.0%"):
        found = heat([seen, seen.with_values(torch.tensor([[[2.0]]]))], (40, 20))
    assert found.shape == (2, 20, 40)
    seen_part = Attribution(torch.tensor([[[0.0, 1.0]]]), (Geometry(80, 40, 0.0, 0.0, 80.0, 40.0),))
    halves = heat([seen_part], (40, 20))[0]
    assert halves[:, :8].max() < 0.1 and halves[:, 32:].min() > 0.9


def test_the_strip_has_the_picture_and_each_words_map() -> None:
    strip = words_strip(GREY, [READING], colormap="grey", opacity=1.0, cell=80)
    assert strip.width == 3 * 88 + 8
    assert (pixels(strip, 0) == 100).all()
    assert pixels(strip, 1)[:, :10].max() < 30 and pixels(strip, 1)[:, -10:].min() > 225
    assert pixels(strip, 2)[:, :10].min() > 225 and pixels(strip, 2)[:, -10:].max() < 30
    half = pixels(words_strip(GREY, [READING], colormap="grey", opacity=0.5, cell=80), 1)
    assert abs(int(half[0, 0]) - 50) <= 10 and abs(int(half[0, -1]) - 178) <= 10
    shared = pixels(words_strip(GREY, [READING], scale="answer", colormap="grey", opacity=1.0, cell=80), 2)
    assert abs(int(shared[0, 0]) - 128) <= 3 and abs(int(shared[0, -1]) - 64) <= 3


def test_two_readings_stand_below_each_other() -> None:
    strip = words_strip(GREY, [READING, OTHER], colormap="grey", opacity=1.0, cell=80)
    assert strip.width == 3 * 88 + 8
    assert (pixels(strip, 0) == 100).all() and (pixels(strip, 0, row=1) == 100).all()
    assert (pixels(strip, 1, row=1) == 0xE8).all()  # no map of "red"
    assert pixels(strip, 2)[:, :10].min() > 225 and pixels(strip, 2, row=1)[:, :10].max() < 30


def test_rows_and_an_answer_without_words() -> None:
    assert words_strip(GREY, [READING], columns=1, cell=80).width == 96
    many = WordMaps("a " * 20, tuple(word("a", 2 * i, 0.0, 1.0) for i in range(20)))
    assert words_strip(GREY, [many], cell=40).width == 8 * 48 + 8
    assert words_strip(GREY, [WordMaps("...", ())], cell=80).width == 96


def test_a_strip_of_more_words_than_are_drawn_at_once() -> None:
    many = WordMaps("a " * 70, tuple(word("a", 2 * i, float(i == 69), float(i != 69)) for i in range(70)))
    strip = words_strip(GREY, [many], columns=71, colormap="grey", opacity=1.0, cell=80)
    assert pixels(strip, 69)[0, 0] < 30 < 225 < pixels(strip, 70)[0, 0]


@pytest.mark.parametrize(
    ("readings", "settings", "message"),
    [
        ([], {}, "words: there are no words"),
        ([READING, WordMaps("a car", ())], {}, "beside: it is of another answer than 'red car'"),
        ([WordMaps("a", (word("a", 0, 1.0, size=(9, 9)),))], {}, "words: the maps are of an image of 9×9 pixels"),
        ([READING, WordMaps("red car", (word("red", 0, 1.0, size=(9, 9)),))], {}, "beside: the maps are of an image"),
        ([READING], {"scale": "all"}, "scale: there is no such scale"),
        ([READING], {"cell": 0}, "cell: "),
        ([READING], {"opacity": 2.0}, "opacity"),
    ],
)
def test_refusals(readings: list[WordMaps], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        words_strip(GREY, readings, **settings)
