"""One map from the weights of an image's tokens, however many views the model had of it."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.places.part import Part, Places

_MOST_CELLS = 256  # on a side of the common grid


def merge(places: Places, values: Tensor) -> tuple[Tensor, Geometry]:
    """One map (..., gh, gw) and the rectangle of the source that it covers, from `values` (..., N), one per token in
    the order of `places.columns`.

    An image of one part keeps its own grid, area and values. Of several, each token's weight is spread evenly over
    its cell, and every part is laid by exact overlap of areas on one grid over the whole image, as fine as the finest
    part (256 cells on a side at most); there the parts are added. What lies inside the image keeps its weight.

    BadInput where `values` has another number of tokens.
    """
    columns = places.columns
    if values.shape[-1] != len(columns):
        raise BadInput(
            f"the image has {len(columns)} tokens, not {values.shape[-1]}",
            input="values",
            value=tuple(values.shape),
            hint="Give one value per token, in the order of places.columns.",
        )
    if len(places.parts) == 1:
        (part,) = places.parts
        return _on_own_grid(values, columns, part), part.area
    grid = _common_grid(places)
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    merged = values.new_zeros((*values.shape[:-1], *grid))
    for part in places.parts:
        down, across = _overlaps(part, grid)
        own = _on_own_grid(values, columns, part)  # (..., gh, gw)
        # (fh, gh) (..., gh, gw) (gw, fw) -> (..., fh, fw)
        merged = merged + down.to(values) @ own @ across.to(values).mT
    return merged, Geometry.whole(*places.size)


def _on_own_grid(values: Tensor, columns: Tensor, part: Part) -> Tensor:
    order = torch.searchsorted(columns, part.columns).to(values.device)
    return values[..., order].unflatten(-1, part.grid)  # (..., N) -> (..., gh, gw)


def _common_grid(places: Places) -> tuple[int, int]:
    """Rows and columns over the whole image, with cells as small as the smallest of any part."""
    width, height = places.size
    rows = max(part.grid[0] * height / (part.area.bottom - part.area.top) for part in places.parts)
    columns = max(part.grid[1] * width / (part.area.right - part.area.left) for part in places.parts)
    return min(max(round(rows), 1), _MOST_CELLS), min(max(round(columns), 1), _MOST_CELLS)


def _overlaps(part: Part, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Shares of the part's rows in the common rows (fh, gh), and of its columns in the common columns (fw, gw)."""
    xs, ys = part.area.cell_edges(part.grid)
    fine_xs, fine_ys = Geometry.whole(part.area.width, part.area.height).cell_edges(grid)
    return _shares(ys, fine_ys), _shares(xs, fine_xs)


def _shares(cells: list[float], fine: list[float]) -> Tensor:
    """Which share of each cell (edges, ascending) lies in each fine cell, (fine, cells), float64."""
    cell, into = torch.tensor(cells, dtype=torch.float64), torch.tensor(fine, dtype=torch.float64)
    low = torch.maximum(cell[:-1], into[:-1, None])
    high = torch.minimum(cell[1:], into[1:, None])
    return (high - low).clamp(min=0) / cell.diff()
