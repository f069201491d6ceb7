"""The page opens, a graph is dropped onto it and runs."""

from __future__ import annotations

from typing import Any

from tests.editor.browser.conftest import ROOT, WINDOW, Pictures
from tests.editor.browser.editor import Editor

CLS = ROOT / "graphs" / "api_clip_cls.json"


def test_a_new_page_opens_with_a_graph_and_complains_of_nothing(browser: Any, server: str, picture: Pictures):
    page = browser.new_context(viewport=WINDOW).new_page()
    editor = Editor(page, server).open()
    page.wait_for_timeout(1500)
    editor.screenshot(picture("first"))
    titles = {node["title"] for node in editor.nodes().values()}
    assert {"image", "query", "Load CLIP", "Alpha blend"} <= titles
    assert editor.problems == []
    page.context.close()


def test_drop_a_graph_run_it_and_see_heatmap_and_text_in_the_nodes(drawn: Editor, picture: Pictures):
    drawn.drop_graph(CLS)
    run = drawn.run()
    assert run.ending == "execution_success"
    drawn.fit()
    drawn.screenshot(picture("run"))
    for title in ("Annotated image", "Heatmap", "Side by side"):
        id = drawn.node(title)
        (image,) = run.shown[id]["images"]
        assert any(image["filename"] in url for url in drawn.nodes()[id]["images"])
    figures = run.shown[drawn.node("Figures")]["text"]
    assert "entropy" in "".join(figures)
