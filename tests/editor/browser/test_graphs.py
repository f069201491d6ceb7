"""Every shipped graph opens in the editor, runs there, and runs headless with the same outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from api_graph import run_graph
from api_graph.draw import template_name
from api_graph.registry import all_nodes
from api_graph.settings import shipped_graphs
from tests.editor.browser.editor import Editor, Run
from tests.editor.prompts import essence

GRAPHS = sorted(shipped_graphs().glob("*.json"))


def agree(editor: Editor, run: Run, headless: dict[str, dict[str, Any]]) -> None:
    """Each output node showed what the headless run gave: the same texts, and pictures but for a level of rounding."""
    assert set(headless) <= set(run.shown)  # other nodes may show what they do as well
    pictures = editor.saved_pictures(run)
    for id, output in headless.items():
        assert run.shown[id].get("text") == output.get("text")
        shown = [np.asarray(picture) for picture in pictures.get(id, [])]
        kept = [np.asarray(Image.open(file)) for file in output["files"] if str(file).endswith(".png")]
        assert len(shown) == len(kept)
        for one, other in zip(shown, kept, strict=True):  # another thread's sums may round a level otherwise
            assert one.shape == other.shape and np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.parametrize("file", GRAPHS, ids=lambda file: file.stem)
def test_a_shipped_graph_runs_in_the_editor_as_it_runs_headless(
    editor: Editor, file: Path, tmp_path: Path, one_thread: None
):
    editor.drop_graph(file)
    assert editor.warnings() == []
    run = editor.run()
    assert run.ending == "execution_success"
    agree(editor, run, run_graph(file, cache=False, output=tmp_path))
    assert editor.warnings() == []


def test_the_templates_are_the_shipped_graphs(editor: Editor):
    """What `to_workflow` writes is, to the frontend, the graph that it was made from."""
    for file in GRAPHS:
        name = quote(f"{template_name(file.stem)}.json")
        answer = editor.page.request.get(f"{editor.url}api/workflow_templates/API%20Graph/{name}")
        editor.ask("graph => app.loadGraphData(graph, true, true, testing.active())", answer.json())
        assert essence(editor.prompt()) == essence(whole(json.loads(file.read_text("utf-8")))), file.stem
    assert editor.warnings() == []


def whole(prompt: dict[str, Any]) -> dict[str, Any]:
    """The prompt with what the frontend adds: the values of widgets that a file leaves at their defaults."""
    for node in prompt.values():
        spec = all_nodes()[node["class_type"]]
        defaults = {one.name: one.default for one in spec.inputs if one.is_widget and not one.required}
        node["inputs"] = {**defaults, **node["inputs"]}
    return prompt
