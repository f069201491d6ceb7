"""Figures of maps, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from api_graph.geometry import Geometry
from api_graph.pixels.heatmap import figures
from api_graph.sockets import Attribution


def test_figures_of_a_known_map() -> None:
    # A 2×2 grid over the middle square of a 200×100 image: cells of 50 px, from x = 50 on.
    values = torch.tensor([[[1.0, 1.0], [4.0, 2.0]]])
    found = figures(Attribution(values, (Geometry(200, 100, 50.0, 0.0, 150.0, 100.0),)))[0]
    assert (found.peak_x, found.peak_y) == (75.0, 75.0)
    assert (found.peak, found.mean, found.lowest) == (4.0, 2.0, 1.0)
    # Mass above the minimum: 0, 0, 3, 1; its highest tenth of four cells is one cell.
    assert found.top_tenth == pytest.approx(3 / 4)
    nats = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))
    assert found.entropy == pytest.approx(nats / math.log(4))
    assert found.unseen == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(1, 1), (4, 5)])
def test_a_flat_map_is_flat(shape: tuple[int, int]) -> None:
    flat = Attribution(torch.full((1, *shape), 0.3), (Geometry.whole(10, 10),))
    found = figures(flat)[0]
    assert found.entropy == pytest.approx(1.0)
    assert found.top_tenth == pytest.approx(max(1, round(0.1 * math.prod(shape))) / math.prod(shape))


def test_one_figure_per_map() -> None:
    values = torch.stack([torch.eye(3), torch.eye(3).flip(0)])
    geometry = (Geometry.whole(30, 30), Geometry.whole(60, 30))
    first, second = figures(Attribution(values, geometry))
    assert (first.peak_x, first.peak_y) == (5.0, 5.0)
    assert (second.peak_x, second.peak_y) == (50.0, 5.0)
