"""Crops: which pixels are kept, by hand and by Pillow's own crop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import BadInput
from api_graph.pixels.prompts import crop_boxes, preset
from api_graph.pixels.read import to_tensor

IMAGE = torch.rand(1, 20, 30, 3)


@pytest.mark.parametrize(
    ("rounding", "columns", "rows"),
    [("nearest", (5, 15), (4, 11)), ("down", (5, 14), (3, 11)), ("outward", (5, 15), (3, 12))],
)
def test_rounding_by_hand(rounding, columns, rows):
    (crop,) = crop_boxes(IMAGE, [[5.4, 3.6, 14.7, 11.2]], rounding=rounding)
    assert torch.equal(crop, IMAGE[:, slice(*rows), slice(*columns)])


def test_padding_is_about_the_centre_and_ends_with_the_image():
    """Twice a box of 10×4 about (8, 10) is -2 to 18 by 6 to 14."""
    (crop,) = crop_boxes(IMAGE, [[3, 8, 13, 12]], enlarge=2.0)
    assert torch.equal(crop, IMAGE[:, 6:14, 0:18])
    (crop,) = crop_boxes(IMAGE, [[3, 8, 13, 12]], enlarge=0.5)
    assert torch.equal(crop, IMAGE[:, 9:11, 5:10]) or torch.equal(crop, IMAGE[:, 9:11, 6:10])


def test_a_box_without_area_is_a_pixel():
    assert [tuple(c.shape) for c in crop_boxes(IMAGE, [[4, 4, 4, 4], [29.9, 3, 30, 8]])] == [
        (1, 1, 1, 3),
        (1, 5, 1, 3),
    ]
    (crop,) = crop_boxes(IMAGE, [[4.2, 4.2, 4.4, 4.4]], rounding="down")
    assert crop.shape == (1, 1, 1, 3)


def test_together_is_what_holds_all_boxes():
    (crop,) = crop_boxes(IMAGE, [[3, 8, 13, 12], [10, 2, 20, 9]], together=True)
    assert torch.equal(crop, IMAGE[:, 2:12, 3:20])


def test_each_image_its_own_box():
    images = torch.rand(2, 20, 30, 3)
    first, second = crop_boxes(images, [[3, 8, 13, 12], [10, 2, 20, 9]], pairing="box i on image i")
    assert torch.equal(first, images[:1, 8:12, 3:13]) and torch.equal(second, images[1:, 2:9, 10:20])
    assert [c.shape[0] for c in crop_boxes(images, [[3, 8, 13, 12]])] == [1, 1]


box = st.tuples(st.floats(0, 28), st.floats(0, 18), st.floats(1, 30), st.floats(1, 20))


@pytest.mark.filterwarnings("ignore:.*look like fractions")
@given(box)
@example((0.0, 1.5, 1.0, 1.0))
@example((0.0, 1.5, 1.0, 1.1))
def test_the_official_crop_is_pillows(box):
    left, top, width, height = box
    edges = (left, top, min(30.0, left + width), min(20.0, top + height))
    picture = Image.effect_noise((30, 20), 60).convert("RGB")
    expected = picture.crop(edges)
    for name in ("falip", "reclip"):
        (crop,) = crop_boxes(to_tensor(picture)[0], [edges], **preset("crop", name))
        if 0 in expected.size:  # halves go to even numbers, so that Pillow may lose the box; a crop keeps a pixel
            assert crop.shape[1:3] == (max(1, expected.height), max(1, expected.width))
        else:
            assert torch.equal(crop, to_tensor(expected)[0])


def test_a_crop_is_a_copy_and_the_image_stays_as_it_was():
    before = IMAGE.clone()
    crop_boxes(IMAGE, [[3, 8, 13, 12]])[0].zero_()
    assert torch.equal(IMAGE, before)


def test_refusals():
    with pytest.raises(BadInput, match=r"rounding: unknown rounding .*Use one of nearest, down, outward"):
        crop_boxes(IMAGE, [[3, 8, 13, 12]], rounding="up")
    with pytest.raises(BadInput, match="enlarge: the number is out of range"):
        crop_boxes(IMAGE, [[3, 8, 13, 12]], enlarge=-1.0)
