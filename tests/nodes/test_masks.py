"""Masks at the nodes: core's forms of them, alone and among the rows of a table."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.executor.rowwise import run_rowwise
from api_graph.registry import all_nodes
from tests.nodes.world import World

NODES = all_nodes()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def test_a_foveal_mask_takes_any_mask_and_core_s_empty_one_is_none(world: World) -> None:
    spec = NODES["APFovealMask"]
    given: dict[str, Any] = {"model": world.clip, "image": world.picture(1)}
    small = torch.zeros(40, 40)
    small[10:30, 5:25] = 1
    full = torch.nn.functional.interpolate(small[None, None], (160, 160), mode="bilinear")[0]
    expected: Any = spec.function(**given, mask=full)
    for mask in (small, small[None], full[0]):
        found: Any = spec.function(**given, mask=mask)
        assert torch.equal(found.values, expected.values)
    boxes: Any = spec.function(**given, boxes=world.boxes())
    both: Any = spec.function(**given, boxes=world.boxes(), mask=torch.zeros(1, 64, 64))
    assert torch.equal(both.values, boxes.values)
    with pytest.raises(BadInput, match="boxes: give boxes, a mask or an attribution"):
        spec.function(**given, mask=torch.zeros(1, 64, 64))


def test_boxes_are_found_around_a_single_mask(world: World) -> None:
    spec, mask = NODES["APBoxesFromMask"], world.masks((20, 30, 70, 80))
    one: Any = spec.function(mask=mask[0])
    assert one.values.tolist() == [[20, 30, 70, 80]]
    with pytest.raises(BadInput, match=r"mask 1 has nothing .* empty mask without transparency"):
        spec.function(mask=torch.zeros(1, 64, 64))


def test_maps_without_a_batch_axis_are_not_joined(world: World) -> None:
    """Two heatmaps (H, W) of a table's rows, one under the other, would be one of 2·H rows."""
    spec = NODES["APMeanFilter"]
    maps = [world.noise(9, 12, seed=seed) for seed in (1, 2, 3)]
    found = run_rowwise(spec.function, {"heatmap": maps}, {"kernel_size": 3})
    for one, heatmap in zip(found, maps, strict=True):
        alone: Any = spec.function(heatmap=heatmap, kernel_size=3)
        assert isinstance(one, torch.Tensor) and torch.equal(one, alone)


def test_a_single_heatmap_is_one_file(world: World) -> None:
    spec = NODES["APSaveHeatmap"]
    heatmap = world.noise(9, 12, seed=1)
    assert (
        world.seen(spec, spec.function, {"heatmap": heatmap}).files
        == world.seen(spec, spec.function, {"heatmap": heatmap[None]}).files
    )
    image: Any = NODES["MaskToImage"].function(mask=heatmap)
    assert image.shape == (1, 9, 12, 3)
