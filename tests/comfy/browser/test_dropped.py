"""A picture that is dropped onto the canvas: the graph that made it opens; one without a graph is loaded."""

from __future__ import annotations

import base64
import io
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image

from api_graph import run_graph
from api_graph.draw.workflow import to_workflow
from api_graph.graph import read_graph
from api_graph.registry import all_nodes, own_nodes
from api_graph.settings import shipped
from tests.editor.prompts import essence

from .conftest import Editor, Pictures

DROP = """([name, code]) => {
  const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "image/png" }));
  const { x, y, width, height } = app.canvas.canvas.getBoundingClientRect();
  const where = { clientX: x + width * 0.6, clientY: y + height * 0.95, bubbles: true, cancelable: true };
  for (const kind of ["dragenter", "dragover", "drop"])
    app.canvas.canvas.dispatchEvent(new DragEvent(kind, { ...where, dataTransfer: data }));
}"""
EMPTY = """() => app.loadGraphData(
  { last_node_id: 0, last_link_id: 0, nodes: [], links: [], groups: [], config: {}, version: 0.4 })"""


def drop(editor: Editor, name: str, data: bytes) -> None:
    """From the desktop, below all nodes."""
    editor.page.evaluate(EMPTY)
    editor.wait("() => app.graph.nodes.length === 0")
    editor.page.evaluate(DROP, [name, base64.b64encode(data).decode("ascii")])
    editor.wait("() => app.graph.nodes.length > 0 || document.body.innerText.includes('Unable to find workflow')")
    editor.page.wait_for_timeout(500)


def test_a_picture_that_was_saved_here_opens_its_graph(editor: Editor, picture: Pictures) -> None:
    workflow = to_workflow(read_graph(shipped()["api_clip_cls"], all_nodes()), own_nodes())
    editor.page.evaluate(
        "workflow => app.loadGraphData(workflow, true, true, app.extensionManager.workflow.activeWorkflow)", workflow
    )
    node = editor.page.evaluate("() => String(app.graph.nodes.find((one) => one.type === 'APAlphaBlend').id)")
    editor.type(int(node), "strength", 0.75)
    before = editor.prompt()
    editor.run()
    shown = editor.page.evaluate(
        """() => Object.values(app.nodeOutputs).flatMap((one) => one.images ?? [])
          .find((one) => one.type === "output")"""
    )
    with urllib.request.urlopen(f"{editor.server.url}/view?{urlencode(shown)}") as answer:
        data = answer.read()
    drop(editor, "saved.png", data)
    picture(editor, "opened")
    assert editor.prompt() == before


@pytest.mark.parametrize("name", ["api_clip_cls", "api_clip_crop"])
def test_a_picture_of_the_command_line_opens_its_graph(
    editor: Editor, name: str, tmp_path: Path, picture: Pictures
) -> None:
    found = run_graph(name, output=tmp_path)
    file = next(file for output in found.values() for file in output["files"])
    drop(editor, "made.png", Path(file).read_bytes())
    picture(editor, "opened")
    assert editor.page.evaluate("() => app.graph.nodes.filter((node) => node.has_errors).length") == 0
    there, wanted = essence(editor.prompt()), essence(read_graph(shipped()[name], all_nodes()).to_api())
    assert there.keys() == wanted.keys()
    for id, node in wanted.items():
        assert node["class_type"] == there[id]["class_type"]
        assert node["inputs"].items() <= there[id]["inputs"].items()  # the frontend sends the defaults, too


def test_a_picture_without_a_graph_is_loaded(editor: Editor, picture: Pictures) -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "#33aa66").save(data, "PNG")
    drop(editor, "plain.png", data.getvalue())
    if editor.page.get_by_text("Unable to find workflow").count():
        pytest.skip("this frontend loads no picture that is dropped")  # 1.35.9
    editor.wait("() => app.graph.nodes[0].widgets?.some((widget) => widget.value === 'plain.png')")
    editor.wait("() => [...(app.graph.nodes[0].imgs ?? [])].some((image) => image.naturalWidth === 64)")
    picture(editor, "loaded")
    # The frontend may ask for it before it has sent it, and asks again.
    editor.errors[:] = [said for said in editor.errors if "filename=plain.png" not in said]
    assert [node["class_type"] for node in editor.prompt().values()] == ["LoadImage"]
