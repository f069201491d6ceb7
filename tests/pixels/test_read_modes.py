"""What the pixels of a readable file become: every mode, orientation, transparency, and ComfyUI's tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import BadInput
from api_graph.pixels.read import as_image_tensor, read_image, to_pil, to_tensor

GREY_RAMP = np.array([[0, 64, 128, 255]], dtype=np.uint8)


def saved_and_read(image: Image.Image, path, **options) -> Image.Image:
    image.save(path, **options)
    return read_image(path)


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "webp", "gif", "ppm", "jpg", "jp2"])
def test_a_flat_colour_survives_every_format(tmp_path, suffix):
    picture = saved_and_read(Image.new("RGB", (16, 8), (200, 100, 50)), tmp_path / f"image.{suffix}")
    assert picture.mode == "RGB" and picture.size == (16, 8)
    assert np.abs(np.asarray(picture).astype(int) - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_exif_orientation_is_undone(tmp_path, orientation, suffix):
    """Stored as the EXIF table says: with 6, for one, row 0 is the right-hand side of the picture."""
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:, :16, 0], upright[:, 16:, 1], upright[8:, :, 2] = 255, 255, 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    image = Image.fromarray(np.ascontiguousarray(stored))
    picture = saved_and_read(image, tmp_path / f"image.{suffix}", exif=exif, **options)
    assert picture.size == (32, 16)
    assert np.abs(np.asarray(picture).astype(int) - upright).max() <= 12


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(GREY_RAMP), [0, 64, 128, 255]),
        (Image.fromarray(np.array([[0, 16448, 32896, 65535]], dtype=np.uint16)), [0, 64, 128, 255]),
        (Image.fromarray(np.array([[0, 1]], dtype=bool)), [0, 255]),
    ],
    ids=["L", "I;16", "1"],
)
def test_grey_modes_use_the_full_range(tmp_path, image, expected):
    picture = saved_and_read(image, tmp_path / "image.png")
    assert picture.mode == "RGB"
    assert np.asarray(picture)[0].tolist() == [[v, v, v] for v in expected]


@pytest.mark.parametrize(("largest", "name"), [(65535, "16-bit"), (2**31 - 1, "32-bit")])
def test_mode_i_is_scaled_not_clipped(tmp_path, largest, name):
    samples = np.array([[0, largest // 2, largest]], dtype=np.int32)
    picture = saved_and_read(Image.fromarray(samples), tmp_path / "image.tiff")
    assert np.abs(np.asarray(picture)[0, :, 0].astype(int) - [0, 127, 255]).max() <= 1


def test_big_endian_16_bit(tmp_path):
    samples = np.array([[0, 257, 65535]], dtype=">u2")
    image = Image.frombytes("I;16B", (3, 1), samples.tobytes())
    assert np.asarray(saved_and_read(image, tmp_path / "image.tiff"))[0, :, 0].tolist() == [0, 1, 255]


def test_float_tiff(tmp_path):
    picture = saved_and_read(Image.fromarray(np.array([[0, 0.5, 1]], dtype=np.float32)), tmp_path / "image.tiff")
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 128, 255]
    with pytest.raises(BadInput, match=r"values in \[0, 1\]"):
        saved_and_read(Image.fromarray(np.array([[0, 300.0]], dtype=np.float32)), tmp_path / "hdr.tiff")


def test_cmyk(tmp_path):
    picture = saved_and_read(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "image.tiff")
    assert picture.mode == "RGB" and picture.getpixel((0, 0)) == (255, 0, 0)


def palette_image() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    return image


def test_palette_without_transparency(tmp_path):
    picture = saved_and_read(palette_image(), tmp_path / "image.png")
    assert picture.mode == "RGB" and list(np.asarray(picture)[0, 1]) == [0, 255, 0]


@pytest.mark.parametrize(("transparency", "alpha"), [(1, [255, 0]), (bytes([10, 200]), [10, 200])])
def test_palette_with_transparency(tmp_path, transparency, alpha):
    picture = saved_and_read(palette_image(), tmp_path / "image.png", transparency=transparency)
    assert picture.mode == "RGBA"
    assert np.asarray(picture)[0, :, 3].tolist() == alpha


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_the_mask_is_one_minus_alpha(tmp_path, mode):
    image = Image.new("RGBA", (2, 1), (51, 51, 51, 255))
    image.putpixel((1, 0), (51, 51, 51, 51))
    pixels, mask = to_tensor(saved_and_read(image.convert(mode), tmp_path / "image.png"))
    assert pixels.shape == (1, 1, 2, 3) and pixels.dtype == mask.dtype == torch.float32
    torch.testing.assert_close(mask, torch.tensor([[[0.0, 0.8]]]))
    torch.testing.assert_close(pixels, torch.full((1, 1, 2, 3), 0.2))


def test_without_alpha_the_mask_is_zero_and_of_the_images_size():
    _, mask = to_tensor(Image.new("RGB", (7, 5)))
    assert mask.shape == (1, 5, 7) and not mask.any()


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    # Only WebP looks at `lossless`.
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    assert read_image(tmp_path / f"a.{suffix}").convert("RGB").getpixel((4, 4)) == (255, 0, 0)


@given(st.binary(min_size=48, max_size=48))
def test_eight_bit_pixels_survive_the_trip(data):
    picture = Image.frombytes("RGB", (4, 4), data)
    assert to_pil(to_tensor(picture)[0])[0].tobytes() == data


def test_to_pil_rounds_clamps_and_leaves_its_input_alone():
    image = torch.tensor([-1.0, 0.5, 2.0]).expand(2, 1, 1, 3).clone()
    before = image.clone()
    assert [p.getpixel((0, 0)) for p in to_pil(image)] == [(0, 128, 255)] * 2
    assert torch.equal(image, before)


def test_as_image_tensor_takes_what_people_have(tmp_path):
    picture = Image.new("RGB", (3, 2), (255, 0, 51))
    path = tmp_path / "image.png"
    picture.save(path)
    expected = torch.tensor([1.0, 0.0, 0.2]).expand(1, 2, 3, 3)
    for images in (picture, path, str(path), [picture], expected):
        torch.testing.assert_close(as_image_tensor(images), expected, msg=str(type(images)))
    assert as_image_tensor([picture, path, str(path)]).shape == (3, 2, 3, 3)
    assert as_image_tensor(expected.half()).dtype == torch.float32


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ([], "no image"),
        (np.zeros((1, 4, 4, 3)), "no image"),
        ([Image.new("RGB", (3, 2)), Image.new("RGB", (2, 3))], "one size.*2×3.*3×2"),
        ([7], "no picture"),
        (torch.zeros(2, 3, 3), r"\(B, H, W, 3\)"),
        (torch.zeros(1, 3, 4, 4), r"\(B, H, W, 3\)"),
        (torch.zeros(1, 4, 4, 3, dtype=torch.uint8), "floats"),
    ],
)
def test_as_image_tensor_refuses(images, problem):
    with pytest.raises(BadInput, match=problem):
        as_image_tensor(images)
