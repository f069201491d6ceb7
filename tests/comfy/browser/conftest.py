"""The pack's extensions of the editor in a real browser, over `api-graph edit`, and over ComfyUI itself where
API_GRAPH_COMFYUI names a checkout (see test_real_comfyui.py).

Skipped where playwright, Chromium or the frontend's package is missing. `API_GRAPH_CHROMIUM` names another Chromium
than the one in the path; `API_GRAPH_SCREENSHOTS` a folder that keeps pictures for people to look at.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_graph.draw.workflow import to_workflow
from api_graph.graph import read_graph
from api_graph.registry import own_nodes
from tests.comfy.real import RealComfyUI

CHROMIUM = os.environ.get("API_GRAPH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
NEEDED = ("playwright", "comfyui_frontend_package", "aiohttp")
MISSING = [name for name in NEEDED if find_spec(name) is None] + ([] if CHROMIUM else ["chromium"])

GRAPH = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "api_graph_example.png"}},
    "2": {
        "class_type": "APBoxes",
        "inputs": {"image": ["1", 0], "boxes": "# two\n200, 50, 280, 130\n350, 160, 430, 240", "format": "xyxy"},
    },
    "3": {"class_type": "APDrawBox", "inputs": {"image": ["1", 0], "boxes": ["2", 0], "together": True}},
    "4": {"class_type": "APCompareImages", "inputs": {"before": ["1", 0], "after": ["3", 0]}},
    "5": {"class_type": "APText", "inputs": {"text": "<b>what</b> is it?"}},
    "6": {"class_type": "APShowText", "inputs": {"value": ["5", 0]}},
}
"""480×320 pixels, two boxes."""


CHECKOUT = os.environ.get("API_GRAPH_COMFYUI")

KNOWN = (
    "Attempted to cleanup event listeners for graph that was never set up",  # 1.35.9, when a subgraph is entered
    "ComfyApp graph accessed before initialization",  # ComfyUI's page, at its start
    "Content Security Policy",  # ComfyUI's page, which asks the network for more than it lets itself
)
"""What the frontend says of itself."""


@dataclass(frozen=True)
class Served:
    """Where an editor is: `api-graph edit`, which is our `own`, or ComfyUI's."""

    url: str
    own: bool


@pytest.fixture(scope="session", params=["edit", "comfyui"] if CHECKOUT else ["edit"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if MISSING:
        pytest.skip(f"missing: {', '.join(MISSING)}")
    if request.param == "edit":
        from api_graph.editor.server import EditorServer, Options

        with EditorServer(Options(folder=tmp_path_factory.mktemp("editor"), port=0)) as running:
            yield Served(running.url.rstrip("/"), own=True)
        return
    comfyui = RealComfyUI(Path(CHECKOUT or ""), tmp_path_factory.mktemp("comfyui"))
    try:
        comfyui.wait_until_ready()
        yield Served(comfyui.url, own=False)
    finally:
        comfyui.stop()


@pytest.fixture(scope="module")  # while Playwright is there, the thread has an event loop: others want their own
def browser() -> Iterator[Any]:
    if MISSING:
        pytest.skip(f"missing: {', '.join(MISSING)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module", params=[False, True], ids=["canvas", "vue"])
def opened(request: pytest.FixtureRequest, server: Served, browser: Any) -> Iterator[Editor]:
    """A page with the editor, drawn by either of the frontend's two renderers."""
    page = browser.new_context(viewport={"width": 1600, "height": 1000}, has_touch=True).new_page()
    editor = Editor(page, server, vue=request.param)
    editor.load(GRAPH)  # 1.35 moves the nodes of the first graph that it draws with Vue
    yield editor
    page.context.close()


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Pictures:
    """`picture(editor, "drawn")` takes a picture of the page, where it is to be kept."""
    kept = os.environ.get("API_GRAPH_SCREENSHOTS")
    test = re.sub(r"\W+", "_", request.node.name).strip("_")

    def take(editor: Editor, name: str) -> None:
        if kept:
            editor.page.screenshot(path=Path(kept) / f"{test}_{name}.png")

    return take


@pytest.fixture
def editor(opened: Editor) -> Iterator[Editor]:
    """The editor with a fresh GRAPH in it."""
    opened.load(GRAPH)
    yield opened
    assert opened.errors == []


Pictures = Callable[["Editor", str], None]


class Editor:
    """One page. `errors` are the errors that the page has told since it was opened."""

    def __init__(self, page: Any, server: Served, *, vue: bool) -> None:
        self.page, self.server = page, server
        self.errors: list[str] = []
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._said)
        self.set("Comfy.VueNodes.Enabled", vue)
        self.set("Comfy.TutorialCompleted", True)
        page.goto(server.url + "/")
        ready = "() => window.app?.graph && app.extensionManager?.workflow?.activeWorkflow"
        page.wait_for_function(ready, timeout=60_000)

    def _said(self, message: Any) -> None:
        # ComfyUI's page asks for files of its own that are not there.
        elsewhere = not self.server.own and "/api-graph/" not in message.location.get("url", "")
        missing = message.text.startswith("Failed to load resource") and elsewhere
        known = any(text in message.text for text in KNOWN)
        if message.type == "error" and not known and not missing:
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def set(self, name: str, value: Any) -> None:
        headers = {"Content-Type": "application/json", "Origin": self.server.url}
        body = json.dumps(value).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.server.url}/settings/{name}", body, headers)).close()

    def load(self, graph: Mapping[str, Any]) -> None:
        """A graph in API format, its nodes side by side."""
        workflow: dict[str, Any] = to_workflow(read_graph(graph), own_nodes())
        for place, node in enumerate(sorted(workflow["nodes"], key=lambda node: node["id"])):
            node["pos"] = [80 + place % 3 * 440, 80 + place // 3 * 500]
            node["size"] = [max(node["size"][0], 300), max(node["size"][1], 400)]
        self.page.evaluate(
            "workflow => app.loadGraphData(workflow, true, true, app.extensionManager.workflow.activeWorkflow)",
            workflow,
        )
        self.settle()

    def settle(self) -> None:
        """Wait for the boxes of the graph in view, at rest: the frontend moves the view so that all can be seen."""
        self.page.wait_for_function(
            """() => {
              const ds = app.canvas.ds;
              const isStill = ds.scale === 0.8 && ds.offset[0] === 60 && ds.offset[1] === 60;
              window.still = isStill ? (window.still ?? 0) + 1 : 0;
              [ds.scale, ds.offset[0], ds.offset[1]] = [0.8, 60, 60];
              app.canvas.setDirty(true, true);
              return window.still > 10 && ((window.still = 0), true);
            }""",
            polling=30,
        )
        self.page.locator(".ap-boxes [data-line]").first.wait_for()

    def upload(self, name: str, size: tuple[int, int]) -> None:
        """Put a picture of this size into the input folder."""
        data = io.BytesIO()
        Image.new("RGB", size, "#33aa66").save(data, "PNG")
        self.page.evaluate(
            """async ([name, code]) => {
              const form = new FormData();
              const bytes = Uint8Array.from(atob(code), letter => letter.charCodeAt(0));
              form.append("image", new File([bytes], name, { type: "image/png" }));
              await fetch("/upload/image", { method: "POST", body: form });
            }""",
            [name, base64.b64encode(data.getvalue()).decode("ascii")],
        )

    def wait(self, condition: str, value: Any = None) -> None:
        """Until a function of the page is true."""
        self.page.wait_for_function(condition, arg=value, polling=30)

    def run(self) -> None:
        """Queue the graph and wait for its end."""
        self.page.evaluate(
            """() => new Promise((done, failed) => {
              app.api.addEventListener("execution_success", done, { once: true });
              app.api.addEventListener("execution_error", e => failed(new Error(e.detail.exception_message)));
              app.queuePrompt(0, 1);
            })"""
        )

    def widget(self, node: int, name: str) -> Any:
        return self.page.evaluate(
            "([id, name]) => app.graph.getNodeById(id).widgets.find(w => w.name === name).value", [node, name]
        )

    def type(self, node: int, name: str, value: Any) -> None:
        """Set a widget as if it had been typed."""
        self.page.evaluate(
            """([id, name, value]) => {
              const widget = app.graph.getNodeById(id).widgets.find(w => w.name === name);
              widget.value = value;
              widget.callback?.(value);
            }""",
            [node, name, value],
        )

    def prompt(self) -> dict[str, Any]:
        """What would be sent to the server."""
        return self.page.evaluate("async () => (await app.graphToPrompt()).output")
