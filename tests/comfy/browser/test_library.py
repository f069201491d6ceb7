"""A blueprint from the node library to a mask, in three actions and Run; and the pictures under Assets."""

from __future__ import annotations

import io
import urllib.request
from typing import Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from api_graph.draw.workflow import to_workflow
from api_graph.graph import read_graph
from api_graph.registry import own_nodes

from .conftest import Editor, Pictures

NAME = "Text to mask (attention, segment by prompt)"
AT = (900, 300)
"""Where the node is put, in pixels of the page."""
RING = (354, 165, 432, 243)
"""The yellow ring in the example picture."""


def load(editor: Editor) -> None:
    """A picture and a node that saves a mask, in view, with room between them."""
    graph = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "api_graph_example.png"}},
        "2": {"class_type": "APSaveHeatmap", "inputs": {"filename_prefix": "from_text", "heatmap": ["1", 1]}},
    }
    workflow: dict[str, Any] = to_workflow(read_graph(graph), own_nodes())
    workflow["nodes"][0]["pos"], workflow["nodes"][1]["pos"] = [350, 100], [1300, 100]
    workflow["extra"] = {"ds": {"scale": 1.0, "offset": [0, 0]}}
    editor.page.evaluate(
        """async (workflow) => {
          await app.loadGraphData(workflow, true, false, app.extensionManager.workflow.activeWorkflow);
          app.graph.getNodeById(2).disconnectInput(0);
          Object.assign(app.canvas.ds, { scale: 1, offset: [0, 0] });
          app.canvas.setDirty(true, true);
        }""",
        workflow,
    )
    editor.page.wait_for_timeout(500)


def slot(editor: Editor, node: int | str, side: str, name: str) -> tuple[float, float]:
    """Where a slot of a node is, in pixels of the page: its dot with Vue nodes, else on the canvas."""
    x, y = editor.page.evaluate(
        """([id, side, name]) => {
          const node = app.graph.nodes.find((one) => String(one.id) === String(id));
          const index = node[side === "in" ? "inputs" : "outputs"].findIndex((slot) => slot.name === name);
          const dot = document.querySelector(`[data-slot-key="${id}-${side}-${index}"]`)?.getBoundingClientRect();
          if (dot) return [dot.x + dot.width / 2, dot.y + dot.height / 2];
          const [x, y] = side === "in" ? node.getInputPos(index) : node.getOutputPos(index);
          return [...app.canvasPosToClientPos([x, y])];
        }""",
        [node, side, name],
    )
    return x, y


def link(editor: Editor, start: tuple[float, float], end: tuple[float, float]) -> None:
    mouse = editor.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
    mouse.move(*end, steps=4)
    mouse.up()
    editor.page.wait_for_timeout(200)


def from_library(editor: Editor) -> str:
    """Search the library for the blueprint and put it on the canvas; the id of its node."""
    page = editor.page
    if not page.locator(".sidebar-content-container input, .side-bar-panel input").count():
        page.evaluate("() => app.extensionManager.command.execute('Workspace.ToggleSidebarTab.node-library')")
    field = page.locator(".sidebar-content-container input, .side-bar-panel input").first
    field.fill("text to mask")
    page.get_by_text("Text to mask (attention").first.click()
    page.wait_for_timeout(500)
    page.mouse.move(AT[0] - 5, AT[1])
    page.mouse.move(*AT)
    page.mouse.click(*AT)  # it follows the mouse until a click
    editor.wait("() => app.graph.nodes.length === 3")
    page.wait_for_timeout(500)
    return page.evaluate("name => String(app.graph.nodes.find((node) => node.title === name).id)", NAME)


def mask_of(editor: Editor) -> np.ndarray[Any, Any]:
    (shown,) = editor.page.evaluate("() => app.nodeOutputs['2'].images")
    with urllib.request.urlopen(f"{editor.server.url}/view?{urlencode(shown)}") as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("L")) > 127


def test_text_to_mask_in_three_actions(editor: Editor, picture: Pictures) -> None:
    load(editor)
    node = from_library(editor)
    link(editor, slot(editor, 1, "out", "image"), slot(editor, node, "in", "image"))
    link(editor, slot(editor, node, "out", "mask"), slot(editor, 2, "in", "heatmap"))
    editor.run()
    editor.page.wait_for_timeout(500)
    picture(editor, "mask")
    mask = mask_of(editor)
    left, top, right, bottom = RING
    assert mask.any() and mask[top:bottom, left:right].sum() > 0.7 * mask.sum(), "most of it is the ring"


def test_only_pictures_are_assets(editor: Editor, picture: Pictures) -> None:
    page = editor.page
    page.evaluate("() => app.extensionManager.command.execute('Workspace.ToggleSidebarTab.assets')")
    page.get_by_text("Imported", exact=True).dispatch_event("click")  # 1.35.9 lays a bar over it
    page.get_by_text("api_graph_example").first.wait_for()
    picture(editor, "assets")
    said = page.locator(".sidebar-content-container, .side-bar-panel").first.inner_text()
    assert ".py" not in said and ".json" not in said
    page.evaluate("() => app.extensionManager.command.execute('Workspace.ToggleSidebarTab.assets')")
