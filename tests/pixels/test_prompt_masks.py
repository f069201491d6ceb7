"""Prompts that follow a mask: contours and FGVP, by the geometry of simple masks."""

from __future__ import annotations

import math

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.pixels.blend import gaussian_blur
from api_graph.pixels.prompts import draw_contour, fgvp, preset, set_of_mark

IMAGE = torch.rand(1, 40, 60, 3, generator=torch.Generator().manual_seed(0)) * 0.9
SQUARE = torch.zeros(1, 40, 60)
SQUARE[:, 10:30, 20:50] = 1
RED = torch.tensor([1.0, 0.0, 0.0])
X, Y = torch.arange(60) + 0.5, torch.arange(40)[:, None] + 0.5
DISC = (((X - 30) ** 2 + (Y - 20) ** 2) < 12.0**2).float()[None]


def frame(left: int, top: int, right: int, bottom: int, width: int) -> torch.Tensor:
    """True on the `width` pixels inside the edge of a rectangle."""
    on = torch.zeros(40, 60, dtype=torch.bool)
    on[top:bottom, left:right] = True
    on[top + width : bottom - width, left + width : right - width] = False
    return on


@pytest.mark.parametrize("drawing", ["smooth", "hard"])
@pytest.mark.parametrize("thickness", [1, 2, 3])
def test_a_line_inside_a_square_by_hand(drawing, thickness):
    drawn = draw_contour(IMAGE, SQUARE, thickness=float(thickness), unit="pixels", align="inside", drawing=drawing)
    on = frame(20, 10, 50, 30, thickness)
    assert (drawn[0][on] == RED).all()
    assert torch.equal(drawn[0][~on], IMAGE[0][~on])


@pytest.mark.parametrize(("align", "inner", "outer"), [("centre", 2, 2), ("outside", 0, 4)])
def test_lines_about_and_outside_a_square(align, inner, outer):
    """Outside, the corners are round: their pixels are farther than the line is wide."""
    drawn = draw_contour(IMAGE, SQUARE, thickness=4.0, unit="pixels", align=align, drawing="hard")
    on = (drawn[0] == RED).all(-1)
    expected = frame(20 - outer, 10 - outer, 50 + outer, 30 + outer, inner + outer)
    corner = torch.zeros(40, 60, dtype=torch.bool)
    for rows in (slice(10 - outer, 10), slice(30, 30 + outer)):
        for columns in (slice(20 - outer, 20), slice(50, 50 + outer)):
            corner[rows, columns] = True
    assert torch.equal(on[~corner], expected[~corner])
    # The pixel at a corner is at (0.5, 0.5) from it; the outermost one at √2·(outer − 0.5).
    assert on[9, 19] and not on[10 - outer, 20 - outer]
    assert torch.equal(drawn[0][~on], IMAGE[0][~on])


@pytest.mark.parametrize(("align", "low", "high"), [("inside", 9, 12), ("centre", 10.5, 13.5), ("outside", 12, 15)])
def test_a_line_around_a_disc_is_a_ring(align, low, high):
    drawn = draw_contour(IMAGE, DISC, thickness=3.0, unit="pixels", align=align)
    radius = ((X - 30) ** 2 + (Y - 20) ** 2).sqrt()
    changed = (drawn != IMAGE).any(-1)[0]
    assert (drawn[0][(radius > low + 1) & (radius < high - 1)] == RED).all()
    assert not changed[(radius < low - 1) | (radius > high + 1)].any()


def test_holes_have_an_outline_and_the_border_closes_the_mask():
    ring = torch.ones(1, 40, 60)
    ring[:, 15:25, 20:40] = 0
    drawn = draw_contour(IMAGE, ring, thickness=1.0, unit="pixels", align="inside")
    on = (drawn[0] == RED).all(-1)
    hole = frame(19, 14, 41, 26, 1)
    hole[[14, 14, 25, 25], [19, 40, 19, 40]] = False  # √2 from the hole's corner: more than the line is wide
    assert torch.equal(on, frame(0, 0, 60, 40, 1) | hole)


def test_fgvps_contour_is_two_pixels_of_384():
    image, mask = torch.zeros(1, 384, 400, 3), torch.zeros(1, 384, 400)
    mask[:, 100:300, 50:250] = 1
    line = draw_contour(image, mask, **preset("contour", "fgvp"))[0, ..., 0]
    assert line[200].nonzero().flatten().tolist() == [49, 50, 249, 250]


def test_fgvp_by_hand():
    inside = SQUARE[0].bool()
    masked = fgvp(IMAGE, SQUARE, **preset("fgvp", "fgvp_mask"))[0]
    torch.testing.assert_close(masked[inside], 0.5 * IMAGE[0][inside] + 0.5 * torch.tensor([0.0, 1.0, 0.0]))
    assert torch.equal(masked[~inside], IMAGE[0][~inside])
    reverse = fgvp(IMAGE, SQUARE, style="reverse mask", colour="white", opacity=0.25)[0]
    torch.testing.assert_close(reverse[~inside], 0.75 * IMAGE[0][~inside] + 0.25)
    assert torch.equal(reverse[inside], IMAGE[0][inside])


@pytest.mark.parametrize("blur", ["gaussian", "pillow"])
def test_reverse_blur_keeps_the_object_and_blurs_the_rest(blur):
    inside = SQUARE[0].bool()
    blurred = fgvp(IMAGE, SQUARE, blur_radius=3.0, blur=blur)[0]
    assert torch.equal(blurred[inside], IMAGE[0][inside])
    tolerance = 1e-6 if blur == "gaussian" else 0.1  # Pillow approximates, and repeats the last pixel at the border
    assert (blurred - gaussian_blur(IMAGE, 3.0)[0])[~inside].abs().max() < tolerance


def test_greyscale_takes_the_colours_outside():
    grey = fgvp(IMAGE, SQUARE, style="greyscale")[0]
    inside = SQUARE[0].bool()
    assert torch.equal(grey[inside], IMAGE[0][inside])
    luma = IMAGE[0] @ torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(grey[~inside], luma[..., None].expand(-1, -1, 3)[~inside])


def test_soft_masks_blend():
    half = fgvp(IMAGE, torch.full((1, 40, 60), 0.5), style="mask", colour="white", opacity=1.0)
    torch.testing.assert_close(half, 0.5 * IMAGE + 0.5)


def test_one_image_per_mask_or_all_on_one():
    masks = torch.cat([SQUARE, DISC])
    for prompt, options in ((draw_contour, {}), (fgvp, {"style": "mask"}), (fgvp, {"blur_radius": 2.0})):
        each = prompt(IMAGE, masks, **options)
        for one, mask in zip(each, masks, strict=True):
            assert torch.equal(one, prompt(IMAGE, mask[None], **options)[0])
    union = fgvp(IMAGE, masks, style="mask", together=True)
    assert torch.equal(union, fgvp(IMAGE, masks.amax(0, keepdim=True), style="mask"))
    both = (draw_contour(IMAGE, masks) != IMAGE).any(-1).any(0)
    assert torch.equal((draw_contour(IMAGE, masks, together=True) != IMAGE).any(-1)[0], both)


def test_inputs_stay_as_they_were():
    image, masks = IMAGE.clone(), torch.cat([SQUARE, DISC])
    before = masks.clone()
    with torch.inference_mode():
        draw_contour(image, masks)
        set_of_mark(image, masks)
        for style in ("reverse blur", "mask", "reverse mask", "greyscale"):
            fgvp(image, masks, style=style)
    assert torch.equal(image, IMAGE) and torch.equal(masks, before)


@pytest.mark.parametrize("prompt", [draw_contour, fgvp, set_of_mark])
@pytest.mark.parametrize(
    ("masks", "problem"),
    [
        (SQUARE[0, 0], r"masks: a map needs the shape \(B, h, w\)"),
        (torch.zeros(2, 64, 64), "masks: this is the empty mask of 64×64 that Load Image gives"),
        (torch.full((1, 40, 60), math.nan), "masks: map 0 holds NaN"),
    ],
)
def test_masks_that_are_no_good(prompt, masks, problem):
    with pytest.raises(BadInput, match=problem):
        prompt(IMAGE, masks)


@pytest.mark.parametrize("prompt", [draw_contour, set_of_mark])
def test_empty_masks(prompt):
    with pytest.raises(BadInput, match="masks: mask 1 is empty"):
        prompt(IMAGE, torch.cat([SQUARE, 0 * SQUARE]))


@pytest.mark.parametrize(
    ("prompt", "options", "problem"),
    [
        (draw_contour, {"align": "left"}, "align: unknown align"),
        (draw_contour, {"drawing": "pillow"}, r"drawing: unknown drawing .*Use one of smooth, hard\."),
        (draw_contour, {"thickness": -1.0}, "thickness: the number is out of range"),
        (draw_contour, {"threshold": 0.0}, "threshold: the number is out of range"),
        (fgvp, {"blur": "motion"}, "blur: unknown blur .*Use one of gaussian, pillow"),
        (fgvp, {"style": "fog"}, "style: unknown style .*Use one of reverse blur, mask"),
        (fgvp, {"blur_radius": -1.0}, "blur_radius: the number is out of range"),
        (fgvp, {"style": "mask", "opacity": 3.0}, "opacity: the number is out of range"),
        (fgvp, {"style": "mask", "colour": "blurple"}, "colour: this is not a colour"),
    ],
)
def test_parameters_that_are_no_good(prompt, options, problem):
    with pytest.raises(BadInput, match=problem):
        prompt(IMAGE, SQUARE, **options)
