"""`merge`: one map of several views, by exact overlap of areas."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout import TokenLayout, View, merge

SIZE = (40, 20)


def view(first: int, grid: tuple[int, int], *area: float) -> View:
    """A view of `SIZE` whose tokens begin at `first`, over (left, top, right, bottom)."""
    columns = torch.arange(first, first + grid[0] * grid[1])
    return View(columns, grid, Geometry(*SIZE, *area))


def test_one_view_is_left_as_it_is() -> None:
    only = view(5, (2, 3), -10, 0, 30, 20)
    values = torch.randn(4, 6, dtype=torch.float16)
    merged, area = merge(TokenLayout(SIZE, (only,)), values)
    assert torch.equal(merged, values.view(4, 2, 3))
    assert merged.dtype == torch.float16
    assert area == only.area


def test_columns_out_of_order_are_put_in_their_cells() -> None:
    only = View(torch.tensor([9, 3, 7, 5]), (2, 2), Geometry.whole(*SIZE))
    layout = TokenLayout(SIZE, (only,))
    assert layout.columns.tolist() == [3, 5, 7, 9]
    merged, _ = merge(layout, torch.tensor([30.0, 50.0, 70.0, 90.0]))
    assert merged.tolist() == [[90, 30], [70, 50]]


def test_base_and_canvas_by_hand() -> None:
    """A base of 1 × 2 cells, a canvas of 2 × 4: each base cell is a 2 × 2 block of the canvas and is shared by four."""
    layout = TokenLayout(SIZE, (view(0, (1, 2), 0, 0, 40, 20), view(2, (2, 4), 0, 0, 40, 20)))
    values = torch.tensor([8.0, 4.0, 1, 2, 3, 4, 5, 6, 7, 8])
    merged, area = merge(layout, values)
    assert area == Geometry.whole(*SIZE)
    assert merged.tolist() == [[3, 4, 4, 5], [7, 8, 8, 9]]


def test_tiles_and_thumbnail_by_hand() -> None:
    """Two tiles of 1 × 1, then a thumbnail of 1 × 1 over both."""
    layout = TokenLayout(
        SIZE, (view(0, (1, 1), 0, 0, 20, 20), view(1, (1, 1), 20, 0, 40, 20), view(2, (1, 1), 0, 0, 40, 20))
    )
    merged, _ = merge(layout, torch.tensor([[1.0, 2.0, 10.0], [0.0, 1.0, 0.0]]))
    assert merged.tolist() == [[[6, 7]], [[0, 1]]]


def test_what_lies_in_the_padding_is_left_out() -> None:
    """A canvas from −20 to 20 in height: its upper row lies above the image, its lower one covers all of it."""
    layout = TokenLayout(SIZE, (view(0, (1, 1), 0, 0, 40, 20), view(1, (2, 1), 0, -20, 40, 20)))
    merged, _ = merge(layout, torch.tensor([1.0, 100.0, 3.0]))
    assert merged.tolist() == [[4]]


def test_cells_that_do_not_line_up_are_cut_where_they_overlap() -> None:
    """Two cells of 20 and three of 13⅓ on three columns: the middle column has a third of either half."""
    layout = TokenLayout(SIZE, (view(0, (1, 2), 0, 0, 40, 20), view(2, (1, 3), 0, 0, 40, 20)))
    merged, _ = merge(layout, torch.tensor([3.0, 6.0, 0.0, 0.0, 0.0]))
    assert torch.allclose(merged, torch.tensor([[2.0, 3.0, 4.0]]))


def test_the_common_grid_is_capped() -> None:
    layout = TokenLayout(SIZE, (view(0, (1, 1), 0, 0, 40, 20), view(1, (1, 400), 0, 0, 40, 20)))
    merged, _ = merge(layout, torch.ones(401))
    assert merged.shape == (1, 256)
    assert torch.allclose(merged, torch.full((1, 256), 401 / 256))


grids = st.tuples(st.integers(1, 7), st.integers(1, 7))


@st.composite
def rectangles(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """A rectangle inside the image, at least 2 pixels on a side."""
    width, height = SIZE
    left, top = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
    return left, top, draw(st.floats(left + 2, width)), draw(st.floats(top + 2, height))


@given(views=st.lists(st.tuples(grids, rectangles()), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_weight_inside_the_image_is_kept(views: list, seed: int) -> None:
    shown, first = [], 0
    for grid, area in views:
        shown.append(view(first, grid, *area))
        first += grid[0] * grid[1]
    values = torch.rand(2, first, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    merged, _ = merge(TokenLayout(SIZE, tuple(shown)), values)
    assert torch.allclose(merged.sum((1, 2)), values.sum(1))
    assert (merged >= 0).all()


@given(grid=grids, tiles=grids, spot=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_a_tokens_weight_lands_in_its_cell(
    grid: tuple[int, int], tiles: tuple[int, int], spot: tuple[int, int]
) -> None:
    row, column = spot[0] % tiles[0], spot[1] % tiles[1]
    layout = TokenLayout(SIZE, (view(0, grid, 0, 0, 40, 20), view(grid[0] * grid[1], tiles, 0, 0, 40, 20)))
    values = torch.zeros(len(layout.columns))
    values[grid[0] * grid[1] + row * tiles[1] + column] = 1
    merged, _ = merge(layout, values)
    gh, gw = merged.shape
    centre_y = (merged.sum(1) * (torch.arange(gh) + 0.5)).sum() / gh
    centre_x = (merged.sum(0) * (torch.arange(gw) + 0.5)).sum() / gw
    assert float(centre_y) == pytest.approx((row + 0.5) / tiles[0], abs=0.5 / gh + 1e-6)
    assert float(centre_x) == pytest.approx((column + 0.5) / tiles[1], abs=0.5 / gw + 1e-6)


def test_another_number_of_values_is_refused() -> None:
    with pytest.raises(BadInput, match="6 tokens, not 5"):
        merge(TokenLayout(SIZE, (view(0, (2, 3), 0, 0, 40, 20),)), torch.ones(5))
