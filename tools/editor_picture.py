"""Makes docs/editor.png: `api-graph edit` in Chromium after a run of graphs/api_clip_cls.json.

    python tools/editor_picture.py [--chromium PATH]

Needs the extra `editor`, playwright and Chromium. The nodes are moved together, so that all of them fit into the
picture.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from api_graph.editor.server import EditorServer, Options  # noqa: E402
from tests.editor.browser.editor import Editor  # noqa: E402

GRAPH = ROOT / "graphs" / "api_clip_cls.json"
PICTURE = ROOT / "docs" / "editor.png"
WINDOW = {"width": 1400, "height": 900}
SCALE = 0.56
GAP = 100
COLUMNS = {  # titles from top to bottom, by the column's left edge and width
    (120, 300): ("image", "Load CLIP", "query"),
    (480, 280): ("Encode image", "Encode query", "captions"),
    (820, 280): ("Ψ cls", "Normalize map", "Resize to pixels", "Mean filter", "Figures"),
    (1160, 280): ("Heatmap overlay", "Alpha blend"),
    (1490, 430): ("Heatmap", "Annotated image"),
    (1980, 460): ("Gather images", "Contact sheet", "Side by side"),
}
HEIGHTS = {"image": 360, "Heatmap": 430, "Annotated image": 430, "Side by side": 300, "query": 160, "captions": 170}
HEIGHTS |= {"Encode query": 220, "Figures": 210}
ARRANGE = """([columns, heights, gap, scale]) => {
    for (const [x, width, titles] of columns) {
        let y = 240;
        for (const title of titles) {
            const node = app.graph.nodes.find((node) => node.title === title);
            node.pos = [x, y];
            node.setSize([width, Math.max(heights[title] ?? 0, node.computeSize()[1])]);
            y += node.size[1] + gap;
        }
    }
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset = [0, 0];
    app.graph.setDirtyCanvas(true, true);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EditorServer(Options(Path(folder), port=0)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chosen.chromium, args=["--no-sandbox"])
        editor = Editor(browser.new_page(viewport=WINDOW), server.url).open()
        take(editor)
        browser.close()


def take(editor: Editor) -> None:
    editor.setting("Comfy.Minimap.Visible", False)
    editor.setting("Comfy.Graph.CanvasInfo", False)
    editor.setting("LiteGraph.Canvas.MinFontSizeForLOD", 0)  # text at any zoom
    editor.renderer(vue=False)
    editor.empty()
    editor.drop_graph(GRAPH)
    assert editor.run().ending == "execution_success"
    columns = [(x, width, titles) for (x, width), titles in COLUMNS.items()]
    editor.ask(ARRANGE, [columns, HEIGHTS, GAP, SCALE])
    editor.page.wait_for_timeout(6000)  # the notice of the finished job goes
    editor.screenshot(PICTURE)


if __name__ == "__main__":
    main()
