"""LLaVA-NeXT and LLaVA-OneVision: a base view, then tiles joined to one canvas from which the padding is cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout.facts import PromptFacts, Size
from api_graph.lvlm.layout.preprocessing import patched, squared
from api_graph.lvlm.layout.views import ViewSpec

_SLACK = 1.1
"""OneVision scales a canvas down only where its sides are longer than its limit's by more than this factor."""


def anyres_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """Base and canvas of every image; a newline token ends each row of the canvas.

    OneVision shows several images of one prompt as a squared base each, followed by one newline token.
    """
    said = [(width, height) for height, width in facts.numbers_per_image("image_sizes")]
    if said != [tuple(size) for size in facts.images]:
        raise BadInput(
            f"the processor saw images of {said}",
            input="sizes",
            value=facts.images,
            hint="Give the (width, height) of the images that the processor was given, in its order.",
        )
    tiling = _Tiling.of(facts.config)
    return [
        [tiling.base(squared(*size), newlines=1)]
        if one_of_several
        else [tiling.base(Geometry.whole(*size)), tiling.canvas(size)]
        for size, one_of_several in zip(facts.images, _several(facts), strict=True)
    ]


def _several(facts: PromptFacts) -> list[bool]:
    """Which images OneVision's processor took as one of several: it was given them in a list for their prompt."""
    counts = facts.inputs.get("batch_num_images")
    if counts is None:
        return [False] * len(facts.images)
    return [int(count) > 1 for count in counts for _ in range(int(count))]


@dataclass(frozen=True)
class _Tiling:
    """A model's any-resolution settings: `tile` and `patch` are sides in pixels, `resolutions` (height, width).

    `limit` is OneVision's "anyres_max_N": a canvas has at most N views' tokens. None is no limit.
    """

    tile: int
    patch: int
    resolutions: list[list[int]]
    limit: str | None

    @classmethod
    def of(cls, config: Any) -> _Tiling:
        vision = config.vision_config
        limit = getattr(config, "vision_aspect_ratio", None)
        return cls(vision.image_size, vision.patch_size, config.image_grid_pinpoints, limit)

    @property
    def cells(self) -> int:
        """Cells, one token each, on a side of a tile."""
        return self.tile // self.patch

    def base(self, area: Geometry, newlines: int = 0) -> ViewSpec:
        """One view of `area`, resized to a tile."""
        grid, area = patched(area, (self.tile, self.tile), self.patch)
        return ViewSpec(grid, area, after=newlines)

    def canvas(self, size: Size) -> ViewSpec:
        """The high-resolution canvas: the image, its aspect kept, centred on the best of the model's resolutions.

        The processor centres the image by pixels, and the model cuts the padding off by whole cells, from both ends
        alike: what is left can reach a little beyond the image, or end a little within it.
        """
        from transformers.image_processing_utils import select_best_resolution

        width, height = size
        best_h, best_w = select_best_resolution((height, width), self.resolutions)
        rows, columns = best_h // self.tile * self.cells, best_w // self.tile * self.cells
        cut_rows, cut_columns = padding_in_cells(size, (rows, columns))
        scale = min(best_w / width, best_h / height)
        resized_w, resized_h = min(math.ceil(width * scale), best_w), min(math.ceil(height * scale), best_h)
        left, right = self._kept(columns, cut_columns, best_w, resized_w, width)
        top, bottom = self._kept(rows, cut_rows, best_h, resized_h, height)
        grid = self._limited((rows - 2 * cut_rows, columns - 2 * cut_columns))
        return ViewSpec(grid, Geometry(width, height, left, top, right, bottom), row_end=1)

    def _kept(self, cells: int, cut: int, canvas: int, resized: int, source: int) -> tuple[float, float]:
        """Both ends, in source pixels, of what is left of one axis of the canvas when `cut` cells go from each end.

        `canvas`, `resized` and `source` are lengths in pixels: of the canvas, of the image on it, and of the source.
        Patches that do not fill a tile leave a gap at its end; over the canvas they are taken as spread evenly.
        """
        cell = (canvas - self.tile % self.patch) / cells  # canvas pixels per cell
        offset = (canvas - resized) // 2
        per_pixel = source / resized
        return (cut * cell - offset) * per_pixel, ((cells - cut) * cell - offset) * per_pixel

    def _limited(self, grid: tuple[int, int]) -> tuple[int, int]:
        """The grid to which the model scales a canvas of `grid` cells down."""
        if self.limit is None:
            return grid
        most_views = int(self.limit.removeprefix("anyres_max_"))
        ratio = math.sqrt(grid[0] * grid[1] / (most_views * self.cells**2))
        return (int(grid[0] // ratio), int(grid[1] // ratio)) if ratio > _SLACK else grid


def padding_in_cells(size: Size, canvas: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that the model cuts from each end of a `canvas` of (rows, columns) cells.

    An image with a wider aspect than the canvas has padding above and below, any other at the left and the right.
    """
    (width, height), (rows, columns) = size, canvas
    if width / height > columns / rows:
        return (rows - int(round(height * (columns / width), 7))) // 2, 0
    return 0, (columns - int(round(width * (rows / height), 7))) // 2
