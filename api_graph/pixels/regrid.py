"""From one token grid to another: a map made by one model, in the cells of another one's grid."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.pixels._check import checked_maps
from api_graph.pixels._resample import Interpolation, axis_matrix
from api_graph.sockets import Attribution


def onto_grid(
    attribution: Attribution,
    geometry: tuple[Geometry, ...],
    grid: tuple[int, int],
    interpolation: Interpolation = "bilinear",
) -> Tensor:
    """The maps (B, gh', gw') in the cells of a grid (gh, gw) that lies where `geometry` says: (B, gh, gw), float32.

    `geometry` has one entry for all maps, or one for each. A cell whose centre the maps' own model did not see
    gets the map's minimum. Raises BadInput where a map and the grid belong to sources of different sizes.
    """
    values = checked_maps(attribution.values, "attribution")
    if len(geometry) not in (1, len(values)):
        raise BadInput(f"{len(values)} maps do not go with {len(geometry)} images", input="attribution")
    places = geometry * (len(values) // len(geometry))
    laid = [
        _laid(one, source, target, grid, interpolation)
        for one, source, target in zip(values, attribution.geometry, places, strict=True)
    ]
    return torch.stack(laid)


def _laid(
    values: Tensor, source: Geometry, target: Geometry, grid: tuple[int, int], interpolation: Interpolation
) -> Tensor:
    if (source.width, source.height) != (target.width, target.height):
        raise BadInput(
            "the map belongs to an image of another size",
            input="attribution",
            value=f"{source.width}×{source.height}, not {target.width}×{target.height}",
            hint="Use the image that the map was made from.",
        )
    (gh, gw), (rows, columns) = grid, values.shape
    down = _axis(gh, rows, (target.top, target.bottom), (source.top, source.bottom), interpolation)
    across = _axis(gw, columns, (target.left, target.right), (source.left, source.right), interpolation)
    low = values.min()
    down, across = down.to(values), across.to(values)
    return down @ (values - low) @ across.T + low  # (gh, gh') (gh', gw') (gw', gw)


def _axis(
    cells: int,
    source_cells: int,
    target: tuple[float, float],
    source: tuple[float, float],
    interpolation: Interpolation,
) -> Tensor:
    """Weights (cells, source_cells): the target's cells are the pixels of `axis_matrix`."""
    cell = (target[1] - target[0]) / cells
    low, high = ((edge - target[0]) / cell for edge in source)
    return axis_matrix(cells, source_cells, low, high, interpolation)
