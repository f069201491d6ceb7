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
from tests.comfy.real import ROOT, RealComfyUI
from tests.lvlm.remote.server import Server, after, says
from tests.lvlm.remote.server import running as running_server

CHECKOUT = os.environ.get("API_GRAPH_COMFYUI")

pytestmark = pytest.mark.skipif(not CHECKOUT, reason="API_GRAPH_COMFYUI names no checkout of ComfyUI")

GRAPHS = sorted(shipped_graphs().glob("*.json"))

V3_PROBE = """
import importlib
NODE_CLASS_MAPPINGS = {}
try:
    importlib.import_module("comfy_api.latest")
except ImportError:
    pass  # ComfyUI is older than V3
else:
    import sys
    if "api_graph" not in sys.modules:
        sys.path.append("ROOT")
    from api_graph.comfy.v3 import v3_classes
    from api_graph.registry import own_nodes
    classes = v3_classes(spec.function for spec in own_nodes().values())
    NODE_CLASS_MAPPINGS = {f"V3{id}": cls for id, cls in classes.items()}
""".replace("ROOT", str(ROOT))
"""A pack that has the V3 classes of this one, under other names."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """What answers questions, on loopback."""
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[RealComfyUI]:
    profiles = tmp_path_factory.mktemp("profiles") / "endpoints.toml"
    profiles.write_text(f'[local]\nbase_url = "{server.url}"\nmodels = ["m"]\nconcurrency = 16\n')
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("API_GRAPH_ENDPOINTS", str(profiles))
        running = RealComfyUI(Path(CHECKOUT or ""), tmp_path_factory.mktemp("comfyui"), {"v3_probe": V3_PROBE})
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


def as_v1(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs as V1 declares them: a combo's entries stand in the place of its type, and what is unset is left out."""
    found: dict[str, Any] = {}
    for group in ("required", "optional"):
        for name, (kind, *more) in inputs.get(group, {}).items():
            options = dict(more[0]) if more else {}
            if kind == "COMBO":
                kind = options.pop("options")
                options.pop("multiselect", None)
            found[f"{group}.{name}"] = (kind, options)
    return found


def test_v3_declares_what_v1_declares(comfyui: RealComfyUI) -> None:
    found = comfyui.get("/object_info")
    if "V3APLoadCLIP" not in found:
        pytest.skip("this ComfyUI is older than V3")
    for id in own_nodes():
        v1, v3 = found[id], found[f"V3{id}"]
        assert as_v1(v3["input"]) == as_v1(v1["input"]), id
        hidden = {name: [kind] for name, kind in v1["input"].get("hidden", {}).items()}
        assert hidden.items() <= v3["input"].get("hidden", {}).items(), id  # V3 hands the graph to every output node
        orders = [{g: each["input_order"].get(g) or [] for g in ("required", "optional")} for each in (v1, v3)]
        assert orders[0] == orders[1], id
        same = ("display_name", "category", "description", "output", "output_is_list", "output_name", "output_node")
        for name in (*same, "output_tooltips", "is_input_list", "search_aliases"):
            assert (v3.get(name) or None) == (v1.get(name) or None), (id, name)  # V3 says null where V1 says nothing


def test_v3_makes_what_v1_makes(comfyui: RealComfyUI) -> None:
    if "V3APLoadCLIP" not in comfyui.get("/object_info"):
        pytest.skip("this ComfyUI is older than V3")
    prompt = graph("api_clip_questions", query={"text": "the green star\nthe red triangle"})
    texts = []
    for prefix in ("", "V3"):
        named = {id: {**node, "class_type": prefix + node["class_type"]} for id, node in prompt.items()}
        ended = comfyui.finished(comfyui.submit(named))
        assert ended["status"]["status_str"] == "success", ended["status"]
        texts.append({id: len(shown.get("images", ())) for id, shown in ended["outputs"].items()})
    assert texts[0] == texts[1] and sum(texts[0].values()) > 0


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


def six_questions(first: str) -> dict[str, Any]:
    questions = "\n".join(f"{first} {number}?" for number in range(6))
    return {
        "model": {"class_type": "APAnsweringModel", "inputs": {"answerer": "endpoint:local/m"}},
        "many": {"class_type": "APTextLines", "inputs": {"text": questions}},
        "asked": {"class_type": "APQueryLVLM", "inputs": {"model": ["model", 0], "question": ["many", 0]}},
        "shown": {"class_type": "APShowText", "inputs": {"value": ["asked", 0]}},
    }


def test_questions_to_an_endpoint_wait_all_at_once(comfyui: RealComfyUI, server: Server) -> None:
    server.replies, server.most_at_once = [after(1.0, says("red"))], 0
    ended = comfyui.finished(comfyui.submit(six_questions("How many")))
    assert ended["status"]["status_str"] == "success", ended["status"]
    assert ended["outputs"]["shown"]["text"] == ["red"] * 6
    assert server.most_at_once == 6


def test_a_stop_ends_the_waiting(comfyui: RealComfyUI, server: Server) -> None:
    server.replies, server.at_once = [after(60.0, says("red"))], 0
    id = comfyui.submit(six_questions("How large"))
    while server.at_once < 6:
        time.sleep(0.01)
    comfyui.post("/interrupt", {})
    start = time.monotonic()
    ended = comfyui.finished(id)
    assert "execution_interrupted" in [kind for kind, _ in ended["status"]["messages"]]
    assert time.monotonic() - start < 30  # an answer takes a minute
    while server.at_once:  # every request is given up, not only the first
        time.sleep(0.01)


def test_its_log_has_no_complaint(comfyui: RealComfyUI) -> None:
    start, _, running = comfyui.log.partition("To see the GUI go to")
    (imported,) = (line for line in start.splitlines() if re.search(r"(?i)api.?graph", line))
    assert re.search(r"\d seconds: /", imported)  # else it says (IMPORT FAILED) in between
    assert not re.search(r"(?i)warn|leak|traceback|error|exception", running), running
