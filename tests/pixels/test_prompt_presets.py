"""The table of presets: every row can be drawn, and the numbers are those that the papers' code states."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.pixels import prompts
from api_graph.pixels.prompts import PRESETS, preset

DRAW: dict[str, Any] = {
    "circle": prompts.draw_circle,
    "outside": prompts.weaken_outside,
    "crop": prompts.crop_boxes,
    "box_line": prompts.draw_box,
    "shade": prompts.shade_boxes,
    "contour": prompts.draw_contour,
    "fgvp": prompts.fgvp,
    "set_of_mark": prompts.set_of_mark,
}


@pytest.mark.parametrize("row", PRESETS, ids=lambda row: f"{row.prompt} {row.name}")
def test_every_row_changes_the_image(row):
    image = torch.rand(1, 220, 250, 3)
    mask = torch.zeros(1, 220, 250)
    mask[:, 30:100, 20:120] = 1
    on_masks = row.prompt in ("contour", "fgvp", "set_of_mark")
    drawn = DRAW[row.prompt](image, mask if on_masks else [[20, 30, 120, 100]], **row.arguments)[0]
    assert drawn.shape != image[0].shape or not torch.equal(drawn, image[0])
    assert row.source and row.arguments


def test_the_table_has_each_name_once():
    keys = [(row.prompt, row.name) for row in PRESETS]
    assert len(set(keys)) == len(keys)


def test_fgvps_line_is_two_pixels_of_384():
    """Twice that image in size, it is four pixels: two on either side of the outline."""
    black = torch.zeros(1, 768, 800, 3)
    line = prompts.draw_box(black, [[100, 100, 300, 200]], **preset("box_line", "fgvp"))[0, ..., 0]
    assert line[150].nonzero().flatten().tolist() == [98, 99, 100, 101, 298, 299, 300, 301]


def test_a_preset_is_a_copy():
    preset("crop", "falip")["enlarge"] = 9.0
    assert preset("crop", "falip")["enlarge"] == 1.0


def test_unknown_names():
    with pytest.raises(BadInput, match=r"preset: unknown preset \(got 'falib'\)\. Did you mean falip\? crop has falip"):
        preset("crop", "falib")
