"""Circles, boxes, shades and dots: which pixels change, and to what, from the geometry of the shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from api_graph.errors import ApiGraphWarning
from api_graph.pixels.prompts import draw_box, draw_circle, draw_keypoint, preset, shade_boxes
from api_graph.pixels.read import to_tensor

RED = torch.tensor([1.0, 0.0, 0.0])
BOX = [[10.0, 8.0, 50.0, 32.0]]  # centre (30, 20), half axes 20 and 12
DRAWINGS = ["smooth", "hard", "pillow"]


def noise(height: int = 40, width: int = 60, count: int = 1) -> torch.Tensor:
    """An image of 255ths without pure red anywhere."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 255, (count, height, width, 3), generator=generator).float() / 255


def distances(box: list[float], height: int = 40, width: int = 60) -> np.ndarray:
    """Distance of each pixel's centre from the ellipse in `box`, by brute force over the curve; < 0 inside."""
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    a, b = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    t = np.linspace(0, 2 * math.pi, 4001)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    curve = np.hypot(x[..., None] - (cx + a * np.cos(t)), y[..., None] - (cy + b * np.sin(t))).min(-1)
    inside = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1
    return np.where(inside, -curve, curve)


def changed(image: torch.Tensor, drawn: torch.Tensor) -> np.ndarray:
    return (drawn != image).any(-1).numpy()


@pytest.mark.parametrize("drawing", DRAWINGS)
@pytest.mark.parametrize("thickness", [1.0, 2.0, 5.0])
def test_a_circle_is_a_ring_inside_the_inscribed_ellipse(drawing, thickness):
    image = noise()
    drawn = draw_circle(image, BOX, thickness=thickness, unit="pixels", drawing=drawing)
    d = distances(BOX[0])
    tolerance = 1.5 if drawing == "pillow" else 1.0  # Pillow's ellipse reaches a pixel further right and down
    ring = changed(image, drawn)[0]
    # The inner edge is an ellipse too, at most a little nearer than `thickness` where the curve is slanted.
    assert not ring[(d > tolerance) | (d < -thickness - tolerance)].any()
    middle = np.abs(d + thickness / 2) < thickness / 2 - tolerance
    assert ring[middle].all()
    assert (drawn[0][torch.from_numpy(middle)] == RED).all()


@pytest.mark.parametrize("align", ["inside", "centre", "outside"])
def test_where_the_line_lies(align):
    image = noise()
    ring = changed(image, draw_circle(image, BOX, thickness=4.0, unit="pixels", align=align, drawing="hard"))[0]
    on_axis = np.flatnonzero(ring[20])
    first = {"inside": 10, "centre": 8, "outside": 6}[align]
    assert on_axis.tolist() == [*range(first, first + 4), *range(56 - first, 60 - first)]


def test_a_smooth_circle_covers_the_area_of_the_ring():
    """π (a·b − (a − w)(b − w)), the exact area between the two ellipses."""
    black = torch.zeros(1, 40, 60, 3)
    for w in (1.0, 2.5, 6.0):
        drawn = draw_circle(black, [[10.3, 8.1, 50.0, 31.2]], colour="white", thickness=w, unit="pixels")
        a, b = 39.7 / 2, 23.1 / 2
        area = math.pi * (a * b - (a - w) * (b - w))
        assert float(drawn[..., 0].sum()) == pytest.approx(area, rel=2e-3)


def test_a_thick_line_fills_the_shape():
    filled_ellipse = draw_circle(torch.zeros(1, 40, 60, 3), BOX, colour="white", thickness=12.0, unit="pixels")
    assert float(filled_ellipse[..., 0].sum()) == pytest.approx(math.pi * 20 * 12, rel=2e-3)
    box = draw_box(torch.zeros(1, 40, 60, 3), BOX, colour="white", thickness=12.0, unit="pixels")
    assert float(box[..., 0].sum()) == 40 * 24


def test_enlarged_by_the_square_root_of_2_it_passes_through_the_corners():
    image = noise()
    ring = changed(image, draw_circle(image, BOX, enlarge=math.sqrt(2), thickness=2.0, unit="pixels", align="centre"))
    assert ring[0][[8, 8, 31, 31], [10, 49, 10, 49]].all()
    assert not ring[0][8:32, 12:48][2:-2].any()


def test_what_is_not_covered_is_the_image_to_the_bit():
    image = torch.rand(1, 40, 60, 3)
    for draw in (draw_circle, draw_box, shade_boxes, draw_keypoint):
        drawn = draw(image, BOX)
        assert torch.equal(drawn[:, :8], image[:, :8]) and torch.equal(drawn[:, :, 50:], image[:, :, 50:])
        assert drawn.dtype == torch.float32 and drawn.shape == image.shape


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_box_line_by_hand(drawing):
    """Pillow's box holds the pixels at its right and bottom edge; ours ends there."""
    image = noise()
    drawn = draw_box(image, BOX, thickness=2.0, unit="pixels", drawing=drawing)
    right, bottom = (51, 33) if drawing == "pillow" else (50, 32)
    expected = image.clone()
    expected[:, 8:bottom, 10:right] = RED
    expected[:, 10 : bottom - 2, 12 : right - 2] = image[:, 10 : bottom - 2, 12 : right - 2]
    assert torch.equal(drawn, expected)


def test_edges_between_pixels_cover_a_part():
    """A box from 1.25 to 3.5 covers 0.75, 1 and 0.5 of columns 1 to 3; of the only row, all."""
    shaded = shade_boxes(torch.zeros(1, 1, 6, 3), [[1.25, 0, 3.5, 1]], colour="white", opacity=1.0)
    assert shaded[0, 0, :, 0].tolist() == [0.0, 0.75, 1.0, 0.5, 0.0, 0.0]
    hard = shade_boxes(torch.zeros(1, 1, 6, 3), [[1.25, 0, 3.4, 1]], colour="white", opacity=1.0, drawing="hard")
    assert hard[0, 0, :, 0].tolist() == [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]


def test_shade_by_hand():
    """127/255 of (240, 0, 30) over 100/255: 128/255 · 100 + 127/255 · 240 = 169.7, 50.2, 65.1."""
    shaded = shade_boxes(torch.full((1, 4, 4, 3), 100 / 255), [[1, 1, 3, 3]]) * 255
    torch.testing.assert_close(shaded[0, 1, 1], torch.tensor([169.7255, 50.1961, 65.1373]), rtol=0, atol=1e-3)
    assert (shaded[0].sum(-1) - 300).abs().gt(1e-3).sum() == 4


@pytest.mark.parametrize(("unit", "radius"), [("pixels", 6.0), ("long side", 0.1), ("short side", 0.15)])
def test_a_keypoint_is_a_dot_at_the_centre(unit, radius):
    """On 60×40 pixels a tenth of the long side and 0.15 of the short one are 6 pixels."""
    image = noise()
    drawn = draw_keypoint(image, BOX, radius=radius, unit=unit)
    x, y = np.meshgrid(np.arange(60) + 0.5, np.arange(40) + 0.5)
    d = np.hypot(x - 30, y - 20)
    assert (drawn[0][torch.from_numpy(d < 5)] == RED).all()
    assert not changed(image, drawn)[0][d > 7].any()


def test_one_image_per_box_or_all_on_one():
    image = noise()
    boxes = [*BOX, [2.0, 2.0, 12.0, 12.0], [45.0, 25.0, 60.0, 40.0]]
    for draw in (draw_circle, draw_box, shade_boxes, draw_keypoint):
        each = draw(image, boxes)
        assert each.shape == (3, 40, 60, 3)
        for one, box in zip(each, boxes, strict=True):
            assert torch.equal(one, draw(image, [box])[0])
        union = changed(image, each).any(0)
        assert np.array_equal(changed(image, draw(image, boxes, together=True))[0], union)


def test_many_images_with_a_box_each_and_with_one_for_all():
    images = noise(count=3)
    boxes = [*BOX, [2.0, 2.0, 12.0, 12.0], [45.0, 25.0, 60.0, 40.0]]
    for i, drawn in enumerate(draw_circle(images, boxes, pairing="box i on image i")):
        assert torch.equal(drawn, draw_circle(images[i, None], [boxes[i]])[0])
    for i, drawn in enumerate(draw_circle(images, BOX)):
        assert torch.equal(drawn, draw_circle(images[i, None], BOX)[0])


@pytest.mark.parametrize("size", [(640, 480), (427, 640), (201, 200)])
def test_falips_circle_without_blur_is_the_official_one(size):
    """On the picture itself: an ellipse in red, int(max(W, H) / 200) pixels wide, with the box as it is."""
    picture = Image.effect_noise(size, 60).convert("RGB")
    box = (33.4, 20.7, 150.2, 121.9)
    expected = picture.copy()
    ImageDraw.Draw(expected).ellipse(box, outline="red", width=int(max(size) / 200))
    drawn = draw_circle(to_tensor(picture)[0], [box], **preset("circle", "falip_line"))
    assert torch.equal(drawn, to_tensor(expected)[0])


def test_on_a_small_image_the_official_line_vanishes_with_a_warning_and_ours_does_not():
    image = noise()
    with pytest.warns(ApiGraphWarning, match="nothing is drawn: .* to 0 pixels"):
        drawn = draw_circle(image, BOX, **preset("circle", "falip_line"))
    assert torch.equal(drawn, image)
    for drawing in ("smooth", "hard"):
        line = changed(image, draw_circle(image, BOX, drawing=drawing))[0]
        assert np.flatnonzero(line[20]).tolist() in ([10, 49], [10, 11, 48, 49])  # 0.3 pixels become 1


@given(st.floats(0, 50), st.floats(0, 30), st.floats(2, 40), st.floats(2, 30), st.floats(0.5, 6))
def test_mirrored_boxes_draw_mirrored_circles(left, top, width, height, thickness):
    black = torch.zeros(1, 40, 60, 3)
    right, bottom = min(60.0, left + width), min(40.0, top + height)
    options = {"colour": "white", "thickness": thickness, "unit": "pixels"}
    one = draw_circle(black, [[left, top, right, bottom]], **options)
    other = draw_circle(black, [[60 - right, top, 60 - left, bottom]], **options)
    torch.testing.assert_close(one, other.flip(2), rtol=0, atol=1e-4)
    assert float(one.min()) >= 0 and float(one.max()) <= 1


def test_inputs_stay_as_they_were():
    image, boxes = noise(), torch.tensor(BOX)
    copies = image.clone(), boxes.clone()
    with torch.inference_mode():
        for draw in (draw_circle, draw_box, shade_boxes, draw_keypoint):
            for drawing in DRAWINGS:
                draw(image, boxes, drawing=drawing, **({"thickness": 0.05} if draw in (draw_circle, draw_box) else {}))
    assert torch.equal(image, copies[0]) and torch.equal(boxes, copies[1])
