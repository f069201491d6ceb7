"""Heatmaps in colour."""

from __future__ import annotations

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.pixels.overlay import color_table, colorize, overlay


@pytest.mark.parametrize(
    ("colormap", "first", "middle", "last"),
    [  # the published end points, and the middle rows of the published tables
        ("viridis", (68, 1, 84), (33, 145, 140), (253, 231, 37)),
        ("inferno", (0, 0, 4), (188, 55, 84), (252, 255, 164)),
        ("turbo", (48, 18, 59), (164, 252, 60), (122, 4, 3)),
        ("grey", (0, 0, 0), (128, 128, 128), (255, 255, 255)),
    ],
)
def test_tables_hold_the_published_colours(colormap, first, middle, last):
    table = color_table(colormap) * 255
    assert table.shape == (256, 3)
    torch.testing.assert_close(table[[0, 128, 255]], torch.tensor([first, middle, last]).float(), rtol=0, atol=2)


def test_colorize_by_hand():
    heatmap = torch.tensor([[[-1.0, 0.0, 0.2, 1.0, 3.0]]])
    expected = torch.tensor([0.0, 0.0, 0.2, 1.0, 1.0])[None, None, :, None].expand(1, 1, 5, 3)
    torch.testing.assert_close(colorize(heatmap, "grey"), expected)


def test_overlay_mixes_by_opacity_and_broadcasts():
    image, heatmap = torch.zeros(1, 2, 2, 3), torch.ones(3, 2, 2)
    torch.testing.assert_close(overlay(image, heatmap, 0.25, "grey"), torch.full((3, 2, 2, 3), 0.25))
    assert torch.equal(overlay(image, heatmap, 0.0), image.expand(3, 2, 2, 3))
    assert torch.equal(overlay(image, heatmap, 1.0), colorize(heatmap))


def test_refusals():
    with pytest.raises(BadInput, match="Use one of turbo"):
        colorize(torch.rand(1, 2, 2), "jet")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="opacity"):
        overlay(torch.rand(1, 2, 2, 3), torch.rand(1, 2, 2), 2.0)
    with pytest.raises(BadInput, match="NaN"):
        colorize(torch.full((1, 2, 2), torch.nan))
