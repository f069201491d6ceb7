"""What lies outside the object: blurred, grey or covered; what lies inside is left as it is."""

from __future__ import annotations

import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from api_graph.errors import BadInput
from api_graph.pixels.blend import gaussian_blur
from api_graph.pixels.prompts import draw_circle, preset, weaken_outside
from api_graph.pixels.read import to_tensor

BOX = [[10.0, 8.0, 50.0, 32.0]]
BOX_2 = [0.0, 0.0, 6.0, 6.0]
IMAGE = torch.rand(1, 40, 60, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("options", "behind"),
    [
        ({"fill": "blur", "blur_radius": 5.0}, gaussian_blur(IMAGE, 5.0)),
        ({"fill": "colour", "colour": "#ff0033"}, torch.tensor([1.0, 0.0, 0.2]).expand_as(IMAGE)),
        ({"fill": "greyscale"}, (IMAGE @ torch.tensor([[0.299], [0.587], [0.114]])).expand_as(IMAGE)),
        (
            {"fill": "greyscale", "channels": "bgr"},
            (IMAGE @ torch.tensor([[0.114], [0.587], [0.299]])).expand_as(IMAGE),
        ),
    ],
)
def test_outside_the_box_by_hand(options, behind):
    expected = behind.clone()
    expected[:, 8:32, 10:50] = IMAGE[:, 8:32, 10:50]
    torch.testing.assert_close(weaken_outside(IMAGE, BOX, **options), expected)
    halfway = weaken_outside(IMAGE, BOX, strength=0.5, **options)
    torch.testing.assert_close(halfway, (IMAGE + expected) / 2)
    assert torch.equal(weaken_outside(IMAGE, BOX, strength=0.0, **options), IMAGE)


def test_outside_the_ellipse():
    """Half axes 20 and 12 about (30, 20): kept well inside, covered well outside, a mixture on the edge."""
    weak = weaken_outside(IMAGE, BOX, shape="ellipse", fill="colour", colour="black")
    x, y = torch.arange(60) + 0.5 - 30, torch.arange(40)[:, None] + 0.5 - 20
    inside, outside = (x / 18.5) ** 2 + (y / 10.5) ** 2 < 1, (x / 21.5) ** 2 + (y / 13.5) ** 2 > 1
    assert torch.equal(weak[0][inside], IMAGE[0][inside])
    assert (weak[0][outside] == 0).all()
    assert ((weak >= 0) & (weak <= IMAGE)).all()


def test_one_image_per_box_or_all_on_one():
    each = weaken_outside(IMAGE, [*BOX, BOX_2], fill="colour", colour="black", drawing="hard")
    assert each.shape == (2, 40, 60, 3)
    assert torch.equal(each[0], weaken_outside(IMAGE, BOX, fill="colour", colour="black", drawing="hard")[0])
    together = weaken_outside(IMAGE, [*BOX, BOX_2], fill="colour", colour="black", drawing="hard", together=True)
    assert torch.equal(together[0], each.amax(0))


def test_the_official_blur_is_pillows_with_the_right_and_bottom_edge_inside():
    picture = Image.effect_noise((300, 210), 90).convert("RGB")
    box = (33.4, 20.7, 150.2, 121.9)
    expected = picture.filter(ImageFilter.GaussianBlur(100))
    expected.paste(picture.crop((33, 20, 151, 122)), (33, 20))
    for name in ("falip", "reclip"):
        weak = weaken_outside(to_tensor(picture)[0], [box], **preset("outside", name))
        assert torch.equal(weak, to_tensor(expected)[0])


def test_falips_circle_is_blurred_outside_and_drawn_over_that():
    picture = Image.effect_noise((420, 210), 90).convert("RGB")
    box = (33.4, 20.7, 150.2, 121.9)
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    expected = Image.composite(picture, picture.filter(ImageFilter.GaussianBlur(100)), mask)
    ImageDraw.Draw(expected).ellipse(box, outline="red", width=2)
    drawn = draw_circle(to_tensor(picture)[0], [box], **preset("circle", "falip"))
    assert torch.equal(drawn, to_tensor(expected)[0])


def test_a_circle_blurs_what_the_outside_does():
    drawn = draw_circle(IMAGE, BOX, blur_outside=3.0, thickness=2.0, unit="pixels")
    weak = weaken_outside(IMAGE, BOX, shape="ellipse", blur_radius=3.0)
    assert torch.equal(drawn, draw_circle(weak, BOX, thickness=2.0, unit="pixels"))


def test_the_two_blurs_agree_far_from_the_edges():
    """Pillow's is three box blurs in 8 bits; at its borders it repeats the last pixel, where ours mirrors the image."""
    smooth = gaussian_blur(torch.rand(1, 160, 160, 3), 8.0)
    tiny = [[0.0, 0.0, 1.0, 1.0]]
    ours, pillows = (weaken_outside(smooth, tiny, blur_radius=8.0, drawing=how) for how in ("smooth", "pillow"))
    torch.testing.assert_close(ours[:, 40:-40, 40:-40], pillows[:, 40:-40, 40:-40], rtol=0, atol=2 / 255)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"fill": "fog"}, "fill: unknown fill .*Use one of blur, greyscale, colour"),
        ({"shape": "star"}, "shape: unknown shape .*Use one of box, ellipse"),
        ({"fill": "greyscale", "channels": "yuv"}, "channels: unknown channels"),
        ({"blur_radius": -1.0}, "blur_radius: the number is out of range"),
        ({"blur_radius": -1.0, "drawing": "pillow"}, "blur_radius: the number is out of range"),
        ({"strength": 2.0}, "strength: the number is out of range"),
    ],
)
def test_refusals(options, problem):
    with pytest.raises(BadInput, match=problem):
        weaken_outside(IMAGE, BOX, **options)


def test_inputs_stay_as_they_were():
    image = IMAGE.clone()
    with torch.inference_mode():
        for fill in ("blur", "greyscale", "colour"):
            weaken_outside(image, BOX, fill=fill)
        weaken_outside(image, BOX, drawing="pillow")
    assert torch.equal(image, IMAGE)
