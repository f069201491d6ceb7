"""Graphs made in the official frontend run there and, saved, headless, with the same outputs.

With API_GRAPH_RENEW_SAVED=1 what it saves and sends is kept in tests/editor/saved, for test_saved_files.py.
"""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from api_graph import run_graph
from api_graph.graph import read_graph
from api_graph.registry import all_nodes
from tests.editor.browser.conftest import HERE, Pictures
from tests.editor.browser.editor import Editor
from tests.editor.browser.test_graphs import agree
from tests.editor.prompts import essence

RECIPES = (HERE / "recipes.js").read_text("utf-8")
NAMES = re.findall(r"^    (?:async )?(\w+)(?:: \(\) =>|\(\) \{)", RECIPES, re.MULTILINE)
KEPT = HERE.parent / "saved" / version("comfyui-frontend-package")


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_made_in_the_frontend(
    editor: Editor, name: str, folder: Path, tmp_path: Path, one_thread: None, picture: Pictures
):
    editor.ask(RECIPES)
    editor.ask("name => makeSaved(name)", name)
    sent, workflow = editor.prompt(), editor.workflow()
    if os.environ.get("API_GRAPH_RENEW_SAVED") == "1":
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{name}.json").write_text(json.dumps(workflow, indent=1) + "\n", "utf-8")
        (KEPT / f"{name}.prompt.json").write_text(json.dumps(sent, indent=1) + "\n", "utf-8")
    editor.screenshot(picture("made"), fit=True)
    assert essence(read_graph(workflow, all_nodes()).to_api()) == essence(sent)
    editor.save(f"made_{name}")  # before the run: after it a seed may be another
    saved = folder / "workflows" / f"made_{name}.json"
    run = editor.run()
    assert run.ending == "execution_success"
    agree(editor, run, run_graph(saved, cache=False, output=tmp_path))
    editor.empty()
    editor.drop_graph(saved)
    assert editor.warnings() == []
    assert essence(editor.prompt()) == essence(sent)
