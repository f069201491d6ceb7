"""`Attribution`: maps and their geometries stay together."""

from __future__ import annotations

import json

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution

GEOMETRY = (
    Geometry.whole(8, 6),
    Geometry(20, 10, -1.5, 0.25, 11.0, 10.0),
    Geometry.of_resize(50, 30, (8, 8), "longest"),
)
MAPS = Attribution(torch.arange(18.0).reshape(3, 2, 3), GEOMETRY)


def test_each_map_by_itself() -> None:
    each = MAPS.each()
    assert [one.values.tolist() for one in each] == [
        [[[0, 1, 2], [3, 4, 5]]],
        [[[6, 7, 8], [9, 10, 11]]],
        [[[12, 13, 14], [15, 16, 17]]],
    ]
    assert [one.geometry for one in each] == [(geometry,) for geometry in GEOMETRY]


def test_joined_they_are_what_they_were() -> None:
    joined = Attribution.joined(
        [Attribution(MAPS.values[:2], GEOMETRY[:2]), Attribution(MAPS.values[2:], GEOMETRY[2:])]
    )
    assert torch.equal(joined.values, MAPS.values) and joined.geometry == GEOMETRY


def test_other_values_lie_where_the_maps_lay() -> None:
    finer = MAPS.with_values(torch.zeros(3, 5, 5))
    assert finer.values.shape == (3, 5, 5) and finer.geometry == GEOMETRY


def test_storage_through_json_gives_an_equal_attribution_back() -> None:
    tensors, meta = MAPS.to_storage()
    again = Attribution.from_storage(tensors, json.loads(json.dumps(meta)))
    assert torch.equal(again.values, MAPS.values) and again.geometry == GEOMETRY
    assert json.loads(json.dumps(meta))[1] == [20, 10, -1.5, 0.25, 11.0, 10.0]


@pytest.mark.parametrize(("shape", "geometries"), [((2, 3), 1), ((2, 2, 3), 1), ((2, 2, 3), 3), ((1, 2, 2, 3), 1)])
def test_as_many_geometries_as_maps(shape: tuple[int, ...], geometries: int) -> None:
    with pytest.raises(BadInput, match=rf"B geometries, not \({shape[0]}.* and {geometries}"):
        Attribution(torch.zeros(shape), GEOMETRY[:geometries])
