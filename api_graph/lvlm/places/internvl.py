"""InternVL: tiles row-major over a canvas to which the image is stretched, then a thumbnail of the whole."""

from __future__ import annotations

from typing import Any

from api_graph.errors import BadInput
from api_graph.lvlm.places.prompted import Prompted, Size
from api_graph.lvlm.places.tiles import tiled, whole
from api_graph.lvlm.places.view import View


def views(prompted: Prompted) -> list[list[View]]:
    """One image is one run of tokens, whose length says how many tiles there are."""
    found = []
    for prompt, sizes in enumerate(prompted.sizes):
        runs = prompted.runs(prompt)
        if len(runs) != len(sizes):
            raise BadInput(
                f"prompt {prompt} has {len(runs)} runs of image tokens, but {len(sizes)} image sizes",
                input="sizes",
                value=sizes,
                hint="Give the size of every image of every prompt; videos are not supported.",
            )
        found += [_views(prompted.config, size, length) for size, (_, length) in zip(sizes, runs, strict=True)]
    return found


def _views(config: Any, size: Size, tokens: int) -> list[View]:
    grid = _grid(config)
    count = tokens // (grid[0] * grid[1])
    if count <= 1:  # a wrong number of tokens is found out when they are handed out
        return [whole(size, grid)]
    # More than one tile brings the thumbnail, last.
    tile_h, tile_w = _pair(config.vision_config.image_size)
    return [*tiled(size, grid, *canvas(size, count - 1, tile_h * tile_w)), whole(size, grid)]


def _grid(config: Any) -> tuple[int, int]:
    """Tokens of one tile after the pixel shuffle."""
    vision, shuffle = config.vision_config, config.downsample_ratio
    (tile_h, tile_w), (patch_h, patch_w) = _pair(vision.image_size), _pair(vision.patch_size)
    return int(tile_h // patch_h * shuffle), int(tile_w // patch_w * shuffle)


def _pair(side: int | list[int] | tuple[int, int]) -> tuple[int, int]:
    return (side, side) if isinstance(side, int) else (side[0], side[1])


def canvas(size: Size, tiles: int, tile_area: int) -> tuple[int, int]:
    """Rows and columns of a canvas of so many tiles: the one closest to the image's aspect.

    Of two that are equally close, the processor takes the wider where the image has more than half the canvas's pixels.
    """
    width, height = size
    canvases = [(tiles // columns, columns) for columns in range(1, tiles + 1) if tiles % columns == 0]
    off = [abs(width / height - columns / rows) for rows, columns in canvases]
    closest = [one for one, by in zip(canvases, off, strict=True) if by == min(off)]
    return closest[-1] if width * height > 0.5 * tile_area * tiles else closest[0]
