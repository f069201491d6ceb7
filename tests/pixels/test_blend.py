"""The annotated image: the blend's equation, its backgrounds, and its blur."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.geometry import Geometry
from api_graph.pixels.blend import alpha_blend, gaussian_blur, reference_blend
from api_graph.pixels.heatmap import normalize
from api_graph.pixels.read import to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.sockets import Attribution

IMAGE = torch.tensor([0.8, 0.4, 0.0]).expand(1, 1, 3, 3).contiguous()
HEATMAP = torch.tensor([[[0.0, 0.5, 1.0]]])
unit = st.floats(0, 1, width=32)


@pytest.mark.parametrize(
    ("options", "behind"),
    [
        ({}, [0.0, 0.0, 0.0]),
        ({"background": "grey", "grey": 0.2}, [0.2, 0.2, 0.2]),
        ({"background": "colour", "colour": "#ff0033"}, [1.0, 0.0, 0.2]),
        ({"background": "colour", "colour": "red"}, [1.0, 0.0, 0.0]),
        ({"background": "colour", "colour": (0.1, 0.2, 0.3)}, [0.1, 0.2, 0.3]),
        ({"background": "blur"}, [0.8, 0.4, 0.0]),
        ({"background": "image", "background_image": 1 - IMAGE}, [0.2, 0.6, 1.0]),
    ],
)
def test_each_background_by_hand(options, behind):
    middle = [(a + b) / 2 for a, b in zip([0.8, 0.4, 0.0], behind, strict=True)]
    expected = torch.tensor([[[behind, middle, [0.8, 0.4, 0.0]]]])
    torch.testing.assert_close(alpha_blend(IMAGE, HEATMAP, **options), expected)


def test_strength_by_hand():
    """With strength 1/2, Φ = 0, 0.5, 1 become 0.5, 0.75, 1."""
    blended = alpha_blend(torch.ones(1, 1, 3, 3), HEATMAP, strength=0.5)
    torch.testing.assert_close(blended[0, 0, :, 0], torch.tensor([0.5, 0.75, 1.0]))


@given(unit, unit, unit, unit, unit)
def test_more_attention_and_less_strength_bring_the_image_nearer(pixel, grey, low, high, strength):
    low, high = sorted((low, high))
    image = torch.full((1, 1, 2, 3), pixel)
    blended = alpha_blend(image, torch.tensor([[[low, high]]]), background="grey", grey=grey, strength=strength)
    distance = (blended - pixel).abs()[0, 0, :, 0]
    assert distance[1] <= distance[0] + 1e-6
    assert ((blended >= min(pixel, grey) - 1e-6) & (blended <= max(pixel, grey) + 1e-6)).all()


@pytest.mark.parametrize("background", ["black", "grey", "colour", "blur"])
def test_strength_0_and_full_attention_are_the_identity(background):
    image, heatmap = torch.rand(2, 8, 9, 3), torch.rand(2, 8, 9)
    assert torch.equal(alpha_blend(image, heatmap, background=background, strength=0.0), image)
    assert torch.equal(alpha_blend(image, torch.ones(2, 8, 9), background=background), image)


def test_one_for_many():
    image, heatmap = torch.rand(3, 4, 5, 3), torch.rand(3, 4, 5)
    for i in range(3):
        assert torch.equal(alpha_blend(image, heatmap[:1])[i], alpha_blend(image[i, None], heatmap[:1])[0])
        assert torch.equal(alpha_blend(image[:1], heatmap)[i], alpha_blend(image[:1], heatmap[i, None])[0])


def test_backgrounds_and_heatmaps_that_do_not_go_together_over_one_image():
    backgrounds = torch.rand(3, 1, 3, 3)
    with pytest.raises(BadInput, match="background_image: a batch of 3 does not go with one of 2"):
        alpha_blend(IMAGE, torch.rand(2, 1, 3), background="image", background_image=backgrounds)


def test_inputs_stay_as_they_were():
    image, heatmap = torch.rand(1, 4, 5, 3), torch.rand(1, 4, 5) * 2 - 0.5
    copies = image.clone(), heatmap.clone()
    with torch.inference_mode():
        for background in ("black", "blur"):
            alpha_blend(image, heatmap, background=background)
        reference_blend(image, heatmap)
    assert torch.equal(image, copies[0]) and torch.equal(heatmap, copies[1])


def test_a_heatmap_beyond_0_and_1_is_clamped():
    blended = alpha_blend(torch.full((1, 1, 2, 3), 0.5), torch.tensor([[[-1.0, 2.0]]]))
    assert blended[0, 0, :, 0].tolist() == [0.0, 0.5]


def test_values_below_zero_hide_no_more_than_0_does():
    """With strength 1/2 over a grey of 0.1, Φ = 0 leaves half of 0.5 and half of 0.1, Φ = 1/2 three quarters."""
    image, heatmap = torch.full((1, 1, 4, 3), 0.5), torch.tensor([[[-7.0, -0.5, 0.0, 0.5]]])
    blended = alpha_blend(image, heatmap, background="grey", grey=0.1, strength=0.5)
    torch.testing.assert_close(blended[0, 0, :, 0], torch.tensor([0.3, 0.3, 0.3, 0.4]))
    levels = reference_blend(torch.ones(1, 1, 4, 3), heatmap, grey=51.0) * 255
    # 128 of 255 levels of 1/2: 128 + 127/255 · 51 = 153.4
    assert levels[0, 0, :, 0].round().tolist() == [51, 51, 51, 153]


@pytest.mark.parametrize("shift", [0.0, -10.0, 10.0])
def test_a_raw_map_with_negative_values_from_patches_to_the_blend(shift):
    """-3, -1, 1 and 5 lie at 0, 1/4, 1/2 and 1 of their range, wherever that begins; what was not seen lies at 0."""
    values = torch.tensor([[[-3.0, -1.0], [1.0, 5.0]]]) + shift
    with pytest.warns(ApiGraphWarning, match=r"50\.0%"):
        raw = to_pixels(Attribution(values, (Geometry(4, 2, 1, 0, 3, 2),)), interpolation="nearest")
    blended = alpha_blend(torch.ones(1, 2, 4, 3), normalize(raw))
    torch.testing.assert_close(blended[0, ..., 0], torch.tensor([[0.0, 0.0, 0.25, 0.0], [0.0, 0.5, 1.0, 0.0]]))


@pytest.mark.parametrize(
    ("heatmap", "options", "problem"),
    [
        (torch.zeros(1, 64, 64), {}, "heatmap: this is the empty mask of 64×64 that Load Image gives"),
        (torch.rand(2, 1, 3), {}, "a batch of 2 does not go with one of 3"),
        (
            torch.rand(3, 1, 3),
            {"background": "image", "background_image": torch.rand(2, 1, 3, 3)},
            "background_image: a batch of 2",
        ),
        (torch.full((1, 1, 3), math.nan), {}, "NaN"),
        (HEATMAP, {"strength": 1.5}, r"strength: .* \(got 1.5\)\. Use one in \[0, 1\]"),
        (HEATMAP, {"background": "plaid"}, "Use one of black, grey"),
        (HEATMAP, {"background": "image"}, "none is given"),
        (
            HEATMAP,
            {"background": "image", "background_image": torch.rand(1, 2, 2, 3)},
            "background_image: its size",
        ),
        (HEATMAP, {"background": "colour", "colour": "blurple"}, "not a colour"),
        (HEATMAP, {"background": "colour", "colour": (1.0, 2.0, 0.0)}, "colour: the number is out of range"),
        (HEATMAP, {"background": "colour", "colour": (1.0, 0.0)}, "not three numbers"),
        (HEATMAP, {"background": "grey", "grey": 200.0}, "grey: the number is out of range"),
        (HEATMAP, {"background": "blur", "blur_radius": math.nan}, "blur_radius"),
    ],
)
def test_refusals(heatmap, options, problem):
    with pytest.raises(BadInput, match=problem):
        alpha_blend(IMAGE.expand(3, 1, 3, 3), heatmap, **options)


def test_reference_blend_cuts():
    """101/255 · 128/255 · 255 = 50.7 and, over grey 200, 50.7 + 99.6 = 150.3."""
    image, heatmap = torch.full((1, 1, 1, 3), 101 / 255), torch.full((1, 1, 1), 128 / 255)
    assert (reference_blend(image, heatmap) * 255).round().flatten().tolist() == [50.0] * 3
    assert (reference_blend(image, heatmap, 200.0) * 255).round().flatten().tolist() == [150.0] * 3


def exact_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """A sampled Gaussian as a dense matrix per axis, with mirrored edges, in float64."""

    def matrix(n: int) -> np.ndarray:
        offsets = np.arange(-int(6 * sigma) - 1, int(6 * sigma) + 2)
        weights = np.exp(-(offsets**2) / (2 * sigma**2))
        rows = np.zeros((n, n))
        for i in range(n):
            mirrored = np.array([j if j < n else 2 * n - 1 - j for j in (i + offsets) % (2 * n)])
            np.add.at(rows[i], mirrored, weights / weights.sum())
        return rows

    return np.einsum("ij,kl,jlc->ikc", matrix(image.shape[0]), matrix(image.shape[1]), image)


@pytest.mark.parametrize(
    ("sigma", "tolerance"), [(0.3, 1e-5), (2, 5e-5), (16, 5e-5), (17, 0.01), (60, 0.01), (500, 0.01)]
)
def test_blur_is_a_gaussian(sigma, tolerance):
    image = np.random.default_rng(0).random((60, 90, 3), dtype=np.float32)
    blurred = gaussian_blur(torch.from_numpy(image)[None], sigma)[0].numpy()
    np.testing.assert_allclose(blurred, exact_blur(image, sigma), rtol=0, atol=tolerance)


def test_blur_0_is_the_identity_and_a_flat_image_stays_flat():
    image = torch.rand(1, 5, 6, 3)
    assert torch.equal(gaussian_blur(image, 0.0), image)
    flat = torch.full((1, 1, 1, 3), 0.3)
    for sigma in (1e-30, 1.0, 1e30):
        torch.testing.assert_close(gaussian_blur(flat, sigma), flat)


def test_a_picture_can_be_blended():
    image, _ = to_tensor(Image.new("RGB", (3, 1), "white"))
    assert alpha_blend(image, HEATMAP)[0, 0, :, 0].tolist() == [0.0, 0.5, 1.0]
