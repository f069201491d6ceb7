"""The pack in a real ComfyUI, 0.8 or newer: nodes, graphs, stop, unload, and its log.

Skipped unless `API_GRAPH_COMFYUI` names a checkout whose requirements are installed (for another Python than this one:
`API_GRAPH_COMFYUI_PYTHON`).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_graph.registry import own_nodes
from api_graph.settings import shipped_graphs
from tests.comfy.real import RealComfyUI

CHECKOUT = os.environ.get("API_GRAPH_COMFYUI")

pytestmark = pytest.mark.skipif(not CHECKOUT, reason="API_GRAPH_COMFYUI names no checkout of ComfyUI")

GRAPHS = sorted(shipped_graphs().glob("*.json"))


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealComfyUI]:
    running = RealComfyUI(Path(CHECKOUT or ""), tmp_path_factory.mktemp("comfyui"))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def graph(name: str, **inputs: Any) -> dict[str, Any]:
    """A shipped graph; `inputs` are set by the titles of nodes."""
    prompt = json.loads((shipped_graphs() / f"{name}.json").read_text("utf-8"))
    for node in prompt.values():
        title = node.get("_meta", {}).get("title")
        if title in inputs:
            node["inputs"] |= inputs[title]
    return prompt


def test_all_nodes_are_there(comfyui: RealComfyUI) -> None:
    found = comfyui.get("/object_info")
    for id, spec in own_nodes().items():
        assert found[id]["display_name"] == spec.title
        assert found[id]["category"] == spec.category
        assert len(found[id]["output_tooltips"]) == len(spec.outputs)
        inputs = {**found[id]["input"]["required"], **found[id]["input"].get("optional", {})}
        assert set(inputs) == {i.name for i in spec.inputs}


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_every_graph_runs(comfyui: RealComfyUI, path: Path) -> None:
    ended = comfyui.finished(comfyui.submit(json.loads(path.read_text("utf-8"))))
    assert ended["status"]["status_str"] == "success", ended["status"]
    assert any(shown.get("images") or shown.get("text") for shown in ended["outputs"].values())


def test_models_go_and_come_back(comfyui: RealComfyUI) -> None:
    comfyui.post("/free", {"unload_models": True, "free_memory": True})
    ended = comfyui.finished(comfyui.submit(graph("api_clip_cls", query={"text": "after the models were unloaded"})))
    assert ended["status"]["status_str"] == "success", ended["status"]


def test_stop_stops(comfyui: RealComfyUI) -> None:
    """Questions without end: each is asked of the model, which looks whether it is to stop at every token."""
    prompt = graph("api_lvlm")
    questions = "\n".join(f"What colour is ring number {number}?" for number in range(5000))
    prompt["many"] = {"class_type": "APTextLines", "inputs": {"text": questions}}
    (asked,) = (node for node in prompt.values() if node["class_type"] == "APLvlmAttention")
    asked["inputs"]["query"] = ["many", 0]
    id = comfyui.submit(prompt)
    while not comfyui.get("/queue")["queue_running"]:
        time.sleep(0.05)
    comfyui.post("/interrupt", {})
    ended = comfyui.finished(id)
    assert "execution_interrupted" in [kind for kind, _ in ended["status"]["messages"]]


def test_its_log_has_no_complaint(comfyui: RealComfyUI) -> None:
    start, _, running = comfyui.log.partition("To see the GUI go to")
    (imported,) = (line for line in start.splitlines() if re.search(r"(?i)api.?graph", line))
    assert re.search(r"\d seconds: /", imported)  # else it says (IMPORT FAILED) in between
    assert not re.search(r"(?i)warn|leak|traceback|error|exception", running), running
