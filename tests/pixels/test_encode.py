"""Encoders: PNG by its own filter and by Pillow, JPEG, WebP, and what they embed."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import BadInput
from api_graph.files import PictureFormat
from api_graph.graph import read_graph
from api_graph.pixels import encode as module
from api_graph.pixels.encode import check_size, encode
from api_graph.pixels.write import next_numbered, write_numbered
from api_graph.registry import all_nodes

GRAPH = {"1": {"class_type": "APText", "inputs": {"text": "où est le 猫?"}, "_meta": {"title": "query"}}}
TEXTS = {"prompt": json.dumps(GRAPH), "workflow": "{}"}
LARGE = np.random.default_rng(0).integers(0, 256, (800, 501, 3), np.uint8)


@pytest.fixture(params=["pillow", "isal", "zlib"], autouse=True)
def compressor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Pillow's PNG, and the own one, by Intel's zlib where it is installed and by Python's, which fits in its place."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        found = zlib.compressobj if request.param == "zlib" else None
        monkeypatch.setattr(module, "_fast_compressor", lambda: found)
    yield request.param


def encoded(pixels: np.ndarray, format: PictureFormat = PictureFormat(), **texts: str) -> Image.Image:  # noqa: B008
    file = io.BytesIO()
    encode(file, pixels, format, texts, 4)
    image = Image.open(file)
    image.load()
    return image


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([None, 3, 4]), st.integers(0, 99))
def test_a_png_gives_every_pixel_back(height: int, width: int, channels: int | None, seed: int) -> None:
    shape = (height, width) if channels is None else (height, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    image = encoded(pixels)
    assert image.mode == {None: "L", 3: "RGB", 4: "RGBA"}[channels]
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_a_png_of_several_blocks_and_not_contiguous() -> None:
    np.testing.assert_array_equal(np.asarray(encoded(LARGE)), LARGE)
    np.testing.assert_array_equal(np.asarray(encoded(LARGE[::2, ::-1])), LARGE[::2, ::-1])


def test_a_png_packs_what_a_photograph_is_like(compressor: str) -> None:
    ramp = np.broadcast_to(np.arange(640, dtype=np.uint8)[None, :, None], (480, 640, 3)).copy()
    file = io.BytesIO()
    encode(file, ramp, PictureFormat(), {}, 4)
    assert file.tell() < ramp.size // 50


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_the_graph_is_in_the_file(tmp_path: Path, kind: str) -> None:
    image = torch.zeros(1, 4, 5, 3)
    path = write_numbered(tmp_path, "a", image, metadata=TEXTS, format=PictureFormat(kind))  # type: ignore[arg-type]
    graph = read_graph(path, all_nodes())
    assert graph.nodes["1"].inputs == GRAPH["1"]["inputs"]


def test_webp_has_its_texts_where_comfyui_has_them() -> None:
    exif = encoded(LARGE, PictureFormat("webp"), workflow='{"a": 1}', prompt='{"b": 2}').getexif()
    assert exif[0x0110] == 'prompt:{"b": 2}' and exif[0x010F] == 'workflow:{"a": 1}'


def test_jpeg_carries_none() -> None:
    assert not encoded(LARGE, PictureFormat("jpeg"), **TEXTS).getexif()


@pytest.mark.parametrize(("kind", "ending"), [("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_each_kind_is_what_its_ending_says(tmp_path: Path, kind: str, ending: str) -> None:
    format = PictureFormat(kind)  # type: ignore[arg-type]
    for image in (torch.rand(1, 8, 8, 3), torch.rand(8, 8)):
        path = write_numbered(tmp_path, "a", image, format=format)
        with Image.open(path) as found:
            assert path.suffix == ending and (found.format or "").lower() == kind


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_quality_is_heard(kind: str) -> None:
    smooth = np.asarray(Image.radial_gradient("L").convert("RGB"))

    def error(quality: int) -> float:
        found = np.asarray(encoded(smooth, PictureFormat(kind, quality)).convert("RGB"))  # type: ignore[arg-type]
        return float(np.abs(found.astype(float) - smooth).mean())

    assert error(95) < error(10) < 20


def test_numbers_go_on_over_all_formats(tmp_path: Path) -> None:
    for name in ("a_00003_.webp", "a_00002_.jpg", "a_00001_.png"):
        (tmp_path / name).touch()
    assert next_numbered(tmp_path, "a").name == "a_00004_.png"
    assert write_numbered(tmp_path, "a", torch.zeros(2, 2), format=PictureFormat("jpeg")).name == "a_00005_.jpg"


@pytest.mark.parametrize(("kind", "side"), [("webp", 16_384), ("jpeg", 65_536)])
def test_a_picture_too_large_for_its_format_is_one_clear_error(kind: str, side: int) -> None:
    wide, high = np.zeros((1, side, 3), np.uint8), np.zeros((side - 1, 1, 3), np.uint8)
    with pytest.raises(BadInput, match=rf"{kind} file has at most .* a side \(got '{side}×1'\).*png"):
        check_size(wide, PictureFormat(kind))  # type: ignore[arg-type]
    check_size(high, PictureFormat(kind))  # type: ignore[arg-type]
    check_size(wide, PictureFormat("png"))
