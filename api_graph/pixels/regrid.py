"""From one token grid to another: a map made by one model, in the cells of another one's grid."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.pixels._check import checked_maps
from api_graph.pixels.resize import Interpolation, axis_weights
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
    maps = checked_maps(attribution.values, "attribution")
    if len(geometry) not in (1, len(maps)):
        raise BadInput(f"{len(maps)} maps do not go with {len(geometry)} images", input="attribution")
    targets = geometry * (len(maps) // len(geometry))
    regridded = [
        _onto_grid(one, source, target, grid, interpolation)
        for one, source, target in zip(maps, attribution.geometry, targets, strict=True)
    ]
    return torch.stack(regridded)


def _onto_grid(
    values: Tensor, source: Geometry, target: Geometry, grid: tuple[int, int], interpolation: Interpolation
) -> Tensor:
    """One map (gh', gw') in the cells of the target's grid (gh, gw): to `axis_weights`, these are its pixels."""
    if (source.width, source.height) != (target.width, target.height):
        raise BadInput(
            "the map belongs to an image of another size",
            input="attribution",
            value=f"{source.width}×{source.height}, not {target.width}×{target.height}",
            hint="Use the image that the map was made from.",
        )
    (gh, gw), (rows, columns) = grid, values.shape
    height, width = (target.bottom - target.top) / gh, (target.right - target.left) / gw  # of a cell
    top, bottom = ((edge - target.top) / height for edge in (source.top, source.bottom))
    left, right = ((edge - target.left) / width for edge in (source.left, source.right))
    down = axis_weights(gh, rows, top, bottom, interpolation).weights.to(values)
    across = axis_weights(gw, columns, left, right, interpolation).weights.to(values)
    low = values.min()
    return down @ (values - low) @ across.T + low  # (gh, gh') (gh', gw') (gw', gw)
