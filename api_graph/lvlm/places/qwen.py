"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL: the whole image, resized; `image_grid_thw` says into how many patches."""

from __future__ import annotations

from api_graph.geometry import Geometry
from api_graph.lvlm.places.prompted import Prompted
from api_graph.lvlm.places.view import View


def views(prompted: Prompted) -> list[list[View]]:
    """One view per image: h × w patches merged to h/m × w/m tokens, row-major, over the whole image."""
    merge = prompted.config.vision_config.spatial_merge_size
    grids = [(h // merge, w // merge) for _, h, w in prompted.numbers("image_grid_thw")]
    return [[View(grid, Geometry.whole(*size))] for grid, size in zip(grids, prompted.images, strict=True)]
