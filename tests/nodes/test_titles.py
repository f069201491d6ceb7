"""What the nodes are called: ComfyUI's search offers a core node first where both have one title."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from api_graph.graph import read_graph, set_inputs, settable
from api_graph.registry import all_nodes, own_nodes

CORE = """
Batch Images; Blend Images; Blur Image; Bounding Box; Combine Masks; Compare Images; Compare Text; Convert Image to
Mask; Convert Mask to Image; Create Bounding Boxes; Create Solid Mask; Crop By Bounding Boxes; Crop Image; Crop
Mask; Draw BBoxes; Draw Text Overlay; Extract Text; Feather Mask; Format Text; Generate Text; Get Image Size; Grow
Mask; Invert Mask; Load CLIP; Load CLIP Vision; Load Image; Load Image (as Mask); Load LoRA; Preview Image; Preview
Mask; Preview as Text; Resize Image/Mask; SAM3 Detect; Save Image; Save Text; Stitch Images; Text; Text (Multiline);
Threshold Mask
"""
"""Titles of nodes of ComfyUI 0.33 that ours could be taken for."""


def core_titles() -> Iterable[str]:
    yield from (" ".join(title.split()) for title in CORE.split(";"))
    checkout = os.environ.get("API_GRAPH_COMFYUI")
    for file in [Path(checkout, "nodes.py"), *Path(checkout, "comfy_extras").glob("*.py")] if checkout else ():
        text = file.read_text("utf-8")
        yield from re.findall(r'display_name="([^"]+)"', text)
        for table in re.findall(r"NODE_DISPLAY_NAME_MAPPINGS = \{(.*?)\n\}", text, re.DOTALL):
            yield from re.findall(r'":\s*"([^"]+)"', table)


@pytest.mark.parametrize("spec", own_nodes().values(), ids=own_nodes())
def test_no_title_is_a_core_node_s(spec) -> None:
    def same(title: str) -> str:
        return " ".join(title.split()).casefold()

    assert same(spec.title) not in set(map(same, core_titles()))


BY_0_1 = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "Load image"}},
    "2": {"class_type": "APText", "inputs": {"text": "a"}},
    "3": {"class_type": "APLoadCLIP", "inputs": {"model": "demo", "device": "cpu"}},
}


def test_former_titles_still_name_nodes_and_inputs() -> None:
    graph, nodes = read_graph(BY_0_1), own_nodes()
    ready = set_inputs(graph, nodes, {"Load image": "b.png", "Text": "b", "load clip.device": "cuda"})
    assert [ready.nodes[id].inputs[name] for id, name in (("1", "image"), ("2", "text"), ("3", "device"))] == [
        "b.png",
        "b",
        "cuda",
    ]
    ready = set_inputs(graph, nodes, {"Shared text.text": "c", "image": "c.png"})
    assert (ready.nodes["2"].inputs["text"], ready.nodes["1"].inputs["image"]) == ("c", "c.png")
    assert [one.name for one in settable(graph, nodes) if one.given] == ["image", "text", "model", "device"]


def test_a_title_that_somebody_gave_goes_before_a_former_one() -> None:
    titled = {"4": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}}, **BY_0_1}
    titled["5"] = {"class_type": "PrimitiveString", "inputs": {"value": "x"}, "_meta": {"title": "Text"}}
    nodes = {**own_nodes(), "PrimitiveString": all_nodes()["PrimitiveString"]}
    ready = set_inputs(read_graph(titled), nodes, {"Text": "y"})
    assert (ready.nodes["5"].inputs["value"], ready.nodes["2"].inputs["text"]) == ("y", "a")
