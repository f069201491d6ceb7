"""The official post-processing: golden data for every grid, kernel, contrast, filter and grey."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.geometry import Geometry
from api_graph.pixels.blend import reference_blend
from api_graph.pixels.reference import mask_to_u8, merge_mask, revise_mask
from api_graph.pixels.resize import to_pixels
from api_graph.sockets import Attribution

GOLDEN = Path(__file__).parents[1] / "golden"
POSTPROC = dict(np.load(GOLDEN / "postproc.npz"))
BLENDS = [key for key in POSTPROC if key.endswith("_blend")]
COMBOS = [(3, 5), (1, 10), (7, 1)]


def batch(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)[None]


@pytest.mark.parametrize(("g", "k", "e"), list(product((7, 14, 24), (1, 3, 5, 7, 9), (1, 5, 10, 50))))
def test_merge_mask(g, k, e):
    mask = merge_mask(batch(POSTPROC[f"g{g}_cls_map"]), 1 - batch(POSTPROC[f"g{g}_token_map"]), k, e)
    np.testing.assert_allclose(mask[0].numpy(), POSTPROC[f"g{g}_k{k}_e{e}_mask"], rtol=0, atol=1e-5)
    levels = mask_to_u8(mask)[0].numpy().astype(int) - POSTPROC[f"g{g}_k{k}_e{e}_mask_u8"]
    assert np.abs(levels).max() <= 1


@pytest.mark.parametrize("name", ["a", "b"])
def test_merge_mask_of_a_models_maps(name):
    maps = np.load(GOLDEN / f"{name}_maps.npz")
    for layer, (k, e) in product(maps["layer_indices"], COMBOS):
        cls_map, token_map = (torch.from_numpy(maps[f"L{layer}_{kind}_map"]) for kind in ("cls", "token"))
        expected = maps[f"L{layer}_k{k}_e{e}_mask"]
        np.testing.assert_allclose(merge_mask(cls_map, 1 - token_map, k, e).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("k", "e"), COMBOS)
def test_revise_mask_of_an_lvlm(k, e):
    maps = np.load(GOLDEN / "llava_maps.npz")
    mask = revise_mask(batch(maps["wide_full_mask_raw"]), k, e)
    np.testing.assert_allclose(mask[0].numpy(), maps[f"wide_full_k{k}_e{e}_mask"], rtol=0, atol=1e-5)
    levels = mask_to_u8(mask)[0].numpy().astype(int) - maps[f"wide_full_k{k}_e{e}_mask_u8"]
    assert np.abs(levels).max() <= 1


def stretched(mask_u8: np.ndarray, size: tuple[int, ...], interpolation: str) -> torch.Tensor:
    """A stored 8-bit mask through our resize, over an image of `size` = (height, width)."""
    whole = Geometry.whole(size[1], size[0])
    attribution = Attribution(batch(mask_u8).float() / 255, (whole,))
    return to_pixels(attribution, geometry="reference", interpolation=interpolation.lower())  # type: ignore[arg-type]


def levels(image: torch.Tensor) -> np.ndarray:
    return (image[0] * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("key", BLENDS)
def test_resize_and_blend_are_exact_from_the_stored_mask(key):
    grid, k, e, interpolation, grey, _ = key.split("_")
    source = POSTPROC[f"{grid}_src_image"]
    heatmap = stretched(POSTPROC[f"{grid}_{k}_{e}_mask_u8"], source.shape[:2], interpolation)
    assert np.array_equal(levels(heatmap), POSTPROC[f"{grid}_{k}_{e}_{interpolation}_resized"])
    blended = reference_blend(batch(source).float() / 255, heatmap, float(grey[1:]))
    assert np.array_equal(levels(blended), POSTPROC[key])


@pytest.mark.parametrize("name", ["a", "b"])
def test_models_blends_from_the_stored_mask(name):
    maps, blends = np.load(GOLDEN / f"{name}_maps.npz"), np.load(GOLDEN / f"{name}_blend.npz")
    for key in (key for key in blends.files if "_blend_" in key):
        k, e, interpolation, grey, _, i = key.split("_")
        source = maps[f"src_image_{i}"]
        heatmap = stretched(maps[f"L2_{k}_{e}_mask_u8"][int(i)], source.shape[:2], interpolation)
        assert np.array_equal(levels(heatmap), blends[f"{k}_{e}_{interpolation}_resized_{i}"])
        assert np.array_equal(levels(reference_blend(batch(source) / 255, heatmap, float(grey[1:]))), blends[key])


@pytest.mark.parametrize("key", BLENDS)
def test_from_raw_maps_to_blend_within_two_levels(key):
    grid, _, _, interpolation, grey, _ = key.split("_")
    source = POSTPROC[f"{grid}_src_image"]
    mask = merge_mask(batch(POSTPROC[f"{grid}_cls_map"]), 1 - batch(POSTPROC[f"{grid}_token_map"]), 3, 5)
    whole = Geometry.whole(source.shape[1], source.shape[0])
    heatmap = to_pixels(
        Attribution(mask, (whole,)),
        geometry="reference",
        interpolation=interpolation.lower(),  # type: ignore[arg-type]
    )
    blended = levels(reference_blend(batch(source) / 255, heatmap, float(grey[1:]))).astype(int)
    assert np.abs(blended - POSTPROC[key]).max() <= 2


def test_mask_to_u8_cuts_and_does_not_round():
    assert mask_to_u8(torch.tensor([[[0.0, 0.499, 0.9999, 1.0]]])).tolist() == [[[0, 127, 254, 255]]]


def test_a_mask_outside_0_to_1_is_refused():
    with pytest.raises(BadInput, match="Normalise the map first"):
        mask_to_u8(torch.tensor([[[0.0, 1.2]]]))


def test_a_constant_map_gives_uniform_not_nan():
    constant = torch.full((1, 4, 4), 0.3)
    with pytest.warns(ApiGraphWarning) as caught:
        mask = merge_mask(constant, constant)
    assert torch.equal(mask, torch.full((1, 4, 4), 0.5))
    assert {str(w.message).split(":")[0] for w in caught} == {"cls_map", "comp_map", "mask"}


def test_one_constant_map_leaves_the_other_to_decide():
    constant, comp_map = torch.full((1, 2, 2), 0.3), torch.tensor([[[0.0, 1.0], [2.0, 4.0]]])
    with pytest.warns(ApiGraphWarning, match="cls_map: map 0 of 1 is constant"):
        mask = merge_mask(constant, comp_map, kernel_size=1)
    torch.testing.assert_close(mask, comp_map / 4)


def test_maps_of_different_grids_are_refused():
    with pytest.raises(BadInput, match="same shape"):
        merge_mask(torch.rand(1, 4, 4), torch.rand(1, 4, 5))
