"""The page opens, a graph is dropped onto it and runs."""

from __future__ import annotations

from typing import Any

from tests.editor.browser.conftest import ROOT, WINDOW, Pictures
from tests.editor.browser.editor import Editor

CLS = ROOT / "graphs" / "api_clip_cls.json"


def test_a_new_page_opens_with_a_graph_and_complains_of_nothing(browser: Any, server: str, picture: Pictures):
    page = browser.new_context(viewport=WINDOW).new_page()
    editor = Editor(page, server).open()
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
    for title in ("Annotated image", "Heatmap", "Side by side"):
        (image,) = run.shown[drawn.node(title)]["images"]
        assert any(image["filename"] in url for url in drawn.images(title))
    drawn.screenshot(picture("run"))
    (figures,) = run.shown[drawn.node("Figures")]["text"]
    assert "entropy" in figures
    assert drawn.page.get_by_label("What the node said").input_value() == figures
