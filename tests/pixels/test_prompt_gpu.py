"""On a machine with an accelerator: prompts drawn there are those drawn on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from api_graph.pixels import prompts

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

IMAGE = torch.rand(1, 220, 250, 3, generator=torch.Generator().manual_seed(0))
BOXES = torch.tensor([[20.0, 30, 120, 100], [100.0, 90, 240, 210]])
MASKS = torch.zeros(2, 220, 250)
MASKS[0, 30:100, 20:120] = 1
MASKS[1, 90:210, 100:240] = 1


@pytest.mark.parametrize("drawing", ["smooth", "hard", "pillow"])
@pytest.mark.parametrize("name", ["draw_circle", "draw_box", "shade_boxes", "draw_keypoint", "weaken_outside"])
def test_prompts_on_boxes(name: str, drawing: str) -> None:
    draw: Any = getattr(prompts, name)
    drawn = draw(IMAGE.cuda(), BOXES.cuda(), drawing=drawing)
    assert drawn.device.type == "cuda"
    torch.testing.assert_close(drawn.cpu(), draw(IMAGE, BOXES, drawing=drawing), rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["draw_contour", "fgvp", "set_of_mark"])
def test_prompts_on_masks(name: str) -> None:
    draw: Any = getattr(prompts, name)
    there, here = draw(IMAGE.cuda(), MASKS), draw(IMAGE, MASKS)
    there, here = getattr(there, "image", there), getattr(here, "image", here)
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=2e-3)


def test_crops() -> None:
    for there, here in zip(prompts.crop_boxes(IMAGE.cuda(), BOXES), prompts.crop_boxes(IMAGE, BOXES), strict=True):
        assert there.device.type == "cuda" and torch.equal(there.cpu(), here)
