"""A matrix as a picture: every square has its value's colour."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from api_graph.errors import BadInput
from api_graph.pixels.matrix_figure import matrix_figure
from api_graph.pixels.overlay import color_table


def squares(values: torch.Tensor, cell: int) -> np.ndarray:
    """The colours at the squares' centres, (R, C, 3), from the picture's lower edge up."""
    picture = np.asarray(matrix_figure(values, rows="layer", columns="head", title="t", cell=cell))
    size = max(9, cell // 3)
    left, top = 3 * size, 4 * round(1.5 * size)
    centres = [top + cell // 2 + cell * r for r in range(values.shape[0])]
    return picture[np.ix_(centres, [left + cell // 2 + cell * c for c in range(values.shape[1])])]


@pytest.mark.parametrize("cell", [8, 32])
def test_colours_are_those_of_the_values(cell: int) -> None:
    values = torch.tensor([[0.0, 2.0, 4.0], [1.0, 3.0, 0.0]])
    table = (color_table("viridis") * 255).round().numpy()
    assert np.abs(squares(values, cell) - table[(values / 4 * 255).round().long()]).max() <= 1


def test_negative_values_put_zero_in_the_middle() -> None:
    table = (color_table("viridis") * 255).round().numpy()
    found = squares(torch.tensor([[-1.0, 0.0, 2.0]]), 16)[0]
    assert np.abs(found - table[[64, 128, 255]]).max() <= 1


def test_framed_squares_have_a_red_edge_and_no_others() -> None:
    values, cell, size = torch.zeros(2, 3), 24, 9
    plain, framed = (
        np.asarray(matrix_figure(values, rows="layer", columns="head", cell=cell, framed=places)).astype(int)
        for places in ((), [(1, 2)])
    )
    changed = np.argwhere((plain != framed).any(-1))
    left, top = 3 * size + 2 * cell, 4 * round(1.5 * size) + cell
    assert changed.min(0).tolist() == [top, left] and changed.max(0).tolist() == [top + cell - 1, left + cell - 1]
    assert len(changed) == cell**2 - (cell - 4) ** 2  # an edge of two pixels
    assert {tuple(framed[y, x]) for y, x in changed} == {(255, 64, 64)}


def test_nothing_reacts() -> None:
    assert len(np.unique(squares(torch.zeros(2, 2), 16).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("values", [torch.zeros(3), torch.zeros(0, 3), torch.tensor([[1.0, math.nan]])])
def test_bad_values(values: torch.Tensor) -> None:
    with pytest.raises(BadInput, match="values: "):
        matrix_figure(values, rows="layer", columns="head")
