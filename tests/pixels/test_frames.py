"""A file as ComfyUI's core loads it: all frames, and a mask that means none where nothing is transparent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from api_graph.errors import BadInput
from api_graph.pixels.frames import read_frames
from api_graph.pixels.read import read_image, to_tensor


def frames(mode: str = "RGB") -> list[Image.Image]:
    colours = [(250, 0, 0, 255), (0, 250, 0, 128), (0, 0, 250, 0)]
    return [Image.new(mode, (8, 6), colour[: len(mode)]) for colour in colours]


def saved(path: Path, pictures: list[Image.Image], **options: object) -> Path:
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)
    return path


@pytest.mark.parametrize(("ending", "options"), [("png", {}), ("webp", {"lossless": True})])
def test_all_frames_of_an_animation(tmp_path: Path, ending: str, options: dict[str, object]) -> None:
    image, mask = read_frames(saved(tmp_path / f"a.{ending}", frames(), **options))
    assert image.shape == (3, 6, 8, 3) and mask.shape == (3, 64, 64) and not bool(mask.any())
    assert [image[i, 0, 0].argmax().item() for i in range(3)] == [0, 1, 2]
    assert image[1, 0, 0].tolist() == pytest.approx([0, 250 / 255, 0])


def test_a_gif_always_has_a_mask(tmp_path: Path) -> None:
    image, mask = read_frames(saved(tmp_path / "a.gif", frames()))
    assert image.shape == (3, 6, 8, 3) and mask.shape == (3, 6, 8) and not bool(mask.any())


def test_transparency_of_every_frame(tmp_path: Path) -> None:
    image, mask = read_frames(saved(tmp_path / "a.png", frames("RGBA"), blend=0, disposal=1))
    assert mask[:, 0, 0].tolist() == pytest.approx([0, 127 / 255, 1])
    assert image[1, 0, 0].tolist() == pytest.approx([0, 250 / 255, 0])


def test_of_pages_the_first(tmp_path: Path) -> None:
    image, _ = read_frames(saved(tmp_path / "a.tif", frames()))
    assert image.shape == (1, 6, 8, 3)


def test_a_palette_counts_as_transparency(tmp_path: Path) -> None:
    frames()[0].quantize(4).save(tmp_path / "a.png")
    assert read_frames(tmp_path / "a.png")[1].shape == (1, 6, 8)
    frames()[0].save(tmp_path / "b.png")
    assert read_frames(tmp_path / "b.png")[1].shape == (1, 64, 64)


def test_one_picture_is_what_is_read_otherwise(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image, mask = read_frames(tmp_path / "a.png")
    expected = to_tensor(read_image(tmp_path / "a.png"))
    assert torch.equal(image, expected[0]) and torch.equal(mask, expected[1]) and image.shape == (1, 8, 6, 3)


def test_what_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.webp", frames(), lossless=True)
    with pytest.raises(BadInput, match="3 frames of 8×6 pixels are over the limit of 100"):
        read_frames(path, max_pixels=100)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match="damaged or cut short"):
        read_frames(path)
    with pytest.raises(BadInput, match="no such file"):
        read_frames(tmp_path / "nowhere.png")
