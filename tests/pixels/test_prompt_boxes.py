"""Boxes that are no good, and what the prompts do with boxes that are only just good."""

from __future__ import annotations

import math

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.pixels.prompts import crop_boxes, draw_box, draw_circle, draw_keypoint, shade_boxes, weaken_outside
from api_graph.pixels.prompts._regions import checked_boxes

PROMPTS = [draw_circle, draw_box, shade_boxes, draw_keypoint, weaken_outside, crop_boxes]
IMAGE = torch.rand(1, 20, 30, 3)
GOOD = [5.0, 5.0, 15.0, 15.0]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize(
    ("boxes", "problem"),
    [
        ([], "boxes: there is no box"),
        (GOOD, "boxes: box 1 is not four numbers"),
        ([GOOD[:3]], "boxes: box 1 has 3 numbers, not 4"),
        ([GOOD, [0.0, 0.0, math.nan, 5.0]], "boxes: box 2 has a number that is not finite"),
        ([[0.0, 0.0, math.inf, 5.0]], "box 1 has a number that is not finite"),
        ([[10.0, 5.0, 5.0, 15.0]], "box 1 has a negative width or height"),
        ([[30.0, 5.0, 40.0, 15.0]], r"box 1 lies outside the image of 30×20 pixels \(got \[30.0"),
        ([[-9.0, -9.0, 0.0, 5.0]], "box 1 lies outside"),
        ([[5.0, 20.0, 9.0, 25.0]], "box 1 lies outside"),
    ],
)
def test_refusals(prompt, boxes, problem):
    with pytest.raises(BadInput, match=problem):
        prompt(IMAGE, boxes)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_numbers_of_images_and_boxes_that_do_not_go_together(prompt):
    with pytest.raises(BadInput, match=r"boxes: the number of boxes \(2\) is not that of the images \(3\)"):
        prompt(IMAGE.expand(3, -1, -1, -1), [GOOD, GOOD], pairing="box i on image i")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_image_that_is_none(prompt):
    with pytest.raises(BadInput, match=r"image: an image tensor needs the shape \(B, H, W, 3\)"):
        prompt(IMAGE[0], [GOOD])


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 3)])
def test_tiny_images(prompt, size):
    image = torch.rand(1, *size, 3)
    for one in prompt(image, [[0.0, 0.0, 9.0, 9.0]]):
        assert torch.isfinite(one).all()


@pytest.mark.parametrize(
    ("given", "clipped"),
    [
        ([-5.0, -5.0, 40.0, 40.0], [0.0, 0.0, 30.0, 20.0]),
        ([10.25, 3.0, 12.5, 19.0], [10.25, 3.0, 12.5, 19.0]),
        ([10.0, 3.0, 10.0, 19.0], [9.5, 3.0, 10.5, 19.0]),  # no width: one pixel about the middle
        ([0.1, 3.0, 0.2, 3.0], [0.0, 2.5, 1.0, 3.5]),  # as far as the image goes
        ([0.0, 3.0, 0.0, 19.0], [0.0, 3.0, 1.0, 19.0]),
        ([29.9, 19.9, 30.0, 50.0], [29.0, 19.0, 30.0, 20.0]),
    ],
)
def test_clipping(given, clipped):
    assert checked_boxes([given], (30, 20)).tolist() == [clipped]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"thickness": -1.0}, "thickness: the number is out of range"),
        ({"thickness": math.nan}, "thickness: the number is out of range"),
        ({"unit": "inches"}, "unit: unknown unit .*Use one of pixels, long side, short side"),
        ({"align": "left"}, "align: unknown align .*Use one of inside"),
        ({"drawing": "crayon"}, "drawing: unknown drawing .*Use one of smooth"),
        ({"enlarge": 0.0}, "enlarge: the number is out of range"),
        ({"opacity": 2.0}, "opacity: the number is out of range"),
        ({"colour": "blurple"}, "colour: this is not a colour"),
        ({"blur_outside": 1e9, "drawing": "pillow"}, "blur_outside: the number is out of range"),
        ({"blur_outside": -1.0}, "blur_outside: the number is out of range"),
    ],
)
def test_parameters_that_are_no_good(options, problem):
    with pytest.raises(BadInput, match=problem):
        draw_circle(IMAGE, [GOOD], **options)


@pytest.mark.parametrize("drawing", ["smooth", "hard", "pillow"])
def test_lines_and_dots_larger_than_the_image_fill_the_shape(drawing):
    for thickness in (100.0, 1e300):
        drawn = draw_box(IMAGE, [[5, 5, 15, 15]], thickness=thickness, unit="pixels", drawing=drawing)
        assert (drawn[0, 5:15, 5:15] == torch.tensor([1.0, 0.0, 0.0])).all()
        assert torch.equal(drawn[0, :5], IMAGE[0, :5])
    dot = draw_keypoint(IMAGE, [[5, 5, 15, 15]], radius=1e300, drawing=drawing)
    assert (dot == torch.tensor([1.0, 0.0, 0.0])).all()
