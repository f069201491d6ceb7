"""Boxes of ComfyUI's own nodes in the pack's and the other way round, and blueprints, in a real ComfyUI 0.28 or newer.

Skipped unless `API_GRAPH_COMFYUI` names a checkout: see test_real_comfyui.py.
"""

from __future__ import annotations

import io
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api_graph.draw.core_templates import CORE_NODES, CORE_TEMPLATES, core_graph
from api_graph.graph import read_graph
from api_graph.spec import NodeSpec
from tests.comfy.real import ROOT, RealComfyUI
from tests.docs.test_recipes import GRAPHS, WIRES

CHECKOUT = os.environ.get("API_GRAPH_COMFYUI")

pytestmark = pytest.mark.skipif(not CHECKOUT, reason="API_GRAPH_COMFYUI names no checkout of ComfyUI")

BOX = {"x": 64, "y": 32, "width": 96, "height": 80}
SIZE = {"width": 480, "height": 320}
SOURCES: dict[str, tuple[dict[str, Any], int]] = {
    "our own": ({"class_type": "APBoxes", "inputs": {"image": ["1", 0], "boxes": "64 32 160 112"}}, 0),
    "Bounding Box": ({"class_type": "PrimitiveBoundingBox", "inputs": BOX}, 0),
    "Create Bounding Boxes": (
        {"class_type": "CreateBoundingBoxes", "inputs": {**SIZE, "editor_state": {"__value__": [BOX]}}},
        1,
    ),
    "Boxes to BOUNDING_BOX": ({"class_type": "APBoxesToBoundingBox", "inputs": {"boxes": ["10", 0]}}, 0),
}


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealComfyUI]:
    running = RealComfyUI(Path(CHECKOUT or ""), tmp_path_factory.mktemp("comfyui"))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def picture_of(comfyui: RealComfyUI, prompt: dict[str, Any], node: str) -> np.ndarray[Any, Any]:
    ended = comfyui.finished(comfyui.submit(prompt))
    assert ended["status"]["status_str"] == "success", ended["status"]
    query = urllib.parse.urlencode(ended["outputs"][node]["images"][0])
    with urllib.request.urlopen(f"{comfyui.url}/view?{query}") as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))


def with_boxes_of(source: str, use: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    node, slot = SOURCES[source]
    name = "bboxes" if use["class_type"] == "DrawBBoxes" else "boxes"
    return {
        "1": {"class_type": "EmptyImage", "inputs": {**SIZE, "batch_size": 1, "color": 0x336699}},
        "2": node,
        "3": {**use, "inputs": {**use["inputs"], name: ["2", slot]}},
        "4": shown,
        "10": SOURCES["our own"][0],
        "11": {"class_type": "APLoadCLIP", "inputs": {"model": "demo"}},
        "12": {"class_type": "APResizeMode", "inputs": {"model": ["11", 0], "mode": "squash"}},
    }


@pytest.mark.parametrize("source", [source for source in SOURCES if source != "our own"])
def test_a_foveal_mask_of_boxes_from_elsewhere(comfyui: RealComfyUI, source: str) -> None:
    use = {"class_type": "APFovealMask", "inputs": {"model": ["12", 0], "image": ["1", 0]}}
    shown = {"class_type": "APPreviewHeatmap", "inputs": {"heatmap": ["5", 0], "image": ["1", 0]}}
    resize = {"class_type": "APResize", "inputs": {"attribution": ["3", 0]}}
    found, expected = (
        picture_of(comfyui, {**with_boxes_of(one, use, shown), "5": resize}, "4") for one in (source, "our own")
    )
    assert found.std() > 1 and np.array_equal(found, expected)


def test_core_draws_what_boxes_to_bounding_box_gives(comfyui: RealComfyUI) -> None:
    use = {"class_type": "DrawBBoxes", "inputs": {"image": ["1", 0]}}
    shown = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    found, expected = (
        picture_of(comfyui, with_boxes_of(one, use, shown), "4") for one in ("Boxes to BOUNDING_BOX", "Bounding Box")
    )
    drawn = np.argwhere((found != found[-1, -1]).any(2))
    assert np.array_equal(found, expected) and len(drawn)
    assert abs(drawn.max(0) - [112, 160]).max() <= 4


def test_its_library_has_the_blueprints(comfyui: RealComfyUI) -> None:
    listed = comfyui.get("/global_subgraphs")
    own = {entry["name"]: id for id, entry in listed.items() if entry["source"] == "custom_node"}
    files = {file.stem: file for file in (ROOT / "subgraphs").glob("*.json")}
    assert own.keys() == files.keys()
    for name, id in own.items():
        assert json.loads(comfyui.get(f"/global_subgraphs/{id}")["data"]) == json.loads(files[name].read_text("utf-8"))


# ------------------------------------------------------------------------------------------------------- recipes


def test_the_wires_of_the_recipes_fit(comfyui: RealComfyUI) -> None:
    """Each row of the tables in docs/recipes.md: both nodes are there, and the input takes what the output gives."""
    known = {one["display_name"]: one for one in comfyui.get("/object_info").values()}
    for source, output, target, name in WIRES:
        gives = known[source]["output"][known[source]["output_name"].index(output)]
        groups = known[target]["input"]
        takes = {**groups["required"], **groups.get("optional", {})}[name][0]
        assert set(gives.split(",")) & set(takes.split(",")), (source, output, target, name)


@pytest.mark.parametrize("file", GRAPHS, ids=lambda file: file.stem)
def test_a_recipe_runs(comfyui: RealComfyUI, file: Path) -> None:
    ended = comfyui.finished(comfyui.submit(json.loads(file.read_text("utf-8"))))
    assert ended["status"]["status_str"] == "success", ended["status"]
    assert sum(len(shown.get("images", ())) for shown in ended["outputs"].values()) == 2


# ----------------------------------------------------------------------------- templates with ComfyUI's own nodes


@pytest.mark.parametrize("spec", CORE_NODES.values(), ids=list(CORE_NODES))
def test_its_own_nodes_declare_what_the_templates_take_them_to(comfyui: RealComfyUI, spec: NodeSpec) -> None:
    known = comfyui.get(f"/object_info/{spec.id}")[spec.id]
    assert spec.title == known["display_name"] and spec.output == known["output_node"]
    assert [(one.name, one.socket) for one in spec.outputs] == [
        *zip(known["output_name"], known["output"], strict=True)
    ]
    declared = known["input"]["required"] | known["input"].get("optional", {})
    ours = {one.name: (one.socket, one.is_widget) for one in spec.inputs}
    assert {name: socket(kind) for name, (kind, *_) in declared.items()} == {name: one[0] for name, one in ours.items()}
    widgets = [name for name in (*known["input"]["required"], *known["input"].get("optional", {})) if ours[name][1]]
    assert [one.name for one in spec.inputs if one.is_widget] == widgets  # their values stand in this order


def socket(kind: str | list[str]) -> str:
    return kind if isinstance(kind, str) else "COMBO"  # older nodes list a combo's entries


def test_the_template_with_sam3_is_valid(comfyui: RealComfyUI) -> None:
    """It is taken as it is where there is a checkpoint of that name; this one has no weights, so it fails there."""
    checkpoints = comfyui.base / "models" / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    (checkpoints / "sam3.safetensors").write_bytes(b"")
    template = CORE_TEMPLATES["With SAM3 - the outline of what I mean"]
    prompt = core_graph(template, read_graph(ROOT / template.base)).to_api()
    status = comfyui.finished(comfyui.submit(prompt))["status"]
    errors = [message for kind, message in status["messages"] if kind == "execution_error"]
    assert [error["node_type"] for error in errors] == ["CheckpointLoaderSimple"]
