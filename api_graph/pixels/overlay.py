"""A heatmap for the eye: coloured, alone or over its image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from api_graph.pixels._check import check_sizes, checked_image, checked_maps, in_range, value_range
from api_graph.pixels._colormaps import Colormap, color_table


def colorize(heatmap: Tensor, colormap: Colormap = "turbo") -> Tensor:
    """Colours for (B, H, W) values, clamped to [0, 1], as (B, H, W, 3)."""
    return _coloured(checked_maps(heatmap, "heatmap"), color_table(colormap))


def overlay(image: Tensor, heatmap: Tensor, opacity: float = 0.5, colormap: Colormap = "turbo") -> Tensor:
    """(1 − opacity)·image + opacity·colours of the heatmap, (B, H, W, 3).

    `image` is (B, H, W, 3) and `heatmap` (B, H, W); either may hold one for the other's many.
    """
    image = checked_image(image)
    heatmap = checked_maps(heatmap, "heatmap").to(image.device)
    check_sizes(image, heatmap, "heatmap")
    in_range(opacity, 0.0, 1.0, "opacity")
    colours = _coloured(heatmap, opacity * color_table(colormap))
    if len(colours) < len(image):
        return colours.add(image, alpha=1 - opacity)
    return colours.add_(image, alpha=1 - opacity)  # where they lie already: two thirds of the time


def _coloured(heatmap: Tensor, table: Tensor) -> Tensor:
    value_range(heatmap, "heatmap")
    row = heatmap.clamp(0, 1).mul_(255).round_().int()
    return F.embedding(row, table.to(heatmap.device))  # a quarter of the time of table[row]
