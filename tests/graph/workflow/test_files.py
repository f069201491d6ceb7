"""Any saved file is read: a .json in either format, a PNG or WebP with either in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from api_graph.graph import Graph, GraphError, read_graph, set_inputs
from api_graph.registry import Registry

API = {"1": {"class_type": "PInt", "inputs": {"v": 8}, "_meta": {"title": "PInt"}}}


@pytest.fixture
def workflow(pen) -> dict[str, Any]:
    return pen().node(1, "PInt", [7]).node(2, "POut").link(1, 2, "v").document()


@pytest.fixture
def sent() -> dict[str, Any]:
    return {
        "1": {"class_type": "PInt", "inputs": {"v": 7}, "_meta": {"title": "PInt"}},
        "2": {"class_type": "POut", "inputs": {"v": ["1", 0]}, "_meta": {"title": "POut"}},
    }


def test_a_path_a_text_and_a_mapping_give_the_same(workflow, sent, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(workflow))
    assert read_graph(path, registry) == read_graph(str(path), registry) == read_graph(workflow, registry)
    assert read_graph(path, registry) == Graph(read_graph(sent).nodes, {"workflow": workflow})


@pytest.mark.parametrize("name", ["out.png", "out.webp"])
class TestImages:
    @pytest.fixture
    def image(self, name: str, tmp_path: Path):
        """A picture that carries these."""

        def image(**texts: Any) -> Path:
            info, exif = PngImagePlugin.PngInfo(), Image.Exif()
            for tag, (key, value) in enumerate(texts.items(), start=0x010F):
                info.add_text(key, json.dumps(value))
                exif[tag] = f"{key}:{json.dumps(value)}"
            Image.new("RGB", (8, 8)).save(tmp_path / name, pnginfo=info, exif=exif)
            return tmp_path / name

        return image

    def test_only_a_workflow(self, image, workflow, sent, registry: Registry) -> None:
        read = read_graph(image(workflow=workflow), registry)
        assert (read.to_api(), read.extra) == (sent, {"workflow": workflow})

    def test_both(self, image, workflow, registry: Registry) -> None:
        """The prompt is what made the picture."""
        read = read_graph(image(workflow=workflow, prompt=API), registry)
        assert (read.to_api(), read.extra) == (API, {"workflow": workflow})
        assert read_graph(image(workflow=workflow, prompt=API)) == read

    def test_an_empty_prompt(self, image, workflow, sent, registry: Registry) -> None:
        for prompt in ({}, None):
            assert read_graph(image(prompt=prompt, workflow=workflow), registry).to_api() == sent

    def test_without_a_registry(self, name: str, image, workflow) -> None:
        with pytest.raises(
            GraphError, match=rf"{name} is in the editor's own save format\. Its nodes name no inputs; "
        ):
            read_graph(image(workflow=workflow))


def test_capital_keywords_of_a_webp(workflow, sent, registry: Registry, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = f"Workflow:{json.dumps(workflow)}"
    Image.new("RGB", (8, 8)).save(tmp_path / "out.webp", exif=exif)
    assert read_graph(tmp_path / "out.webp", registry).to_api() == sent


def test_what_was_read_can_be_set(workflow, registry: Registry) -> None:
    read = set_inputs(read_graph(workflow, registry), registry, {"v": 9})
    assert read.nodes["1"].inputs == {"v": 9}
    assert read.extra == {}  # the workflow still says 8


def test_a_node_may_have_the_id_nodes(registry: Registry) -> None:
    assert read_graph({"nodes": API["1"]}, registry).nodes["nodes"].inputs == {"v": 8}
