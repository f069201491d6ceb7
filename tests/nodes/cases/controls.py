"""What stands in a map's place: nodes/controls.py."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.clip import ClipModel
from api_graph.clip.unleash import random_heads
from api_graph.pixels.controls import control_heatmap
from tests.clip.small_models import random_clip
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APControlHeatmap")
def control(world: World) -> Case:
    def expected(heatmap: Tensor, kind: str, width: float, image: Tensor | None) -> Tensor:
        if kind == "uniform":
            return heatmap.mean((1, 2), keepdim=True).expand_as(heatmap)
        return control_heatmap(heatmap, kind, width=width, image=image)  # type: ignore[arg-type]

    return Case(
        expected,
        given={"heatmap": world.noise(1, 20, 30, seed=1)},
        others={
            "heatmap": at(world.noise(2, 20, 30, seed=2)),
            "kind": [at("uniform"), at("centre")],
            "width": at(0.25, kind="centre"),
            "image": at(torch.zeros(1, 11, 12, 3)),
        },
        refusals=[refused("heatmap", heatmap=torch.full((1, 3, 3), torch.nan))],
    )


@case("APRandomHeads")
def other_heads(world: World) -> Case:
    def expected(model: ClipModel, heads: str, seed: int, draw: bool) -> str:
        return ", ".join(map(str, random_heads(model, [int(heads)], seed))) if draw else heads

    return Case(
        expected,
        given={"model": world.clip, "heads": "0"},
        others={"model": at(random_clip(width=64)), "heads": at("3"), "seed": at(1), "draw": at(False)},
        refusals=[refused("heads", heads="first")],
    )
