"""Small pictures of any file that a run may name."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_graph.report.thumbnails import NoPicture, Thumbnail, thumbnail


def opened(shown: Thumbnail) -> Image.Image:
    assert shown.uri.startswith("data:image/webp;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(shown.uri.partition(",")[2])))
    assert image.size == (shown.width, shown.height)
    return image


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1000, 500), (192, 96)),
        ((50, 100), (50, 100)),
        ((1, 1), (1, 1)),
        ((4000, 1), (192, 1)),
        ((192, 193), (191, 192)),
    ],
)
def test_it_fits_and_is_never_enlarged(tmp_path: Path, size: tuple[int, int], small: tuple[int, int]) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    assert opened(thumbnail(tmp_path / "a.png")).size == small


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.bmp", "a.gif", "a.tif", "a.ppm"])
def test_formats(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (640, 480), (200, 40, 40)).save(tmp_path / name)
    image = opened(thumbnail(tmp_path / name)).convert("RGB")
    assert image.size == (192, 144)
    assert np.abs(np.asarray(image, int) - (200, 40, 40)).max() <= 6


def test_transparency_stays(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 10), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert opened(thumbnail(tmp_path / "a.png")).getchannel("A").getextrema() == (0, 0)


def test_16_bits_are_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.full((10, 20), 128 * 256, np.uint16)).save(tmp_path / "a.png")
    levels = np.asarray(opened(thumbnail(tmp_path / "a.png")), int)
    assert np.abs(levels - 128).max() <= 2


def test_it_is_upright_and_says_nothing_of_where_it_was_taken(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 30), "red")
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x010E] = "taken at home"
    image.save(tmp_path / "a.jpg", exif=exif, icc_profile=b"p" * 50_000, comment=b"taken at home")
    shown = thumbnail(tmp_path / "a.jpg")
    assert opened(shown).size == (30, 60)
    data = base64.b64decode(shown.uri.partition(",")[2])
    assert b"home" not in data and len(data) < 5_000


def test_noise_is_kept_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert len(thumbnail(tmp_path / "a.png").uri) < 30_000


def _cut(path: Path) -> None:
    Image.effect_noise((300, 300), 50).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:5000])


def _says_it_is(width: int, height: int) -> Callable[[Path], object]:
    """A PNG of which there is only the beginning."""

    def make(path: Path) -> None:
        body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 9) + b"IDAT")

    return make


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "the file is gone"),
        (lambda path: path.mkdir(), "damaged"),
        (lambda path: path.touch(), "not a picture"),
        (lambda path: path.write_text("<svg onload='alert(1)'/>"), "not a picture"),
        (lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not a picture"),
        (_cut, "damaged"),
        (_says_it_is(40_000, 40_000), "too large"),
        (_says_it_is(11_000, 10_000), "too large"),
    ],
)
def test_no_picture(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(NoPicture) as caught:
        thumbnail(tmp_path / "a.png")
    assert str(caught.value) == problem


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(NoPicture, match="may not be read"):
        thumbnail(Path("a.png"))
