"""One map from the weights of an image's tokens, however many views the model had of it."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout.views import TokenLayout, View

_MOST_CELLS = 256  # on a side of the common grid


def merge(layout: TokenLayout, values: Tensor) -> tuple[Tensor, Geometry]:
    """One map (..., gh, gw) and the rectangle of the source that it covers, from `values` (..., N), one per token in
    the order of `layout.columns`.

    An image of one view keeps its own grid, area and values. Of several views, each token's weight is spread evenly
    over its cell. Then every view is laid, by exact overlap of areas, on one grid over the whole image, as fine as the
    finest view (256 cells on a side at most), and the views are added. What lies inside the image keeps its weight.

    Raises BadInput where `values` has another number of tokens.
    """
    columns = layout.columns
    if values.shape[-1] != len(columns):
        raise BadInput(
            f"the image has {len(columns)} tokens, not {values.shape[-1]}",
            input="values",
            value=tuple(values.shape),
            hint="Give one value per token, in the order of layout.columns.",
        )
    if len(layout.views) == 1:
        (view,) = layout.views
        return _on_own_grid(values, columns, view), view.area
    grid = _common_grid(layout)
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    merged = values.new_zeros((*values.shape[:-1], *grid))
    for view in layout.views:
        down, across = _overlaps(view, grid)
        own = _on_own_grid(values, columns, view)  # (..., gh, gw)
        # (fh, gh) (..., gh, gw) (gw, fw) -> (..., fh, fw)
        merged = merged + down.to(values) @ own @ across.to(values).mT
    return merged, Geometry.whole(*layout.size)


def _on_own_grid(values: Tensor, columns: Tensor, view: View) -> Tensor:
    order = torch.searchsorted(columns, view.columns).to(values.device)
    return values[..., order].unflatten(-1, view.grid)  # (..., N) -> (..., gh, gw)


def _common_grid(layout: TokenLayout) -> tuple[int, int]:
    """Rows and columns over the whole image, with cells as small as the smallest of any view."""
    width, height = layout.size
    rows = max(view.grid[0] * height / (view.area.bottom - view.area.top) for view in layout.views)
    columns = max(view.grid[1] * width / (view.area.right - view.area.left) for view in layout.views)
    return min(max(round(rows), 1), _MOST_CELLS), min(max(round(columns), 1), _MOST_CELLS)


def _overlaps(view: View, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Shares of the view's rows in the common rows (fh, gh), and of its columns in the common columns (fw, gw)."""
    xs, ys = view.area.cell_edges(view.grid)
    fine_xs, fine_ys = Geometry.whole(view.area.width, view.area.height).cell_edges(grid)
    return _shares(ys, fine_ys), _shares(xs, fine_xs)


def _shares(cells: list[float], fine: list[float]) -> Tensor:
    """Which share of each cell (edges, ascending) lies in each fine cell, (fine, cells), float64."""
    cell, into = torch.tensor(cells, dtype=torch.float64), torch.tensor(fine, dtype=torch.float64)
    low = torch.maximum(cell[:-1], into[:-1, None])
    high = torch.minimum(cell[1:], into[1:, None])
    return (high - low).clamp(min=0) / cell.diff()
