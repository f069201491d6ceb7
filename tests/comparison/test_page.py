"""The page of a comparison: its rows side by side; inert whatever the results hold, also in a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_graph.comparison.compare import compare_results
from api_graph.comparison.page import ComparisonPage, write_comparison
from api_graph.errors import BadInput
from api_graph.report.text import clean
from tests.report.test_page import HOSTILE, Read, assert_inert

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


def rows(answers: list[str], *, pictures: bool, colour: str) -> list[dict[str, Any]]:
    return [
        {
            "values": {"image": f"p{n}.png", "query": f"What colour is shape {n}?", "truth": "red"},
            "results": {"Answer": {"text": answer}},
            "texts": {"9": [answer]},
            "files": {"10": [f"files/{n}.png"]} if pictures else {},
        }
        for n, answer in enumerate(answers)
    ]


@pytest.fixture
def folders(runs: Any) -> list[Path]:
    """Five rows: both right, better, worse, both wrong, worse."""
    pictures = runs.root / "pictures"
    pictures.mkdir()
    for n in range(5):
        Image.new("RGB", (60, 40), "grey").save(pictures / f"p{n}.png")
    inputs = {"inputs": [str(pictures)], "columns": {"image": "image"}}
    one = runs.run("plain", rows(["red", "no", "red", "no", "red"], pictures=False, colour=""), **inputs)
    other = runs.run("annotated", rows(["red", "red", "no", "no", "blue"], pictures=True, colour="red"), **inputs)
    (other / "files").mkdir()
    for n in range(5):
        Image.new("RGB", (60, 40), "red").save(other / "files" / f"{n}.png")
    return [one, other]


def written(folders: list[Path], out: Path, **options: Any) -> tuple[ComparisonPage, Read]:
    page = write_comparison(compare_results(folders, truth="truth"), out, **options)
    return page, Read(out.read_text("utf-8"))


def test_the_rows(folders: list[Path], tmp_path: Path) -> None:
    result, page = written(folders, tmp_path / "page.html")
    assert (result.differ, result.differ_shown, result.shown) == (3, 3, 5)
    found = [(a["data-row"], a["data-kind"]) for a in page.attributes("article")]
    assert found == [("0", "same"), ("1", "better"), ("2", "worse"), ("3", "same"), ("4", "worse")]
    assert page.texts["h1"] == ["plain and annotated"]
    sides = [text for text in page.texts["span"] if text in ("plain", "annotated", "right", "wrong")]
    scored = [("right", "right"), ("wrong", "right"), ("right", "wrong"), ("wrong", "wrong"), ("right", "wrong")]
    assert sides == [text for one, other in scored for text in ("plain", one, "annotated", other)]
    coloured = [a["class"] for a in page.attributes("span") if (a.get("class") or "").startswith("number state")]
    assert coloured == [f"number state {kind}" for kind in ("better", "worse", "worse")]
    assert page.texts["figcaption"][:2] == ["original", "10"]
    assert {"red", "no", "blue", "p4.png", "What colour is shape 4?"} <= set(page.texts["dd"])
    shows = [a.get("data-show") for a in page.attributes("button") if "data-show" in a]
    assert shows == ["all", "better", "worse", "same"]
    assert_inert(page)


def test_what_is_said_above(folders: list[Path], tmp_path: Path) -> None:
    _, page = written(folders, tmp_path / "page.html")
    compared = compare_results(folders, truth="truth")
    assert compared.pairs[0].verdict in page.texts["p"]
    assert "3 of 5 differ. Better and worse, higher and lower: than plain." in page.texts["p"]
    assert "60.0 (23.1 to 88.2)" in page.texts["td"]


@pytest.mark.parametrize(
    ("most", "differ", "same", "said"),
    [
        (2, 2, 0, "3 of 5 differ; 2 of them are shown, evenly spread. Of the 2 that are the same, 0 are shown."),
        (4, 3, 1, "3 of 5 differ. Of the 2 that are the same, 1 is shown."),
        (0, 0, 0, "3 of 5 differ; 0 of them are shown, evenly spread. Of the 2 that are the same, 0 are shown."),
    ],
)
def test_no_more_than_wanted(folders: list[Path], tmp_path: Path, most: int, differ: int, same: int, said: str) -> None:
    """Those that differ come first."""
    result, page = written(folders, tmp_path / "page.html", most=most)
    assert (result.differ, result.differ_shown, result.shown) == (3, differ, differ + same)
    kinds = [a["data-kind"] for a in page.attributes("article")]
    assert (len(kinds), kinds.count("same")) == (differ + same, same)
    assert any(text.startswith(said) for text in page.texts["p"])


def test_a_page_of_large_pictures_is_small(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api_graph.comparison.page._BYTES", 3000)
    result, page = written(folders, tmp_path / "page.html")
    assert 0 < result.shown < 3
    assert len(page.attributes("article")) == result.shown


def test_a_row_that_the_results_have_lost(runs: Any, tmp_path: Path) -> None:
    one, other = (runs.scored(name, {"a": 1, "b": score}, truth="t") for name, score in (("one", 1), ("other", 0)))
    lines = (other / "results.jsonl").read_bytes().splitlines(keepends=True)
    (other / "results.jsonl").write_bytes(lines[0])
    write_comparison(compare_results([one, other]), tmp_path / "page.html")
    page = Read((tmp_path / "page.html").read_text("utf-8"))
    assert "there is no such row in the results" in page.texts["span"]
    assert {"b", "t"} <= set(page.texts["dd"])  # the item, and the truth


def test_several_sides(runs: Any, tmp_path: Path) -> None:
    folders = [runs.scored(name, scores) for name, scores in (("x", {"a": 0.3}), ("y", {"a": 0}), ("z", {"a": 1}))]
    write_comparison(compare_results(folders), tmp_path / "page.html")
    page = Read((tmp_path / "page.html").read_text("utf-8"))
    assert [a["data-kind"] for a in page.attributes("article")] == ["mixed"]
    assert page.texts["h1"] == ["x, y and z"]
    assert [text for text in page.texts["span"] if text in ("30 %", "wrong", "right")] == ["30 %", "wrong", "right"]


def hostile(runs: Any, *, numbered: bool) -> list[Path]:
    found = []
    for name in ("one", "other" if numbered else "o<b>ther"):
        made = [
            {
                "values": {"item": text, text: text, "truth": text, "image": text},
                "results": {text: {"n": number if name == "one" else -number}, "Answer": {"text": text}},
                "texts": {text: [text]},
                "files": {text: [text]},
            }
            for number, text in enumerate(HOSTILE, start=1)
        ]
        title = HOSTILE[0]
        for row in made:
            row["results"]["F"] = {title: next(iter(row["results"].values()))["n"]}
        found.append(runs.run(name, made, graph_name=HOSTILE[0]))
    return found


def test_hostile_texts_are_texts(runs: Any, tmp_path: Path) -> None:
    compared = compare_results(hostile(runs, numbered=False), f"F.{HOSTILE[0]}", by="truth")
    write_comparison(compared, tmp_path / "page.html")
    page = Read((tmp_path / "page.html").read_text("utf-8"))
    assert_inert(page)
    assert len(page.attributes("article")) == len(HOSTILE)
    for text in HOSTILE:
        assert page.texts["dd"].count(clean(text)) >= 3


def test_it_cannot_be_written(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="--page: it cannot be written"):
        written(folders, tmp_path / "file" / "page.html")


# -------------------------------------------------------------------------------------------- in a browser


@pytest.fixture
def troubles() -> Iterator[list[str]]:
    """What went wrong in the page: nothing, at the end."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_in_a_browser(folders: list[Path], runs: Any, tmp_path: Path, troubles: list[str]) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    written(folders, tmp_path / "page.html")
    compared = compare_results(hostile(runs, numbered=True), f"F.{HOSTILE[0]}", by="truth")
    write_comparison(compared, tmp_path / "hostile.html")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: None if _is_own(request.url, tmp_path) else troubles.append(request.url))
        page.goto((tmp_path / "page.html").as_uri())

        def shown() -> list[str]:
            return [one.get_attribute("data-row") for one in page.locator(".card:visible").all()]

        assert shown() == ["0", "1", "2", "3", "4"]
        page.get_by_role("button", name="Better", exact=True).click()
        assert shown() == ["1"] and page.locator("#found").inner_text() == "1 shown"
        page.get_by_role("button", name="Worse", exact=True).click()
        assert shown() == ["2", "4"]
        page.get_by_role("button", name="Same", exact=True).click()
        assert shown() == ["0", "3"]
        page.get_by_role("button", name="Worse", exact=True).click()
        page.get_by_role("searchbox").fill("blue")
        assert shown() == ["4"]
        page.locator(".card:visible .pictures button").last.click()
        assert page.locator("#caption").inner_text() == "Row 4, 10: 4.png"
        assert page.locator("#picture").evaluate("image => image.complete && image.naturalWidth") == 60
        page.keyboard.press("ArrowLeft")
        assert page.locator("#caption").inner_text() == "Row 4, original: p4.png"
        page.keyboard.press("Escape")
        # Side by side on a wide screen, one below the other on a narrow one; never wider than the screen.
        boxes = [one.bounding_box() for one in page.locator(".card:visible .side").all()]
        assert len({box["y"] for box in boxes}) == 1 and len({box["x"] for box in boxes}) == 3
        page.set_viewport_size({"width": 390, "height": 844})
        boxes = [one.bounding_box() for one in page.locator(".card:visible .side").all()]
        assert len({box["y"] for box in boxes}) == 3 and len({box["x"] for box in boxes}) == 1
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.goto((tmp_path / "hostile.html").as_uri())
        for card in page.locator(".card").all():
            card.hover()
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        browser.close()


def _is_own(url: str, folder: Path) -> bool:
    return url.startswith(("data:", folder.as_uri()))
