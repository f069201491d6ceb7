"""LLaVA-NeXT and LLaVA-OneVision: a base view, then tiles joined to one canvas from which the padding is cut."""

from __future__ import annotations

import math
from typing import Any

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.places.preprocessing import patched, squared
from api_graph.lvlm.places.prompted import Prompted, Size
from api_graph.lvlm.places.view import View

_SLACK = 1.1  # OneVision leaves a canvas as it is that is larger than its limit by less than this


def views(prompted: Prompted) -> list[list[View]]:
    """Base and canvas of every image; a newline token ends each row of the canvas.

    OneVision shows several images of one prompt as a squared base each, followed by one newline token.
    """
    _check_sizes(prompted)
    several = _several(prompted)
    return [
        [_alone(prompted.config, size)] if one_of_several else _anyres(prompted.config, size)
        for size, one_of_several in zip(prompted.images, several, strict=True)
    ]


def _check_sizes(prompted: Prompted) -> None:
    said = [(width, height) for height, width in prompted.numbers("image_sizes")]
    if said != [tuple(size) for size in prompted.images]:
        raise BadInput(
            f"the processor saw images of {said}",
            input="sizes",
            value=prompted.images,
            hint="Give the (width, height) of the images that the processor was given, in its order.",
        )


def _several(prompted: Prompted) -> list[bool]:
    """Which images OneVision's processor took as one of several: it was given them in a list for their prompt."""
    counts = prompted.inputs.get("batch_num_images")
    if counts is None:
        return [False] * len(prompted.images)
    return [int(count) > 1 for count in counts for _ in range(int(count))]


def _base(config: Any, area: Geometry, newlines: int = 0) -> View:
    side = config.vision_config.image_size
    grid, area = patched(area, (side, side), config.vision_config.patch_size)
    return View(grid, area, after=newlines)


def _alone(config: Any, size: Size) -> View:
    return _base(config, squared(*size), newlines=1)


def _anyres(config: Any, size: Size) -> list[View]:
    return [_base(config, Geometry.whole(*size)), _canvas(config, size)]


def _canvas(config: Any, size: Size) -> View:
    """The hi-res canvas: the image, its aspect kept, centred on the best of the model's resolutions.

    The processor places the image by pixels, and the model cuts the padding off by whole cells, from both ends alike:
    what is left can reach a little beyond the image, or end a little within it.
    """
    from transformers.image_processing_utils import select_best_resolution

    width, height = size
    best_h, best_w = select_best_resolution((height, width), config.image_grid_pinpoints)
    tile, per_tile = config.vision_config.image_size, config.vision_config.image_size // config.vision_config.patch_size
    rows, columns = best_h // tile * per_tile, best_w // tile * per_tile
    cut_rows, cut_columns = _padding_in_cells(size, (rows, columns))
    scale = min(best_w / width, best_h / height)
    placed_w, placed_h = min(math.ceil(width * scale), best_w), min(math.ceil(height * scale), best_h)
    left, right = _kept(config, columns, cut_columns, best_w, placed_w, width)
    top, bottom = _kept(config, rows, cut_rows, best_h, placed_h, height)
    grid = _limited(config, (rows - 2 * cut_rows, columns - 2 * cut_columns), per_tile)
    return View(grid, Geometry(width, height, left, top, right, bottom), row_end=1)


def _padding_in_cells(size: Size, canvas: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that the model cuts from each end of a `canvas` of (rows, columns)."""
    (width, height), (rows, columns) = size, canvas
    if width / height > columns / rows:
        return (rows - int(round(height * (columns / width), 7))) // 2, 0
    return 0, (columns - int(round(width * (rows / height), 7))) // 2


def _kept(config: Any, cells: int, cut: int, canvas: int, placed: int, source: int) -> tuple[float, float]:
    """Both ends, in source pixels, of what is left of one axis of the canvas when `cut` cells go from each end.

    Patches that do not fill a tile leave a gap at its end; over the canvas they are taken as spread evenly.
    """
    tile, patch = config.vision_config.image_size, config.vision_config.patch_size
    cell = (canvas - tile % patch) / cells  # canvas pixels per cell
    offset = (canvas - placed) // 2
    per_pixel = source / placed
    return (cut * cell - offset) * per_pixel, ((cells - cut) * cell - offset) * per_pixel


def _limited(config: Any, grid: tuple[int, int], per_tile: int) -> tuple[int, int]:
    """OneVision's "anyres_max_N": a canvas of more than N views' tokens is scaled down to that many."""
    limit = getattr(config, "vision_aspect_ratio", None)
    if limit is None:
        return grid
    views = int(limit.removeprefix("anyres_max_"))
    ratio = math.sqrt(grid[0] * grid[1] / (views * per_tile**2))
    return (int(grid[0] // ratio), int(grid[1] // ratio)) if ratio > _SLACK else grid
