"""The templates, as the browser opens them: each makes what the command line makes, and what its card shows."""

from __future__ import annotations

import io
import runpy
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from PIL import Image

from api_graph import run_graph
from api_graph.draw.core_templates import CORE_TEMPLATES
from api_graph.draw.templates import TEMPLATES

from .conftest import Editor, Pictures, Served

ROOT = Path(__file__).parents[3]
MOST, ON_AVERAGE = 4, 0.05
"""Levels of 255 by which a picture may differ: sums of other threads round otherwise, and steep colours show it."""
CORE_BOXES = "With Create Bounding Boxes - foveal attention on what I draw"
COMPRESSED = 4
"""Levels of 255 by which a card differs from its picture on average, as it is a JPEG."""


@pytest.fixture(scope="module")
def page(server: Served, browser: Any) -> Iterator[Editor]:
    page = browser.new_context(viewport={"width": 1600, "height": 1000}).new_page()
    yield Editor(page, server, vue=False)
    page.context.close()


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """How the cards are made."""
    return runpy.run_path(str(ROOT / "tools" / "make_docs.py"))["_side_by_side"]


def pack_of(page: Editor) -> str:
    """The folder under which the templates are listed."""
    listed = page.page.evaluate("async () => (await fetch('/api/workflow_templates')).json()")
    names = [*TEMPLATES.values(), *([] if page.server.own else CORE_TEMPLATES)]
    (pack,) = [pack for pack, found in listed.items() if sorted(found) == sorted(names)]
    return pack


def get(page: Editor, name: str) -> bytes:
    """A file of a template."""
    address = f"{page.server.url}/api/workflow_templates/{quote(pack_of(page))}/{quote(name)}"
    with urllib.request.urlopen(address) as answer:
        return answer.read()


def made(page: Editor, name: str) -> dict[str, Any]:
    """Open a template and run it; what its nodes show, as the server keeps it."""
    page.page.set_default_timeout(120_000)
    return page.page.evaluate(
        """async ([pack, name]) => {
          const file = `/api/workflow_templates/${encodeURIComponent(pack)}/${encodeURIComponent(name)}.json`;
          const workflow = await (await fetch(file)).json();
          await app.loadGraphData(workflow, true, true, app.extensionManager.workflow.activeWorkflow);
          const ended = new Promise((done, failed) => {
            app.api.addEventListener("execution_success", (e) => done(e.detail.prompt_id), { once: true });
            app.api.addEventListener("execution_error", (e) => failed(new Error(e.detail.exception_message)));
          });
          await app.queuePrompt(0, 1);
          const id = await ended;
          for (;;) {
            const history = await (await fetch(`/api/history/${id}`)).json();
            if (history[id]?.outputs) return history[id].outputs;
            await new Promise((done) => setTimeout(done, 50));
          }
        }""",
        [pack_of(page), name],
    )


def saved(page: Editor, shown: dict[str, Any]) -> dict[str, Image.Image]:
    """The pictures among what a node shows that were saved for keeps, by name, in the order of the names."""
    found = {}
    for one in sorted(shown.get("images", []), key=lambda one: one["filename"]):
        if one["type"] == "output":
            with urllib.request.urlopen(f"{page.server.url}/view?{urlencode(one)}") as answer:
                found[one["filename"]] = Image.open(io.BytesIO(answer.read())).convert("RGB")
    return found


def difference(one: Image.Image, other: Image.Image) -> np.ndarray[Any, Any]:
    assert one.size == other.size
    return np.abs(np.asarray(one.convert("RGB")).astype(int) - np.asarray(other.convert("RGB")))


@pytest.mark.parametrize("name", TEMPLATES.values())
def test_a_template_makes_what_its_card_shows_and_the_command_line_makes(
    page: Editor, side_by_side: Any, name: str, tmp_path: Path
) -> None:
    shown = made(page, name)
    pictures = {id: saved(page, output) for id, output in shown.items()}
    first = [picture for _, picture in sorted(one for found in pictures.values() for one in found.items())][:3]
    if first:  # else the card is a drawing of the graph
        card = Image.open(io.BytesIO(get(page, f"{name}.jpg")))
        assert difference(card, side_by_side(first)).mean() < COMPRESSED
    assert page.errors == []
    if page.server.own:
        return  # tests/editor/browser/test_graphs.py compares this editor with the command line
    for id, output in run_graph(ROOT / "example_workflows" / f"{name}.json", cache=False, output=tmp_path).items():
        assert shown[id].get("text") == output.get("text")
        kept = sorted(file for file in map(Path, output["files"]) if file.suffix == ".png")
        assert len(pictures[id]) == len(kept)
        for here, file in zip(pictures[id].values(), kept, strict=True):
            levels = difference(here, Image.open(file))
            assert levels.max() <= MOST and levels.mean() < ON_AVERAGE, file.name


def test_boxes_drawn_in_core_s_own_node_are_those_of_the_foveal_mask(page: Editor, picture: Pictures) -> None:
    """As it opens, the box is that of the graph which it was made of: what is made is the same, too."""
    if page.server.own:
        pytest.skip("Create Bounding Boxes is a node of ComfyUI")
    here = made(page, CORE_BOXES)
    picture(page, "classify")
    base = made(page, TEMPLATES["classify_foveal"])
    assert here["14"]["text"] == base["14"]["text"]
    ((_, ours), (_, theirs)) = [*saved(page, here["10"]).items(), *saved(page, base["10"]).items()]
    assert difference(ours, theirs).max() == 0
    assert page.errors == []


def test_a_card_is_clicked(page: Editor, picture: Pictures) -> None:
    browse = page.page
    page.page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    dialog = browse.get_by_role("dialog")
    dialog.get_by_placeholder("Search").first.fill("Where does CLIP")
    card = dialog.get_by_text("1 Where does CLIP look").first
    card.wait_for()
    browse.wait_for_timeout(500)
    picture(page, "card")
    card.click()
    page.wait("() => app.graph.nodes.some((node) => node.title === 'query')")
    browse.wait_for_timeout(500)
    picture(page, "opened")
    assert page.errors == []
