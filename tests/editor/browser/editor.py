"""The editor's page, driven as a user drives it: a few verbs over Playwright."""

from __future__ import annotations

import base64
import mimetypes
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page

HERE = Path(__file__).parent
READY = (
    "window.app?.vueAppReady && document.querySelector('[data-testid=queue-button]')"
    " && !document.querySelector('#splash-loader, .p-blockui-mask') && app.extensionManager.workflow.activeWorkflow"
)
# 1.35.9 says it to itself whenever a subgraph is entered.
KNOWN = "Attempted to cleanup event listeners for graph that was never set up"
ENDINGS = ("execution_success", "execution_error", "execution_interrupted")


@dataclass
class Run:
    """What the page heard of one run, in order: `(kind, detail)`."""

    id: str
    heard: list[tuple[str, dict[str, Any]]]

    @property
    def ending(self) -> str:
        return next((kind for kind, _ in self.heard if kind in ENDINGS), "")

    @property
    def ran(self) -> set[str]:
        """Ids of the nodes that were executed, not taken from the cache."""
        cached = {id for kind, detail in self.heard if kind == "execution_cached" for id in detail["nodes"]}
        executing = {detail for kind, detail in self.heard if kind == "executing" if isinstance(detail, str)}
        return executing - cached

    @property
    def shown(self) -> dict[str, dict[str, Any]]:
        """What nodes showed: `{"images": [...], "text": [...]}` by node id."""
        return {detail["node"]: detail["output"] for kind, detail in self.heard if kind == "executed"}


@dataclass
class Editor:
    """One page. `problems` are the errors in its console, failed requests among them, and errors of its scripts."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))

    def _said(self, message: Any) -> None:
        if message.type == "error" and KNOWN not in message.text:
            self.problems.append(f"console: {message.text} ({message.location.get('url')})")

    # ------------------------------------------------------------------------------------------- the page

    def open(self) -> Editor:
        """Load the page, and wait until it can be used."""
        self.page.goto(self.url)
        return self.settle()

    def reload(self) -> Editor:
        self.page.reload()
        return self.settle()

    def settle(self) -> Editor:
        self.page.wait_for_function(READY, timeout=60_000)
        self.page.evaluate((HERE / "page.js").read_text("utf-8"))
        self.wait(self.nodes, "the first graph is there")
        self.wait(self._stands_still, "it is brought into view")
        return self

    def _stands_still(self) -> bool:
        before = self.ask("() => testing.view()")
        self.page.wait_for_timeout(600)
        return self.ask("() => testing.view()") == before

    def ask(self, expression: str, value: Any = None) -> Any:
        return self.page.evaluate(expression, value)

    def wait(self, met: Callable[[], Any], what: str, seconds: float = 20) -> Any:
        """What `met` returns as soon as it is true. The page goes on meanwhile."""
        until = time.monotonic() + seconds
        while not (found := met()):
            assert time.monotonic() < until, f"{what}: not within {seconds} s; {self.problems}"
            self.page.wait_for_timeout(50)
        return found

    def renderer(self, vue: bool) -> None:
        """Nodes drawn by Vue, or on the canvas."""
        self.setting("Comfy.VueNodes.Enabled", vue)
        # The new search box hands over a node that follows the mouse; on the canvas that loses clicks of a machine.
        self.setting("Comfy.NodeSearchBoxImpl", "default" if vue else "v1 (legacy)")
        self.page.wait_for_timeout(200)

    def setting(self, name: str, value: Any) -> None:
        self.ask("([name, value]) => app.extensionManager.setting.set(name, value)", [name, value])

    def command(self, name: str) -> None:
        self.ask("name => app.extensionManager.command.execute(name)", name)

    def fit(self) -> None:
        """Bring all nodes into view."""
        self.ask("() => app.canvas.deselectAll()")
        self.command("Comfy.Canvas.FitView")
        self.page.wait_for_timeout(600)  # it glides there

    # ------------------------------------------------------------------------------------------ the graph

    def empty(self) -> None:
        self.ask("() => testing.empty()")

    def drop(self, path: Path) -> None:
        """Drop a file from the desktop onto the canvas."""
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        code = base64.b64encode(path.read_bytes()).decode("ascii")
        self.ask("([name, type, code]) => testing.dropFile(name, type, code)", [path.name, kind, code])

    def drop_graph(self, path: Path) -> None:
        """Drop a graph and wait until it is there."""
        before = self.ask("() => testing.tab()")
        self.drop(path)
        self.wait(lambda: self.ask("() => testing.tab()") != before and self.nodes(), f"{path.name} opens")

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Nodes of the graph in view by id: `type`, `title`, `red` (marked as faulty) and the `images` it draws."""
        return {node["id"]: node for node in self.ask("() => testing.nodes()")}

    def images(self, node: str) -> list[str]:
        """Addresses of the pictures in a node, once there are any. On the canvas it must be in view for that."""
        return self.wait(lambda: self.nodes()[self.node(node)]["images"], f"{node} shows a picture")

    def node(self, name: str) -> str:
        """Id of the only node with this title or type."""
        (found,) = [id for id, node in self.nodes().items() if name in (node["title"], node["type"])]
        return found

    def set(self, node: str, **values: Any) -> None:
        """Give widgets values."""
        for name, value in values.items():
            self.ask("([id, name, value]) => testing.setWidget(id, name, value)", [self.node(node), name, value])

    def add(self, type: str, at: tuple[float, float]) -> str:
        """Search for a node after a double click on the canvas, and take the first that is found."""
        before = set(self.nodes())
        field = self.page.locator("input:focus")

        def searching() -> bool:
            self.page.mouse.dblclick(*at)
            for _ in range(40):  # another double click too soon would close what this one opens
                self.page.wait_for_timeout(100)
                if field.count():
                    return True
            return False

        def added() -> set[str]:
            if field.count():
                self.page.keyboard.press("Enter")
            self.page.wait_for_timeout(300)
            return set(self.nodes()) - before

        self.wait(searching, "the search opens")
        self.page.keyboard.type(type)
        self.page.wait_for_timeout(400)  # it finds what was typed when the keys rest
        (made,) = self.wait(added, f"{type} is added")
        assert self.nodes()[made]["type"] == type
        self.page.mouse.move(at[0] + 2, at[1] + 2)
        self.page.mouse.click(at[0] + 2, at[1] + 2)  # newer frontends let it follow the mouse until a click
        self.page.wait_for_timeout(100)
        return made

    def put(self, type: str, at: tuple[float, float]) -> str:
        """A new node, without the search."""
        return self.ask("([type, x, y]) => testing.put(type, x, y)", [type, *at])

    def red(self) -> list[str]:
        """Titles of the nodes that are marked as faulty."""
        return [node["title"] for node in self.nodes().values() if node["red"]]

    def told(self, text: str) -> None:
        """Wait until the page shows this text, in a dialog or behind the details of a message."""
        details = self.page.get_by_text("View details").last
        shown = self.page.get_by_text(text).first

        def found() -> bool:
            if not shown.is_visible() and details.is_visible():
                details.click()
            return shown.is_visible()

        self.wait(found, f"the page says {text!r}")

    def close_dialogs(self) -> None:
        while self.page.locator("[role=dialog]").count():
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(300)

    def drag_link(self, source: str, output: str, target: str, input: str) -> None:
        """Pull a link from an output to an input with the mouse."""
        start, end = (
            self.ask("([id, side, name]) => testing.slotPlace(id, side, name)", part)
            for part in ([source, "out", output], [target, "in", input])
        )
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
        self.page.mouse.move(*end, steps=4)
        self.page.mouse.up()
        self.page.wait_for_timeout(100)

    def prompt(self) -> dict[str, Any]:
        """The graph in API format, as the page would send it now."""
        return self.ask("() => testing.prompt()")["output"]

    def workflow(self) -> dict[str, Any]:
        """The graph in the editor's own format, as the page would save it now."""
        return self.ask("() => testing.prompt()")["workflow"]

    # -------------------------------------------------------------------------------------------- running

    def queue(self) -> str:
        """Press Run; the id of the prompt."""
        with self.page.expect_response(lambda r: r.url.endswith("/api/prompt") and r.request.method == "POST") as sent:
            self.page.get_by_test_id("queue-button").click()
        answer: Mapping[str, Any] = sent.value.json()
        return answer.get("prompt_id", "")

    def run(self, seconds: float = 60) -> Run:
        """Press Run and wait for the end."""
        return self.wait_done(self.queue(), seconds)

    def wait_done(self, id: str, seconds: float = 60) -> Run:
        def ended() -> Run | None:
            run = self.heard(id)
            return run if run.ending else None

        return self.wait(ended, "the run ends", seconds)

    def interrupt(self) -> None:
        self.command("Comfy.Interrupt")

    def save(self, name: str) -> None:
        """Ctrl+S, and a name."""
        self.page.locator("#graph-canvas").focus()
        self.page.keyboard.press("Control+s")
        field = self.page.get_by_role("dialog").get_by_role("textbox")
        field.fill(name)
        with self.page.expect_response(lambda r: "/api/userdata/workflows" in r.url and r.request.method == "POST"):
            field.press("Enter")

    def heard(self, id: str) -> Run:
        """What the page has heard so far of a run."""
        return Run(id, [(kind, detail) for kind, detail in self.ask("id => testing.heard(id)", id)])

    def screenshot(self, path: Path | None, *, fit: bool = False) -> None:
        """Take a picture, of the whole graph with `fit`, if it is to be kept."""
        if path is None:
            return
        if fit:
            self.fit()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.mouse.move(2, 2)  # no tooltip
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=path)

    def saved_pictures(self, run: Run) -> dict[str, list[Image.Image]]:
        """The pictures that a run saved and showed, by node id, as the server gives them to the page."""
        return {
            id: [self._picture(shown) for shown in output["images"] if shown["type"] == "output"]
            for id, output in run.shown.items()
            if "images" in output
        }

    def _picture(self, shown: dict[str, str]) -> Image.Image:
        answer = self.page.request.get(self.url + "api/view", params=shown)
        assert answer.ok, f"{answer.status}: {shown}"
        return Image.open(BytesIO(answer.body()))

    def warnings(self) -> list[str]:
        """What lies over the page: warnings, errors and dialogs."""
        over = ".p-toast-message-warn, .p-toast-message-error, .p-dialog, [role=dialog], [role=alertdialog]"
        return self.page.locator(over).all_inner_texts()
