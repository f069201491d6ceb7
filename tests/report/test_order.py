"""The page in a real browser: rows sorted by the figures that nodes gave, and grouped by their image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api_graph.report.page import Comparison, write_report
from tests.report.test_browser import browser, opened, pytestmark, shown  # noqa: F401

Open = Callable[..., Any]

PEAKS = (2.5, -1.0, None, 10.0, 0.125, 2.5)
IMAGES = ("b.png", "a.png", "b.png", "a.png", "c.png", "b.png")


@pytest.fixture
def measured(made: Any) -> Path:
    """Six rows about three images, of which five have a peak, and one a figure of another node."""
    records = []
    for row, (peak, image) in enumerate(zip(PEAKS, IMAGES, strict=True)):
        outputs: dict[str, Any] = {} if peak is None else {"20": {"peak": [peak], "many": [1.0, 2.0], "text": "x"}}
        if row == 4:
            outputs["19"] = {"score": 1, "sure": True}
        values = {"picture": image, "question": f"q{row}"}
        records.append(made.record(row, values=values, outputs=outputs, seconds=1.0 / (row + 1)))
    return made.write(records)


def rows(page: Any) -> list[int]:
    return shown(page, ".list tr[data-row]")


def headings(page: Any, holder: str) -> list[str]:
    return [one.inner_text() for one in page.locator(f"{holder} .group:visible").all()]


def test_sorted_by_a_figure(opened: Open, measured: Path) -> None:  # noqa: F811
    page = opened(measured)
    columns = page.locator(".list thead th")
    assert columns.all_inner_texts() == ["row", "values", "answer", "Answer.peak", "APQueryLVLM.score", "time"]
    peak = page.get_by_role("button", name="Answer.peak")
    peak.click()
    assert rows(page) == [3, 0, 5, 4, 1, 2]  # 10, twice 2.5, 0.125, -1, and the row that has none
    assert columns.nth(3).get_attribute("aria-sort") == "descending"
    peak.click()
    assert rows(page) == [1, 4, 0, 5, 3, 2]
    assert columns.nth(3).get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="APQueryLVLM.score").click()
    assert rows(page) == [4, 0, 1, 2, 3, 5]
    assert columns.nth(3).get_attribute("aria-sort") is None
    page.get_by_role("button", name="time").click()
    assert rows(page) == [0, 1, 2, 3, 4, 5]
    page.get_by_role("button", name="row", exact=True).click()
    assert rows(page) == [5, 4, 3, 2, 1, 0]
    assert shown(page) == [0, 1, 2, 3, 4, 5]  # the contact sheet stays as it was


def test_grouped_by_image(opened: Open, measured: Path) -> None:  # noqa: F811
    page = opened(measured)
    group = page.get_by_role("button", name="Group by image")
    group.click()
    assert shown(page) == rows(page) == [0, 2, 5, 1, 3, 4]
    assert headings(page, ".cards") == headings(page, ".list") == ["b.png (3)", "a.png (2)", "c.png (1)"]
    page.get_by_role("button", name="Answer.peak").click()
    assert rows(page) == [0, 5, 2, 3, 1, 4]  # within each image
    page.get_by_role("searchbox").fill("q3")
    assert (rows(page), headings(page, ".list"), headings(page, ".cards")) == ([3], ["a.png (2)"], ["a.png (2)"])
    page.get_by_role("searchbox").fill("")
    group.click()
    assert headings(page, "main") == []
    assert (shown(page), rows(page)) == ([0, 1, 2, 3, 4, 5], [3, 0, 5, 4, 1, 2])


def test_a_name_that_is_markup_stays_a_text(opened: Open, made: Any) -> None:  # noqa: F811
    name = "<img src=x onerror='window.hacked = 1'>.png"
    records = [made.record(row, values={"picture": name if row < 2 else "b.png"}) for row in range(3)]
    page = opened(made.write(records))
    page.get_by_role("button", name="Group by image").click()
    assert headings(page, ".cards") == [f"{name} (2)", "b.png (1)"]
    assert page.evaluate("window.hacked") is None


def test_a_comparison_is_linked(opened: Open, measured: Path) -> None:  # noqa: F811
    page = opened(measured, comparisons=[Comparison("<b>New</b> is better.", "a%20page.html")])
    link = page.get_by_role("link", name="Compared row by row")
    assert link.get_attribute("href") == "a%20page.html"
    assert "<b>New</b> is better." in page.locator("header").inner_text()


def test_no_group_where_nothing_is_to_be_grouped(finished_run: Path) -> None:
    assert 'id="group"' not in write_report(finished_run).page.read_text("utf-8")
