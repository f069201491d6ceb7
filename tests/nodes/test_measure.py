"""Measure map, called for many rows at once."""

from __future__ import annotations

from pathlib import Path

import torch
from api_graph.nodes.attribution import measure, measure_maps

from api_graph.context import Context
from api_graph.folders import Folders
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution


def context(folder: Path) -> Context:
    return Context(Folders((), folder, folder))


def test_maps_of_several_grids_and_images_are_measured_as_each_alone(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    geometries = [Geometry.whole(30, 30), Geometry.whole(60, 30), Geometry(200, 100, 50.0, 0.0, 150.0, 100.0)]
    maps = [
        Attribution(
            torch.rand(count, *grid, generator=generator), tuple(geometries[(start + i) % 3] for i in range(count))
        )
        for start, (count, grid) in enumerate([(1, (3, 3)), (2, (4, 5)), (3, (3, 3)), (1, (1, 1)), (1, (4, 5))])
    ]
    maps.append(Attribution(torch.full((1, 3, 3), 0.25), geometries[:1]))  # a flat one beside others of its grid
    contexts = [context(tmp_path) for _ in maps]
    together = measure_maps(maps, contexts)
    assert together == [measure(each, context(tmp_path)) for each in maps]
    assert [len(one.string.splitlines()) for one in together] == [1, 2, 3, 1, 1, 1]
    assert [own.ui["text"] for own in contexts] == [one.string.splitlines() for one in together]
    # Every cell of the flat map is as high as the first, and its highest tenth of nine cells is one.
    assert together[-1].string == (
        "peak at (5, 5), value 0.25 (mean 0.25, lowest 0.25); highest tenth holds 11%, entropy 1.00"
    )
    assert (together[-1].peak_x, together[-1].peak_y, together[-1].peak) == ([5.0], [5.0], [0.25])
    assert [len(one.entropy) for one in together] == [1, 2, 3, 1, 1, 1]
