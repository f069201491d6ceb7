"""The contact sheet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from api_graph.errors import BadInput
from api_graph.fonts import Font
from api_graph.pixels.sheet import _wrapped, contact_sheet

FONT = Font(14, plain=True)


def test_layout_by_hand():
    """3 pictures of 40×40 in 2 columns without captions: 2 · 48 + 8 wide, 2 · (40 + 8) + 3 · 8 high."""
    sheet = contact_sheet([Image.new("RGB", (9, 9), c) for c in ("red", "lime", "blue")], columns=2, cell=(40, 40))
    assert sheet.size == (104, 120) and sheet.mode == "RGB"
    assert sheet.getpixel((8, 8)) == (255, 0, 0)
    assert sheet.getpixel((56 + 20, 8 + 20)) == (0, 255, 0)
    assert sheet.getpixel((8 + 39, 64 + 39)) == (0, 0, 255)
    assert sheet.getpixel((56 + 20, 64 + 20)) == (255, 255, 255)


def test_a_wide_picture_is_letterboxed():
    sheet = contact_sheet([Image.new("RGB", (100, 50), "red")], cell=(40, 40))
    column = np.asarray(sheet)[8:48, 8 + 20]
    is_red = (column == (255, 0, 0)).all(axis=1)
    assert is_red.tolist() == [False] * 10 + [True] * 20 + [False] * 10


def test_a_caption_is_drawn_under_its_picture():
    sheet = contact_sheet([Image.new("RGB", (40, 40), "red")], ["hello"], cell=(40, 40))
    assert (np.asarray(sheet)[48:] < 128).any()


def test_plain_captions_look_alike_on_every_machine():
    assert FONT.width("A caption, 12 (x).") == ImageFont.load_default(14).getlength("A caption, 12 (x).")


@given(st.text(max_size=40), st.integers(1, 200))
def test_wrapped_lines_fit_and_lose_no_letter(caption, width):
    lines = _wrapped(caption, FONT, width)
    assert all(FONT.width(line) <= width or len(line) == 1 for line in lines)
    shown = "".join(c for c in caption if c.isprintable())
    assert "".join("".join(lines).split()) == "".join(shown.split())


@settings(max_examples=20)
@given(st.lists(st.text(st.characters(exclude_categories=[]), max_size=20), min_size=1, max_size=3))
def test_no_caption_crashes(captions):
    contact_sheet([Image.new("L", (8, 8))] * len(captions), captions, cell=(30, 10))


@pytest.mark.parametrize(
    ("pictures", "options", "problem"),
    [
        (0, {}, "there is no picture"),
        (2, {"captions": ["one"]}, "1 captions for 2 pictures"),
        (1, {"columns": 0}, "columns"),
        (1, {"cell": (0, 5)}, "cell"),
    ],
)
def test_refusals(pictures, options, problem):
    with pytest.raises(BadInput, match=problem):
        contact_sheet([Image.new("RGB", (4, 4))] * pictures, **options)
