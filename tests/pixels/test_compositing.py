"""ComfyUI's rules for masks and images: numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels import compositing as rules


def flat(value: float, *shape: int) -> Tensor:
    return torch.full(shape, float(value))


@given(st.integers(-3, 3), st.booleans(), st.integers(0, 10_000))
def test_growing_is_a_grey_dilation_in_passes(expand: int, tapered: bool, seed: int) -> None:
    """Against SciPy, whose border reflects: within a 3×3 window that adds nothing that is not there."""
    mask = np.random.RandomState(seed).rand(2, 7, 9).astype(np.float32)
    footprint = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]] if tapered else np.ones((3, 3)))
    expected = mask.copy()
    for _ in range(abs(expand)):
        step = ndimage.grey_dilation if expand > 0 else ndimage.grey_erosion
        expected = np.stack([step(one, footprint=footprint) for one in expected])
    assert np.array_equal(rules.grow_mask(torch.from_numpy(mask), expand, tapered_corners=tapered).numpy(), expected)


def test_a_point_grows_into_a_diamond_or_a_square() -> None:
    dot = torch.zeros(1, 9, 9)
    dot[0, 4, 4] = 0.5
    assert rules.grow_mask(dot, 2).sum() == 13 * 0.5
    assert rules.grow_mask(dot, 2, tapered_corners=False).sum() == 25 * 0.5
    assert rules.grow_mask(dot[0], 10_000).min() == 0.5  # ends when nothing changes, and takes (H, W)


def test_crops_at_the_edge() -> None:
    image, mask = torch.rand(2, 5, 6, 3), torch.rand(2, 5, 6)
    assert torch.equal(rules.crop_image(image, 100, 3, 50, 50), image[:, 3:, 5:])  # never empty
    assert rules.crop_mask(mask, 100, 3, 50, 50).shape == (2, 2, 0)
    assert torch.equal(rules.crop_mask(mask[0], 1, 2, 3, 2), mask[:1, 2:4, 1:4])


def test_a_source_is_laid_over_and_cut_at_the_edge() -> None:
    result = rules.composite_masked(flat(0, 1, 4, 6, 3), flat(1, 1, 3, 3, 3), 4, 2)
    assert result[0, ..., 0].nonzero().tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]
    assert torch.equal(rules.composite_masked(flat(0, 1, 4, 6, 3), flat(1, 1, 3, 3, 3), 6, 0), flat(0, 1, 4, 6, 3))


def test_a_mask_of_another_size_is_resized_to_the_source() -> None:
    mask = torch.tensor([[[0.0, 1.0]]])  # to four columns, half pixels aligned: 0, ¼, ¾, 1
    result = rules.composite_masked(flat(0, 1, 2, 4, 3), flat(1, 1, 2, 4, 3), 0, 0, mask=mask)
    assert result[0, 0, :, 0].tolist() == [0, 0.25, 0.75, 1]
    assert torch.equal(rules.composite_masked(flat(0, 1, 2, 4, 3), flat(1, 1, 2, 4, 3), 0, 0, mask=mask[0]), result)


def test_batches_repeat_in_turn() -> None:
    source = torch.stack([flat(0.2, 2, 2, 3), flat(0.4, 2, 2, 3)])
    result = rules.composite_masked(flat(0, 3, 2, 2, 3), source, 0, 0)
    assert result[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.4, 0.2])
    assert len(rules.composite_masked(flat(0, 1, 2, 2, 3), source, 0, 0)) == 1


def test_channels_follow_the_destination() -> None:
    assert rules.composite_masked(flat(0, 1, 2, 2, 3), flat(0.5, 1, 2, 2, 4), 0, 0).shape[-1] == 3
    result = rules.composite_masked(flat(0, 1, 2, 2, 4), flat(0.5, 1, 2, 2, 3), 0, 0)
    assert result[0, 0, 0].tolist() == [0.5, 0.5, 0.5, 1.0]


def test_the_source_is_resized_only_where_asked() -> None:
    source = flat(1, 1, 2, 2, 3)
    assert rules.composite_masked(flat(0, 1, 4, 4, 3), source, 0, 0).sum() == 12
    assert rules.composite_masked(flat(0, 1, 4, 4, 3), source, 0, 0, resize_source=True).sum() == 48


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [0.5 * 0.75, 0.25]),
        ("add", [1.0, 0.25]),
        ("subtract", [0.0, 0.25]),
        ("and", [0.0, 0.25]),  # ½ rounds to 0
        ("or", [1.0, 0.25]),
        ("xor", [1.0, 0.25]),
    ],
)
def test_masks_are_joined_where_they_meet(operation: str, expected: list[float]) -> None:
    result = rules.composite_masks(torch.tensor([[[0.5, 0.25]]]), flat(0.75, 1, 3, 1), 0, 0, operation)  # pyright: ignore[reportArgumentType]
    assert result.flatten().tolist() == expected


def test_masks_that_cannot_be_joined() -> None:
    with pytest.raises(BadInput, match="outside"):
        rules.composite_masks(flat(0, 1, 4, 4), flat(1, 1, 2, 2), 4, 0, "add")
    with pytest.raises(BadInput, match="3 masks do not go with 2"):
        rules.composite_masks(flat(0, 2, 4, 4), flat(1, 3, 2, 2), 0, 0, "add")


def test_alpha_goes_in_and_out() -> None:
    image, mask = torch.rand(2, 4, 6, 3), torch.rand(1, 4, 6)
    joined = rules.join_alpha(image, mask)
    colours, back = rules.split_alpha(joined)
    assert torch.equal(colours, image) and torch.allclose(back, mask.expand(2, -1, -1))
    assert torch.equal(rules.split_alpha(image)[1], flat(0, 2, 4, 6))
    assert rules.join_alpha(joined, flat(0, 5, 8, 8)).shape == (5, 4, 6, 4)
    assert bool((rules.join_alpha(joined, flat(0, 1, 8, 8))[..., 3] == 1).all())  # the old alpha is dropped


def test_sides_of_nought_follow_from_the_other() -> None:
    image = torch.rand(1, 30, 40, 3)
    assert rules.scale_image(image, "area", 20, 0).shape == (1, 15, 20, 3)
    assert rules.scale_image(image, "area", 0, 60).shape == (1, 60, 80, 3)
    assert rules.scale_image(image, "area", 0, 0) is image
    assert rules.scale_image(torch.rand(1, 1, 400, 3), "area", 10, 0).shape == (1, 1, 10, 3)


def test_the_centre_is_cropped_to_the_new_aspect() -> None:
    image = torch.arange(8.0).expand(1, 2, 8)[..., None].expand(-1, -1, -1, 3)
    assert rules.scale_image(image, "nearest-exact", 4, 2, "center")[0, 0, :, 0].tolist() == [2, 3, 4, 5]
    assert rules.scale_image(image.transpose(1, 2), "nearest-exact", 2, 4, "center")[0, :, 0, 0].tolist() == [
        2,
        3,
        4,
        5,
    ]


def test_bilinear_has_no_antialias() -> None:
    """Half the size: the two middle pixels of each four, as sampling at (x + ½)·2 − ½ finds them."""
    image = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(1, 1, 4)[..., None].expand(-1, -1, -1, 3)
    assert rules.scale_image(image, "bilinear", 1, 1)[0, 0, 0, 0] == 0.5
    assert rules.scale_image(image, "area", 1, 1)[0, 0, 0, 0] == 0.25


def test_bicubic_overshoots_and_lanczos_does_not() -> None:
    step = (torch.arange(8) >= 4).float().expand(1, 4, 8)[..., None].expand(-1, -1, -1, 3)
    assert rules.scale_image(step, "bicubic", 32, 4).max() > 1.05
    lanczos = rules.scale_image(step, "lanczos", 32, 4)
    assert float(lanczos.min()) >= 0 and float(lanczos.max()) <= 1
    assert torch.allclose(lanczos * 255, (lanczos * 255).round(), atol=1e-4)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(BadInput, match="upscale"):
        rules.scale_image(torch.rand(1, 2, 2, 3), "bislerp", 4, 4)  # pyright: ignore[reportArgumentType]
