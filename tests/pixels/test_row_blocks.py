"""Pictures of 8 bits: the same as from floats, whatever the blocks and whatever goes together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.pixels import row_blocks as module
from api_graph.pixels.blend import alpha_blend, reference_blend
from api_graph.pixels.heatmap import mean_filter
from api_graph.pixels.overlay import color_table, overlay
from api_graph.pixels.read import to_levels
from api_graph.pixels.row_blocks import put, row_blocks
from api_graph.sockets import as_floats

TALL = (700, 301)
"""Height and width of pictures that take several blocks."""

BLENDS = [
    {},
    {"strength": 0.3},
    {"background": "grey", "grey": 0.71},
    {"background": "colour", "colour": "#ff8001"},
    {"background": "blur", "blur_radius": 3.0},
    {"background": "image", "background_image": torch.full((1, *TALL, 3), 0.25)},
    {"background": "image", "background_image": torch.full((1, *TALL, 3), 77, dtype=torch.uint8)},
]


def made(seed: int, count: int = 1, size: tuple[int, int] = TALL) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (count, *size, 3), dtype=torch.uint8, generator=random)
    return image, torch.rand(count, *size, generator=random) * 1.2 - 0.1


@given(st.integers(1, 5), st.integers(1, 3000), st.integers(1, 3000))
def test_blocks_are_all_rows_once(count, height, width):
    rows = [row for block in row_blocks(count, height, width, torch.device("cpu")) for row in range(height)[block]]
    assert rows == list(range(height))


def test_blocks_are_small_and_not_too_small():
    sizes = [640 * len(range(480)[block]) for block in row_blocks(1, 480, 640, torch.device("cpu"))]
    assert max(sizes) <= module.CACHED and sizes[0] > module.CACHED - 640


def test_bytes_become_the_floats_of_to_tensor_and_floats_stay():
    levels = torch.arange(256, dtype=torch.uint8)
    np.testing.assert_array_equal(as_floats(levels).numpy(), np.arange(256, dtype=np.float32) / np.float32(255))
    floats = torch.rand(3)
    assert as_floats(floats) is floats


def test_values_are_rounded_to_the_nearest_level():
    block = torch.empty(5, dtype=torch.uint8)
    put(block, torch.tensor([0.0, 0.4, 0.6, 254.7, 255.0]))
    assert block.tolist() == [0, 0, 1, 255, 255]


def test_overlay_of_bytes_by_hand():
    """.75 of the image's 200 and a quarter of grey level 100: 175; of 255 and 255, 255 exactly."""
    image = torch.tensor([200, 200, 200, 255, 255, 255], dtype=torch.uint8).view(1, 1, 2, 3)
    mixed = overlay(image, torch.tensor([[[100 / 255, 1.0]]]), 0.25, "grey")
    assert mixed.dtype == torch.uint8 and mixed.flatten().tolist() == [175] * 3 + [255] * 3


@pytest.mark.parametrize("opacity", [0.0, 0.37, 0.6, 1.0])
@pytest.mark.parametrize("colormap", ["turbo", "grey"])
def test_overlay_of_bytes_is_the_formula_within_half_a_level(opacity, colormap):
    image, heatmap = made(0)
    levels = (heatmap.double().clamp(0, 1) * 255).round().long()
    exact = (1 - opacity) * image.double() + opacity * 255 * color_table(colormap).double()[levels]
    assert (overlay(image, heatmap, opacity, colormap).double() - exact).abs().max() <= 0.501


@pytest.mark.parametrize("options", BLENDS)
def test_a_blend_of_bytes_is_that_of_floats_in_8_bits(options):
    image, heatmap = made(1)
    floats = alpha_blend(as_floats(image), heatmap, **options)
    of_bytes = alpha_blend(image, heatmap, **options)
    difference = of_bytes.int() - torch.from_numpy(to_levels(floats)).int()
    assert of_bytes.dtype == torch.uint8 and difference.abs().max() <= 1
    assert (difference != 0).double().mean() < 0.02  # ties, mostly where the heatmap is 0 or 1


def test_a_blend_of_bytes_by_hand():
    """Half of 201 over nothing is 100.5, and a quarter of it over three quarters of grey 0.2 (51) is 88.5."""
    image = torch.full((1, 1, 2, 3), 201, dtype=torch.uint8)
    blended = alpha_blend(image, torch.tensor([[[0.5, 0.25]]]))
    assert blended[0, 0, 0].tolist() in ([100] * 3, [101] * 3)
    over_grey = alpha_blend(image, torch.tensor([[[1.0, 0.25]]]), background="grey", grey=0.2)
    assert over_grey[0, 0, 0].tolist() == [201] * 3 and over_grey[0, 0, 1].tolist() in ([88] * 3, [89] * 3)


def test_a_background_beyond_1_is_white():
    image = torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    bright = torch.full((1, 1, 1, 3), 7.0)
    behind = alpha_blend(image, torch.zeros(1, 1, 1), background="image", background_image=bright)
    assert behind.flatten().tolist() == [255] * 3


@pytest.mark.parametrize("grey", [0.0, 200.0])
def test_the_official_blend_of_bytes_is_that_of_floats(grey):
    image, heatmap = made(2)
    floats = reference_blend(as_floats(image), heatmap, grey)
    assert torch.equal(reference_blend(image, heatmap, grey), (floats * 255).round().to(torch.uint8))


@settings(max_examples=10)
@given(st.integers(2, 4), st.integers(0, 99), st.integers(0, 40))
def test_what_goes_together_changes_no_bit(count, seed, reach):
    image, heatmap = made(seed, count, (211, 97))
    together = overlay(image, heatmap), alpha_blend(image, heatmap), mean_filter(heatmap, 2 * reach + 1)
    for i in range(count):
        own = image[i, None], heatmap[i, None]
        assert torch.equal(together[0][i], overlay(*own)[0]) and torch.equal(together[1][i], alpha_blend(*own)[0])
        assert torch.equal(together[2][i], mean_filter(own[1], 2 * reach + 1)[0])


def test_the_blocks_change_no_bit(monkeypatch):
    image, heatmap = made(3, 2)
    whole = overlay(image, heatmap), alpha_blend(image, heatmap), mean_filter(heatmap, 15)
    monkeypatch.setattr(module, "CACHED", 2**11)
    in_many = overlay(image, heatmap), alpha_blend(image, heatmap), mean_filter(heatmap, 15)
    assert all(map(torch.equal, whole, in_many))


def test_one_for_many():
    image, heatmap = made(4, 3, (5, 6))
    assert torch.equal(overlay(image[:1], heatmap)[2], overlay(image[:1], heatmap[2:])[0])
    assert torch.equal(overlay(image, heatmap[:1])[2], overlay(image[2:], heatmap[:1])[0])


@pytest.mark.parametrize("image", [torch.zeros(1, 2, 2, 4, dtype=torch.uint8), torch.zeros(1, 2, 2, 3).int()])
def test_other_integers_are_refused(image):
    with pytest.raises(BadInput, match="floats in"):
        overlay(image, torch.rand(1, 2, 2))
