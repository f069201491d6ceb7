"""Blueprints: one node for a whole chain, read back and run without an editor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.executor import Executor
from api_graph.graph import read_graph
from api_graph.graph.validate import find_faults
from api_graph.registry import all_nodes
from api_graph.settings import headless_folders

FOLDER = Path(__file__).parents[2] / "subgraphs"
FILES = sorted(FOLDER.glob("*.json"))
NODES = all_nodes()
BOXES = "209, 52, 283, 129\n354, 165, 432, 243\n53, 112, 152, 215"


def used(blueprint: dict[str, Any]) -> dict[str, Any]:
    """A workflow with the blueprint's node, the example picture, boxes, and a node that shows each output."""
    (host,) = blueprint["nodes"]
    nodes, links = [host], []

    def node(type: str, inputs: list[dict[str, Any]], outputs: list[str], values: list[Any]) -> int:
        slots = [{"name": socket.lower(), "type": socket, "links": []} for socket in outputs]
        made = {"id": 100 + len(nodes), "type": type, "mode": 0, "order": 0, "flags": {}, "properties": {}}
        nodes.append(
            {**made, "pos": [0, 0], "size": [1, 1], "inputs": inputs, "outputs": slots, "widgets_values": values}
        )
        return made["id"]

    def link(source: int, output: int, target: int, slot: int, type: str) -> None:
        links.append([len(links) + 1, source, output, target, slot, type])
        next(n for n in nodes if n["id"] == target)["inputs"][slot]["link"] = len(links)

    picture = node("APLoadImage", [], ["IMAGE", "MASK"], ["example.png", "image"])
    for number, slot in enumerate(host["inputs"]):
        if slot["type"] == "IMAGE":
            link(picture, 0, host["id"], number, "IMAGE")
        elif "BOUNDING_BOX" in slot["type"]:
            boxes = node("APBoxes", [{"name": "image", "type": "IMAGE", "link": None}], ["AP_BOXES"], [BOXES, "xyxy"])
            link(picture, 0, boxes, 0, "IMAGE")
            link(boxes, 0, host["id"], number, "AP_BOXES")
    for number, output in enumerate(host["outputs"]):
        shows = node("APShowText", [{"name": "value", "type": "*", "link": None}], [], [])
        link(host["id"], number, shows, 0, output["type"])
    return {**blueprint, "nodes": nodes, "links": links, "last_node_id": 200, "last_link_id": len(links)}


def test_there_are_four() -> None:
    assert len(FILES) == 4
    ids = [json.loads(file.read_text("utf-8"))["nodes"][0]["type"] for file in FILES]
    assert len({*ids}) == 4


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_blueprint_is_one_node_of_its_subgraph(file: Path) -> None:
    blueprint = json.loads(file.read_text("utf-8"))
    (host,), (inside,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    assert host["type"] == inside["id"] and inside["name"] == file.stem
    assert [slot["name"] for slot in host["inputs"]] == [slot["name"] for slot in inside["inputs"]]
    assert "rendered shapes only" in inside["description"]
    ids = {node["id"]: node for node in inside["nodes"]}
    for link in inside["links"]:
        assert link["origin_id"] in {-10, *ids} and link["target_id"] in {-20, *ids}
        if link["target_id"] in ids:
            assert ids[link["target_id"]]["inputs"][link["target_slot"]]["link"] == link["id"]
        if link["origin_id"] in ids:
            assert link["id"] in ids[link["origin_id"]]["outputs"][link["origin_slot"]]["links"]
    linked = {slot["link"] for node in inside["nodes"] for slot in node["inputs"] if slot["link"] is not None}
    assert linked == {link["id"] for link in inside["links"] if link["target_id"] != -20}
    for node, widget in host["properties"]["proxyWidgets"]:
        spec = NODES[ids[int(node)]["type"]]
        assert (declared := spec.input(widget)) is not None and declared.is_widget


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs_without_an_editor(file: Path, tmp_path: Path) -> None:
    graph = read_graph(used(json.loads(file.read_text("utf-8"))), NODES)
    assert find_faults(graph, NODES) == []
    typed = [v for n in graph.nodes.values() for v in n.literals().values() if isinstance(v, str)]
    assert "demo" in typed and any("ring" in text for text in typed)
    result = Executor().run(graph, headless_folders(tmp_path)).raise_failures()
    texts = [text for shown in result.outputs.values() for text in shown.ui.get("text", [])]
    assert len(texts) >= 3 and all(texts)
