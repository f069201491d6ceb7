"""Nodes that show images in themselves: what they write, and what they tell the editor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from api_graph.nodes.blend import heatmap_overlay, preview_heatmap
from api_graph.nodes.images import compare_images
from PIL import Image

from api_graph.context import Context
from api_graph.folders import Folders
from api_graph.pixels.read import to_pil
from api_graph.registry import own_nodes


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Folders(inputs=(), output=tmp_path / "output", temp=tmp_path / "temp"))


def plain(level: float, count: int = 1) -> torch.Tensor:
    return torch.full((count, 4, 6, 3), level)


def shown(context: Context, kind: str) -> list[Image.Image]:
    assert {item["type"] for item in context.ui[kind]} == {"temp"}
    return [Image.open(context.folders.temp / item["subfolder"] / item["filename"]) for item in context.ui[kind]]


def test_a_heatmap_is_shown_over_its_image(context: Context) -> None:
    image, heatmap = torch.rand(1, 4, 6, 3), torch.rand(1, 4, 6)
    overlay = preview_heatmap(image, heatmap, context, 0.3, "viridis")
    assert torch.equal(overlay, heatmap_overlay(image, heatmap, 0.3, "viridis"))
    (picture,) = shown(context, "images")
    assert picture.tobytes() == to_pil(overlay)[0].tobytes()


def test_images_to_compare_are_shown_on_both_sides(context: Context) -> None:
    compare_images(plain(0.0), plain(1.0, 2), context)
    assert [picture.getpixel((0, 0)) for picture in shown(context, "before")] == [(0, 0, 0)]
    assert [picture.getpixel((0, 0)) for picture in shown(context, "after")] == [(255, 255, 255)] * 2
    assert context.ui["images"] == context.ui["before"] + context.ui["after"], "for an editor without the slider"
    assert not context.folders.output.exists(), "nothing is kept"


def test_only_output_nodes_show_files() -> None:
    assert all(own_nodes()[id].output for id in ("APPreviewHeatmap", "APCompareImages", "APPreviewImage"))
