"""Views of an image that is stretched over rows × columns tiles."""

from __future__ import annotations

from api_graph.geometry import Geometry
from api_graph.lvlm.places.prompted import Size
from api_graph.lvlm.places.view import View


def whole(size: Size, grid: tuple[int, int]) -> View:
    """The whole image in one view."""
    return View(grid, Geometry.whole(*size))


def tiled(size: Size, grid: tuple[int, int], rows: int, columns: int) -> list[View]:
    """The tiles of an image, row by row."""
    width, height = size
    return [
        View(
            grid,
            Geometry(
                width,
                height,
                column * width / columns,
                row * height / rows,
                (column + 1) * width / columns,
                (row + 1) * height / rows,
            ),
        )
        for row in range(rows)
        for column in range(columns)
    ]
