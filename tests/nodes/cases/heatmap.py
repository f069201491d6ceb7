"""From token space to pixel space: nodes/heatmap.py."""

from __future__ import annotations

import torch

from api_graph.pixels.heatmap import mean_filter, normalize
from api_graph.pixels.resize import to_pixels
from api_graph.sockets import Attribution
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APResize")
def resize(world: World) -> Case:
    positive = Attribution(world.noise(1, 6, 6, seed=1), world.maps().geometry)
    return Case(
        lambda attribution, geometry, interpolation: to_pixels(
            attribution, geometry=geometry, interpolation=interpolation
        ),
        given={"attribution": positive},
        others={
            "attribution": [at(world.maps(2, seed=2)), at(world.maps(seed=3, size=(25, 30)))],
            "geometry": at("reference"),
            "interpolation": [at("nearest"), at("bilinear")],
        },
    )


@case("APMeanFilter")
def mean_filter_pixels(world: World) -> Case:
    return Case(
        lambda heatmap, kernel_size: mean_filter(heatmap, kernel_size),
        given={"heatmap": world.noise(1, 20, 30, seed=1)},
        others={"heatmap": at(world.noise(2, 20, 30, seed=2)), "kernel_size": at(3)},
        refusals=[refused("kernel_size", kernel_size=4)],
    )


@case("APNormalizeHeatmap")
def normalize_heatmap(world: World) -> Case:
    return Case(
        lambda heatmap, mode, contrast: normalize(heatmap, mode, contrast),
        given={"heatmap": world.noise(1, 20, 30, seed=1)},
        others={
            "heatmap": at(world.noise(2, 20, 30, seed=2)),
            "mode": [at("sigmoid"), at("none")],
            "contrast": at(2.5, mode="sigmoid"),
        },
        refusals=[refused("heatmap", heatmap=torch.full((1, 3, 3), torch.nan))],
    )
