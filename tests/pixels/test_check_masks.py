"""Masks of another size, shape and emptiness, as ComfyUI's core has them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels._check import fitted_heatmap, fitted_masks
from api_graph.pixels.blend import alpha_blend, reference_blend
from api_graph.pixels.overlay import overlay
from api_graph.pixels.prompts import draw_contour, fgvp, set_of_mark

IMAGE = torch.rand(1, 40, 60, 3, generator=torch.Generator().manual_seed(0))


def stretched(mask: Tensor, height: int, width: int) -> Tensor:
    """Bilinear by hand, pixel by pixel: centres on centres, the edge repeated, nothing averaged on the way down."""

    def at(position: float, old: int, new: int) -> tuple[int, int, float]:
        x = min(max((position + 0.5) * old / new - 0.5, 0.0), old - 1.0)
        first = min(math.floor(x), old - 1)
        return first, min(first + 1, old - 1), x - first

    found = torch.zeros(height, width)
    for row in range(height):
        top, bottom, down = at(row, mask.shape[0], height)
        for column in range(width):
            left, right, across = at(column, mask.shape[1], width)
            upper = (1 - across) * mask[top, left] + across * mask[top, right]
            lower = (1 - across) * mask[bottom, left] + across * mask[bottom, right]
            found[row, column] = (1 - down) * upper + down * lower
    return found


@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
@given(*(st.integers(1, 9) for _ in range(4)))
def test_a_mask_of_another_size_is_stretched_as_core_does(height: int, width: int, own_h: int, own_w: int) -> None:
    mask = torch.rand(2, own_h, own_w, generator=torch.Generator().manual_seed(own_h + 10 * own_w))
    image = torch.zeros(1, height, width, 3)
    for found in (fitted_masks(mask, image, "masks"), fitted_heatmap(mask[:1], image)):
        assert found is not None
        torch.testing.assert_close(found[0], stretched(mask[0], height, width))


@pytest.mark.parametrize("prompt", [draw_contour, fgvp, lambda image, masks: set_of_mark(image, masks).image])
def test_prompts_take_masks_of_any_size_and_of_one_axis_less(prompt) -> None:
    small = torch.zeros(20, 30)
    small[4:12, 5:20] = 1
    full = torch.nn.functional.interpolate(small[None, None], (40, 60), mode="bilinear")[0]
    expected = prompt(IMAGE, full)
    for given_so in (small, small[None], small[None, None]):
        assert torch.equal(prompt(IMAGE, given_so), expected)
    assert torch.equal(prompt(IMAGE, full[0]), expected)


@pytest.mark.parametrize("draw", [alpha_blend, reference_blend, overlay])
def test_a_heatmap_of_another_size_is_stretched_and_said(draw) -> None:
    heatmap = torch.rand(1, 20, 30)
    with pytest.warns(ApiGraphWarning, match=r"heatmap \(30×20 pixels\) has another size .* stretched to 60×40"):
        found = draw(IMAGE, heatmap)
    full = torch.nn.functional.interpolate(heatmap[None], (40, 60), mode="bilinear")[0]
    assert torch.equal(found, draw(IMAGE, full))
    assert torch.equal(draw(IMAGE, full[0]), draw(IMAGE, full))
    with pytest.raises(BadInput, match="heatmap: this is the empty mask") as raised:
        draw(IMAGE, torch.stack([torch.ones(64, 64), torch.zeros(64, 64)]))
    assert raised.value.value == (64, 64)


def test_zeros_of_64_are_a_heatmap_of_an_image_of_64() -> None:
    image = torch.rand(1, 64, 64, 3)
    assert torch.equal(alpha_blend(image, torch.zeros(1, 64, 64)), torch.zeros_like(image))


@pytest.mark.parametrize(
    ("size", "told"), [((80, 120), False), ((20, 30), False), ((13, 20), False), ((60, 40), True), ((40, 40), True)]
)
def test_other_proportions_are_warned_of(size: tuple[int, int], told: bool) -> None:
    """13×20 is 40×60 by a third, rounded."""
    mask = torch.ones(1, *size)
    if told:
        with pytest.warns(ApiGraphWarning, match=r"the masks .* other proportions than the image"):
            fitted_masks(mask, IMAGE, "masks")
    else:
        fitted_masks(mask, IMAGE, "masks")


def test_the_empty_mask_of_core_is_none() -> None:
    for empty in (torch.zeros(1, 64, 64), torch.zeros(3, 64, 64), torch.zeros(64, 64)):
        assert fitted_masks(empty, IMAGE, "masks") is None
    for other in (torch.zeros(1, 63, 64), torch.zeros(1, 40, 60), torch.full((1, 64, 64), 1 / 255)):
        with pytest.warns() if other.shape[1] > 60 else pytest.MonkeyPatch.context():
            assert fitted_masks(other, IMAGE, "masks") is not None
