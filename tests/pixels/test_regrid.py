"""A map in the cells of another model's grid: numbers by hand, negative ones too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.pixels.regrid import onto_grid
from api_graph.sockets import Attribution

WHOLE = Geometry.whole(8, 4)
MIDDLE = Geometry(8, 4, 2.0, 0.0, 6.0, 4.0)  # of a centre crop
MIXED = [[-3.0, -1.0], [2.0, 0.5]]


def maps(*values: list[list[float]], seen: tuple[Geometry, ...] = (WHOLE,)) -> Attribution:
    return Attribution(torch.tensor(values), seen * (len(values) // len(seen)))


def regridded(attribution: Attribution, *where: Geometry, grid: tuple[int, int], filter: str = "nearest") -> Tensor:
    return onto_grid(attribution, where, grid, filter)  # type: ignore[arg-type]


def test_the_same_grid_gives_the_same_map():
    assert regridded(maps(MIXED), WHOLE, grid=(2, 2)).tolist() == [MIXED]


def test_a_finer_grid_repeats_the_cells():
    assert regridded(maps(MIXED), WHOLE, grid=(2, 4)).tolist() == [[[-3, -3, -1, -1], [2, 2, 0.5, 0.5]]]


def test_a_crop_takes_the_part_that_it_shows():
    """The other model sees pixels 2 to 6 of 8 across: the right half of the left cells, the left half of the right."""
    assert regridded(maps(MIXED), MIDDLE, grid=(1, 4)).tolist() == [[[2, 2, 0.5, 0.5]]]


@pytest.mark.parametrize("values", [MIXED, [[-3.0, -1.0], [-2.0, -0.5]], [[1.0, 4.0], [2.0, 3.0]]])
def test_cells_that_the_maps_own_model_did_not_see_get_the_minimum(values):
    """The map covers pixels 2 to 6 of 8, the grid all of them, in cells of 2: its outer columns saw nothing."""
    low = min(values[0] + values[1])
    expected = [[low, *values[0], low], [low, *values[1], low]]
    assert regridded(maps(values, seen=(MIDDLE,)), WHOLE, grid=(2, 4)).tolist() == [expected]


def test_bilinear_by_hand_below_zero():
    """Four cells for two: their centres lie at 1/4, 3/4, 5/4 and 7/4, the map's at 1/2 and 3/2."""
    found = regridded(maps([[-2.0, 2.0]], [[-5.0, -1.0]]), WHOLE, grid=(1, 4), filter="bilinear")
    torch.testing.assert_close(found, torch.tensor([[[-2.0, -1.0, 1.0, 2.0]], [[-5.0, -4.0, -2.0, -1.0]]]))


def test_a_coarser_grid_takes_means():
    assert regridded(maps([[-3.0, -1.0, 2.0, 4.0]]), WHOLE, grid=(1, 2), filter="box").tolist() == [[[-2.0, 3.0]]]


def test_each_map_has_its_own_place_and_its_own_minimum():
    seen = (MIDDLE, WHOLE)
    found = regridded(maps([[-3.0, 1.0]], [[-7.0, 7.0]], seen=seen), WHOLE, grid=(1, 4))
    assert found.tolist() == [[[-3, -3, 1, -3]], [[-7, -7, 7, 7]]]
    found = regridded(maps([[-3.0, 1.0]], [[-7.0, 7.0]], seen=seen), MIDDLE, WHOLE, grid=(1, 2))
    assert found.tolist() == [[[-3, 1]], [[-7, 7]]]


def test_the_map_stays_as_it_was():
    attribution = maps(MIXED)
    regridded(attribution, MIDDLE, grid=(3, 5), filter="bicubic")
    assert attribution.values.tolist() == [MIXED]


def test_refusals():
    with pytest.raises(BadInput, match="1 maps do not go with 2 images"):
        regridded(maps(MIXED), WHOLE, WHOLE, grid=(2, 2))
    with pytest.raises(BadInput, match=r"another size \(got '8×4, not 4×8'\)"):
        regridded(maps(MIXED), Geometry.whole(4, 8), grid=(2, 2))
