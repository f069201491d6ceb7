"""The page in a real browser: search, large pictures, and nothing that runs or asks for anything from outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from api_graph.report.page import Comparison, write_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

Open = Callable[..., Any]

# Contrast of the first such element's text with what is behind it (WCAG 2.2, relative luminance).
CONTRAST = """(selector) => {
    const luminance = (colour) => {
        const parts = colour.match(/[\\d.]+/g).map((part) => part / 255);
        const linear = parts.slice(0, 3).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const element = document.querySelector(selector);
    let behind = element;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    const text = luminance(getComputedStyle(element).color);
    const paper = luminance(getComputedStyle(behind).backgroundColor);
    return (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], headless=True)


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """`opened(folder)` writes the report of a folder and opens it; at the end nothing must have gone wrong in it."""
    troubles: list[str] = []
    contexts = []

    def open_page(folder: Path, comparisons: Sequence[Comparison] = (), **options: Any) -> Any:
        report = write_report(folder, comparisons=comparisons)
        address = report.page.resolve().as_uri()
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: _note_request(request.url, address, troubles))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _note_request(url: str, own: str, troubles: list[str]) -> None:
    if url.partition("#")[0] != own and not url.startswith("data:"):
        troubles.append(f"request: {url}")


def shown(page: Any, selector: str = ".card") -> list[int]:
    """Numbers of the rows that can be seen."""
    return [int(row.get_attribute("data-row")) for row in page.locator(f"{selector}:visible").all()]


def test_search(opened: Open, finished_run: Path) -> None:
    page = opened(finished_run)
    for words, rows in {
        "": list(range(12)),
        "ORANGE": [3, 7],
        "#1": [1],
        "p11.png": [11],
        "shape what 8": [8],
        "too long": [9],
        "no such thing": [],
        "<": [],
        "annotated": [],  # the page's own words are not searched
    }.items():
        page.get_by_role("searchbox").fill(words)
        assert shown(page) == rows, words
        assert shown(page, ".list tr[data-row]") == rows, words
        assert page.locator("#found").inner_text() == f"{len(rows)} with pictures, {len(rows)} listed"


def test_filters(opened: Open, finished_run: Path) -> None:
    page = opened(finished_run)
    page.get_by_role("button", name="Failed").click()
    assert shown(page) == [9, 10, 11]
    assert page.locator("[aria-pressed=true]").all_inner_texts() == ["Failed"]
    page.get_by_role("searchbox").fill("#10")
    assert shown(page) == [10]
    page.get_by_role("button", name="Ok").click()
    assert shown(page) == []
    page.get_by_role("searchbox").fill("")
    assert shown(page) == list(range(9))
    page.get_by_role("button", name="All").click()
    assert shown(page) == list(range(12))


def test_large_pictures_by_keyboard(opened: Open, finished_run: Path) -> None:
    page = opened(finished_run)
    dialog, caption = page.locator("dialog"), page.locator("#caption")
    page.keyboard.press("/")
    page.keyboard.type("#2")
    assert shown(page) == [2]
    page.locator(".card:visible button").first.focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible()
    assert caption.inner_text() == "Row 2, original: p2.png"
    assert not page.locator("#file").is_visible()
    for name in ("Map: map_00001_.png", "Annotated image: annotated_00001_.png"):
        page.keyboard.press("ArrowRight")
        assert caption.inner_text() == f"Row 2, {name}"
    page.keyboard.press("ArrowRight")  # there is no next one among the rows that are shown
    assert caption.inner_text() == "Row 2, Annotated image: annotated_00001_.png"
    link = page.locator("#file").get_attribute("href")
    assert (finished_run / link).is_file()
    assert page.locator("#picture").evaluate("image => image.complete && image.naturalWidth") == 192
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    # The focus returns soon after the dialog has closed. Not `wait_for_function`: the page's policy forbids `eval`.
    page.locator("button[data-file='annotated_00001_.png']:focus").wait_for()


def test_large_pictures_by_mouse(opened: Open, finished_run: Path) -> None:
    page = opened(finished_run)
    page.get_by_role("button", name="Row 4, Map").click()
    page.get_by_role("button", name="Previous").click()
    assert page.locator("#caption").inner_text() == "Row 4, original: p4.png"
    page.mouse.click(5, 5)  # outside of it
    assert not page.locator("dialog").is_visible()


def test_causes_unfold(opened: Open, finished_run: Path) -> None:
    page = opened(finished_run)
    assert not page.get_by_text("What colour is shape 9?").first.is_visible()
    page.locator("summary", has_text="too long").click()
    assert page.locator("details li").filter(visible=True).all_inner_texts()[0].startswith("#9")


def test_pictures_are_drawn(opened: Open, finished_run: Path) -> None:
    page = opened(finished_run)
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    images = "[...document.querySelectorAll('.card img')]"
    page.evaluate(f"Promise.all({images}.map((image) => image.decode()))")
    assert page.evaluate(f"{images}.every((image) => image.naturalWidth > 0)")
    assert page.locator(".card img").count() == 30
    assert page.locator(".missing").all_inner_texts() == ["not in the input folders"] * 2


def test_hostile_texts_do_nothing(opened: Open, made: Any) -> None:
    texts = [
        "<script>window.hacked = 1</script>",
        "</script></style></title><img src=http://127.0.0.1:9/x onerror='window.hacked = 1'>",
        '" onmouseover="window.hacked = 1" style="background:url(http://127.0.0.1:9/y)" \'',
        "javascript:window.hacked=1",
    ]
    records = []
    for row, text in enumerate(texts):
        error = {"message": text, "node": text, "title": text, "kind": "node"}
        values, steps = {"picture": text, text: text}, {text: 1}
        for ok in (True, False):
            number = 2 * row + ok
            more = {"texts": {text: [text]}, "files": {text: [text]}, "error": None if ok else error}
            records.append(made.record(number, ok=ok, values=values, steps=steps, **more))
    everything = "".join(texts)
    facts = {"graph_name": everything, "device": everything, "arguments": {everything: everything}, "graph": {}}
    page = opened(made.write(records, made.manifest(**facts)))
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    for selector in (".card", ".tile", "th", "dd"):
        for element in page.locator(selector).all()[:20]:
            element.hover()
    assert page.evaluate("window.hacked") is None
    assert page.title() == everything[:119] + "…"
    assert page.locator(".card dd").first.inner_text() == texts[0]
    page.get_by_role("searchbox").fill("<script>window.hacked")
    assert shown(page) == [0, 1]


def test_the_policy_stops_what_would_run(browser: Any, finished_run: Path) -> None:
    """Were a text ever to become markup, the browser would still refuse it."""
    page = browser.new_page()
    page.goto(write_report(finished_run).page.resolve().as_uri())
    blocked = page.evaluate(
        """async () => {
            const blocked = [];
            document.addEventListener("securitypolicyviolation", (e) => blocked.push(e.effectiveDirective));
            const add = (tag, text) => document.body.append(Object.assign(document.createElement(tag), text));
            add("script", { textContent: "window.hacked = 1" });
            add("img", { src: "https://example.invalid/x.png" });
            add("iframe", { src: "https://example.invalid/" });
            document.body.insertAdjacentHTML("beforeend", "<b onclick='window.hacked = 1' style='color: red'>x</b>");
            document.body.lastElementChild.click();
            await new Promise((done) => setTimeout(done, 100));
            return blocked.sort();
        }"""
    )
    assert blocked == ["frame-src", "img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    assert page.evaluate("window.hacked") is None
    page.close()


def test_it_fits_every_screen(opened: Open, made: Any) -> None:
    long = "antidisestablishmentarianism" * 20
    values = {"picture": long, long: long, "q": "مرحبا بالعالم " * 20}
    record = made.pictured(0, values=values, texts={"20": [long]})
    failed = made.record(1, ok=False, values=values, error={"message": long, "node": "1", "title": long})
    page = opened(made.write([record, failed], made.manifest(graph_name=long, device=long, arguments={long: long})))
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    for width in (320, 390, 768, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(246, 247, 249)"), ("dark", "rgb(18, 22, 28)")])
def test_light_and_dark(opened: Open, finished_run: Path, scheme: str, paper: str) -> None:
    page = opened(finished_run, color_scheme=scheme)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    for selector in (".tile small", ".hint", ".error", ".state.ok", ".state.failed", "figcaption", ".values dt"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector  # WCAG 2.2, AA


def test_without_its_script_the_page_can_be_read(opened: Open, finished_run: Path) -> None:
    page = opened(finished_run, java_script_enabled=False)
    assert page.locator(".card").count() == 12
    assert not page.get_by_role("searchbox").is_visible()
