"""The page of an answer's words: what it says, and in a real browser, that a word that is clicked shows its map."""

from __future__ import annotations

import io
import os
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.word_page import words_page
from api_graph.lvlm.words import Word, WordMaps
from api_graph.pixels.overlay import color_table
from api_graph.sockets import Attribution

SIZE = (320, 160)
GREY = Image.new("RGB", SIZE, (100, 100, 100))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


def word(text: str, start: int, *values: float) -> Word:
    """A word whose map has one row of cells over the whole picture."""
    maps = Attribution(torch.tensor([[[*values]]]), (Geometry.whole(*SIZE),))
    return Word(text, start, start + len(text), (0,), maps)


ANSWER = "A red <b>, a blue car."
ATTENTION = WordMaps(
    ANSWER,
    (word("red", 2, 0.0, 0.5), word("b", 7, 0.1, 0.2), word("blue", 13, 1.0, 0.0), word("car", 18, 0.4, 0.0)),
    "What is <there> & why?",
)
ACTIVATION = WordMaps(ANSWER, (word("red", 2, 1.0, 0.0), word("car", 18, 0.0, 1.0)), "", "activation")


def heats(page: str, reading: int = 0) -> list[np.ndarray[Any, Any]]:
    """The palette's numbers of each heatmap of the page, in its order; (80, 160)."""
    uris = re.findall(rf'data-heat-{reading}="data:image/png;base64,([^"]*)"', page)
    return [np.asarray(Image.open(io.BytesIO(b64decode(uri)))) for uri in uris]


def test_each_word_has_its_map() -> None:
    found = heats(words_page(GREY, [ATTENTION]))
    assert [one.shape for one in found] == [(80, 160)] * 5
    left, right = [one[:, :20].mean() for one in found], [one[:, -20:].mean() for one in found]
    for i, (low, high) in enumerate(zip(left[:4], right[:4], strict=True)):
        assert (low < 10 and high > 245) if i < 2 else (low > 245 and high < 10)
    # The last is the mean of 0 1, 0 1, 1 0 and 1 0, which is flat.
    assert left[4] == right[4] == 0


def test_colours_that_compare() -> None:
    found = heats(words_page(GREY, [ATTENTION], scale="answer"))
    assert [round(float(one[0, 0]) / 255, 1) for one in found[:4]] == [0.0, 0.1, 1.0, 0.4]
    assert [round(float(one[0, -1]) / 255, 1) for one in found[:4]] == [0.5, 0.2, 0.0, 0.0]


def test_the_palette_is_the_colour_map() -> None:
    page = words_page(GREY, [ATTENTION], colormap="viridis")
    uri = re.findall(r'data-heat-0="data:image/png;base64,([^"]*)"', page)[0]
    colours = np.asarray(Image.open(io.BytesIO(b64decode(uri))).convert("RGB"))
    assert np.abs(colours[0, -1] / 255 - color_table("viridis")[255].numpy()).max() < 0.01


def test_the_answer_is_whole_and_never_markup() -> None:
    page = words_page(GREY, [ATTENTION, ACTIVATION])
    body = re.findall(r'<p class="answer".*?</p>', page, re.DOTALL)[0]
    assert unescape(re.sub(r"<[^>]*>", "", body)) == ANSWER
    assert "<there>" not in page and "What is &lt;there&gt; &amp; why?" in page
    assert re.findall(r'data-strength="(\d+)"', page) == ["50", "20", "100", "40"]
    assert "://" not in page and len(page) < 100_000


def test_an_answer_without_words() -> None:
    assert "The answer is empty." in words_page(GREY, [WordMaps("", ())])
    assert "<span>...</span>" in words_page(GREY, [WordMaps("...", ())])


def test_refusals() -> None:
    with pytest.raises(BadInput, match="beside: it is of another answer"):
        words_page(GREY, [ATTENTION, WordMaps("red", ())])
    with pytest.raises(BadInput, match="words: the maps are of an image of 320×160 pixels, and this one has 9×9"):
        words_page(Image.new("RGB", (9, 9)), [ATTENTION])
    with pytest.raises(BadInput, match="colormap"):
        words_page(GREY, [ATTENTION], colormap="jet")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ in a browser

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], headless=True)


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """`opened(readings)` opens their page; at the end nothing must have gone wrong in it, nor been asked for."""
    troubles: list[str] = []
    contexts = []

    def open_page(readings: list[WordMaps], **options: Any) -> Any:
        file = tmp_path / "words.html"
        file.write_text(words_page(GREY, readings), "utf-8")
        context = browser.new_context(viewport={"width": 1000, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: _note(request.url, file.as_uri(), troubles))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _note(url: str, own: str, troubles: list[str]) -> None:
    if url != own and not url.startswith("data:"):
        troubles.append(f"request: {url}")


def chosen(page: Any) -> list[str]:
    return page.locator("[aria-pressed=true]").all_inner_texts()


def colours(page: Any, reading: int = 0) -> tuple[list[int], list[int]]:
    """What is seen near the left and the right end of a picture, (R, G, B)."""
    shot = page.locator(".frame").nth(reading).screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    row = pixels[len(pixels) // 2]
    return row[10].tolist(), row[-10].tolist()


def blended(level: int, opacity: float = 0.6) -> list[float]:
    """The grey picture under a colour of turbo."""
    return [100 * (1 - opacity) + opacity * 255 * float(value) for value in color_table("turbo")[level]]


def near(one: list[int], other: list[float]) -> bool:
    return all(abs(a - b) <= 4 for a, b in zip(one, other, strict=True))


def test_a_word_that_is_clicked_shows_its_map(opened: Open) -> None:
    page = opened([ATTENTION])
    assert page.title() == "What is <there> & why?"
    assert chosen(page) == ["red"]
    left, right = colours(page)
    assert near(left, blended(0)) and near(right, blended(255))
    page.get_by_role("button", name="blue").click()
    assert chosen(page) == ["blue"]
    assert page.locator("#said").inner_text() == "Word 3 of 4: “blue”"
    left, right = colours(page)
    assert near(left, blended(255)) and near(right, blended(0))
    page.get_by_role("button", name="All words").click()
    assert chosen(page) == ["All words"] and page.locator("#said").inner_text() == "The mean of all 4 words"
    assert near(colours(page)[0], blended(0)) and near(colours(page)[1], blended(0))


def test_keys_and_buttons_go_from_word_to_word(opened: Open) -> None:
    page = opened([ATTENTION])
    for key, word_now in (("ArrowLeft", "red"), ("ArrowRight", "b"), ("ArrowRight", "blue"), ("ArrowRight", "car")):
        page.keyboard.press(key)
        assert chosen(page) == [word_now]
    page.keyboard.press("ArrowRight")  # it is the last
    assert chosen(page) == ["car"]
    page.keyboard.press("ArrowUp")
    assert chosen(page) == ["blue"] and page.locator(".word:focus").inner_text() == "blue"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert chosen(page) == ["car"]
    page.get_by_role("button", name="Previous").click()
    assert chosen(page) == ["blue"]
    page.get_by_role("button", name="Next").click()
    assert chosen(page) == ["car"]


def test_the_colours_can_be_weakened(opened: Open) -> None:
    page = opened([ATTENTION])
    page.locator("#opacity").focus()
    page.keyboard.press("ArrowRight")
    assert near(colours(page)[1], blended(255, opacity=0.61))
    page.keyboard.press("Home")
    assert chosen(page) == ["red"]  # its keys are the slider's own
    assert near(colours(page)[1], [100, 100, 100])
    page.keyboard.press("End")
    assert near(colours(page)[1], blended(255, opacity=1.0))


def test_two_readings_show_the_same_word(opened: Open) -> None:
    page = opened([ATTENTION, ACTIVATION])
    assert page.locator("figcaption b").all_inner_texts() == ["Attention", "Activation (TAM)"]
    assert near(colours(page, 0)[1], blended(255)) and near(colours(page, 1)[0], blended(255))
    page.get_by_role("button", name="blue").click()
    assert page.locator(".none:visible").count() == 1  # no activation map of "blue"
    assert near(colours(page, 1)[1], [100, 100, 100])
    page.get_by_role("button", name="car").click()
    assert page.locator(".none:visible").count() == 0
    assert near(colours(page, 0)[0], blended(255)) and near(colours(page, 1)[1], blended(255))


def test_pages_without_words_and_on_a_narrow_dark_screen(opened: Open) -> None:
    assert opened([WordMaps("", ())]).locator(".frame:visible").count() == 1
    page = opened([ATTENTION, ACTIVATION], color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
