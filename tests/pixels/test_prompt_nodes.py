"""The nodes of the visual prompts: their presets, their defaults, and boxes of another image."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from api_graph.nodes import prompts as nodes

from api_graph.errors import BadInput
from api_graph.pixels import prompts
from api_graph.pixels.prompts import PRESETS
from api_graph.regions import Boxes
from api_graph.spec import spec_of

IMAGE = torch.rand(1, 220, 250, 3, generator=torch.Generator().manual_seed(0))
BOXES = Boxes(torch.tensor([[20.0, 30, 120, 100], [100.0, 90, 240, 210]], dtype=torch.float64), (250, 220))
MASKS = torch.zeros(2, 220, 250)
MASKS[0, 30:100, 20:120] = 1
MASKS[1, 90:210, 100:240] = 1

# Each node, the function that it stands for, and the name of that in the table of presets.
ON_BOXES: list[tuple[Any, Any, str]] = [
    (nodes.draw_circle, prompts.draw_circle, "circle"),
    (nodes.weaken_outside, prompts.weaken_outside, "outside"),
    (nodes.crop_boxes, prompts.crop_boxes, "crop"),
    (nodes.draw_box, prompts.draw_box, "box_line"),
    (nodes.shade_boxes, prompts.shade_boxes, "shade"),
    (nodes.draw_keypoint, prompts.draw_keypoint, "keypoint"),
]
ON_MASKS: list[tuple[Any, Any, str]] = [
    (nodes.draw_contour, prompts.draw_contour, "contour"),
    (nodes.fgvp, prompts.fgvp, "fgvp"),
    (nodes.set_of_mark, prompts.set_of_mark, "set_of_mark"),
]
ALL = [*((*row, BOXES, BOXES.values) for row in ON_BOXES), *((*row, MASKS, MASKS) for row in ON_MASKS)]


def images(result: Any) -> list[torch.Tensor]:
    """The images of a batch, of a list, or of a marked image."""
    result = getattr(result, "image", result)
    return [one for batch in (result if isinstance(result, list) else [result]) for one in batch]


def assert_same(one: Any, other: Any, tolerance: float = 0.0) -> None:
    for a, b in zip(images(one), images(other), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("node", "function", "name", "region", "plain"), ALL)
def test_a_node_left_alone_is_the_function_left_alone(node, function, name, region, plain):
    # The editor holds 0.5 for CPT's 127 / 255.
    assert_same(node(IMAGE, region), function(IMAGE, plain), tolerance=0.002)


@pytest.mark.parametrize(("node", "function", "name", "region", "plain"), ALL)
def test_every_preset_of_the_table_is_offered_and_holds(node, function, name, region, plain):
    rows = [row for row in PRESETS if row.prompt == name]
    offered = next((i.choices for i in spec_of(node).inputs if i.name == "preset"), None)
    assert offered == (("custom", *(row.name for row in rows)) if rows else None)
    for row in rows:
        assert_same(node(IMAGE, region, preset=row.name), function(IMAGE, plain, **row.arguments))


@pytest.mark.parametrize(("node", "function", "name", "region", "plain"), ALL)
def test_every_parameter_of_the_function_is_on_the_node(node, function, name, region, plain):
    on_node = [p for p in inspect.signature(node).parameters if p != "preset"]
    assert on_node == list(inspect.signature(function).parameters)


@pytest.mark.parametrize(("node", "function", "name"), ON_BOXES)
def test_boxes_of_another_image(node, function, name):
    with pytest.raises(BadInput, match=r"boxes: .*an image of 250×220 pixels, not of 220×220"):
        node(IMAGE[:, :, :220], BOXES)


def test_a_preset_leaves_what_it_does_not_state():
    drawn = nodes.draw_circle(IMAGE, BOXES, preset="falip_line", enlarge=1.2, together=True, colour="blue")
    expected = prompts.draw_circle(
        IMAGE, BOXES.values, **prompts.preset("circle", "falip_line"), enlarge=1.2, together=True
    )
    assert torch.equal(drawn, expected)


def test_marks_come_as_lines_and_masks_in_their_order():
    marked = nodes.set_of_mark(IMAGE, MASKS)
    assert marked.labels == "1\n2"
    assert torch.equal(marked.masks, MASKS.flip(0))


def test_a_misspelt_parameter_is_not_swallowed():
    with pytest.raises(TypeError, match="color"):
        nodes.draw_circle(IMAGE, BOXES, color="blue")
