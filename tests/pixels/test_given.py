"""Images as users have them: all forms of one picture are that picture, and what could be another is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels.given import as_pictures, image_batch, is_single

LEVELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
LEVELS[0, :2] = [[0], [255]]
FLOATS = LEVELS / 255


def encoded(kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(LEVELS).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(encoded())
    return tmp_path / "a.png"


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(LEVELS),
        encoded(),
        encoded("bmp"),
        bytearray(encoded()),
        memoryview(encoded()),
        LEVELS,
        LEVELS[None],
        read_only(LEVELS),
        np.asfortranarray(LEVELS),
        LEVELS[:, :, ::-1].copy()[:, :, ::-1],  # OpenCV's BGR, turned
        FLOATS,
        FLOATS.astype(np.float32),
        FLOATS.astype(np.longdouble),
        FLOATS.astype(">f4"),
        FLOATS.astype(np.float16),
        torch.from_numpy(LEVELS),
        torch.from_numpy(LEVELS)[None],
        torch.from_numpy(FLOATS),
        torch.from_numpy(FLOATS).half(),
        np.concatenate([FLOATS, np.ones((5, 7, 1))], -1),  # wholly opaque
        [LEVELS],
        ([FLOATS],),
    ],
    ids=lambda image: f"{type(image).__name__} {getattr(image, 'dtype', '')} {getattr(image, 'shape', '')}",
)
def test_all_forms_are_one_picture(image: Any) -> None:
    (picture,) = as_pictures(image)
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), LEVELS)


def test_files(path: Path) -> None:
    for image in (path, str(path), path.read_bytes()):
        (picture,) = as_pictures(image)
        assert np.array_equal(np.asarray(picture), LEVELS)


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(5, 9), st.integers(5, 9), st.just(3))))
def test_levels_and_their_floats_are_one_picture(levels: np.ndarray) -> None:
    for array in (levels, levels / 255, torch.from_numpy(levels) / 255):
        assert np.array_equal(np.asarray(as_pictures(array)[0]), levels)


def test_several() -> None:
    other = 255 - LEVELS
    for images in ([LEVELS, other], np.stack([LEVELS, other]), torch.from_numpy(np.stack([FLOATS, other / 255]))):
        assert [np.asarray(p).tolist() for p in as_pictures(images)] == [LEVELS.tolist(), other.tolist()]


@pytest.mark.parametrize(
    ("image", "single"),
    [("a.png", True), (b"", True), (LEVELS, True), (LEVELS[None], False), ([LEVELS], False), (("a.png",), False)],
)
def test_one_image_or_a_list(image: Any, single: bool) -> None:
    assert is_single(image) is single


NOT_IMAGES: list[tuple[Any, str]] = [
    (FLOATS * 255, r"values in \[0, 1\] \(got '0 to 255'\)\. Divide by 255"),
    (torch.from_numpy(FLOATS * 255), "Divide by 255 if they are levels, or clamp"),
    (FLOATS * 2 - 1, "Undo a normalisation"),
    (FLOATS * 1.1, r"clamp to \[0, 1\]"),
    (np.where(FLOATS > 0.5, np.nan, FLOATS), "holds NaN"),
    (np.where(FLOATS > 0.5, np.inf, FLOATS), r"values in \[0, 1\]"),
    (LEVELS.astype(np.uint16) * 257, "uint16 could mean several ranges.*65535"),
    (torch.from_numpy(LEVELS).to(torch.uint16), "uint16 could mean several ranges.*65535"),
    (LEVELS.astype(np.int64), r"int64 could mean.*astype\('uint8'\)"),
    (torch.from_numpy(LEVELS).int(), "int32 could mean"),
    (LEVELS > 100, "an array of bool is no image"),
    (torch.from_numpy(LEVELS) > 100, "bool could mean"),
    (FLOATS.astype(complex), "complex128 is no image"),
    (np.full((4, 4, 3), "a"), "is no image"),
    (np.full((4, 4, 3), None), "object is no image"),
    (LEVELS.transpose(2, 0, 1), r"channels come first.*transpose\(1, 2, 0\)"),
    (torch.from_numpy(FLOATS).permute(2, 0, 1)[None], r"channels come first.*permute\(0, 2, 3, 1\)"),
    (np.zeros((4, 9, 8), np.uint8), "channels come first"),
    (np.zeros((3, 9, 3), np.uint8), "either end could be the channels"),
    (np.zeros((2, 4, 9, 3)), "either end could be the channels"),
    (LEVELS[..., 0], r"the axes \(H, W, 3\).*np.stack"),
    (LEVELS[..., :1], r"three channels.*np.concatenate"),
    (LEVELS[..., :2], "three channels"),
    (np.zeros((5, 7, 4), np.uint8), r"three channels.*array\[\.\.\., :3\]"),
    (np.zeros((0, 7, 3)), "nothing empty"),
    (np.zeros(3), "the axes"),
    ([], "expected images"),
    (None, "expected images"),
    (3, "expected images"),
    ({"a": 1}, "expected images"),
    ([LEVELS, 3], "expected images"),
]


@pytest.mark.parametrize(("image", "said"), NOT_IMAGES)
def test_what_could_be_another_picture_is_refused(image: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        as_pictures(image)
    assert caught.value.input == "images" and caught.value.hint


def test_arithmetic_may_overshoot_by_its_rounding() -> None:
    assert image_batch(np.full((5, 5, 3), 1.0005)).shape == (1, 5, 5, 3)
    with pytest.raises(BadInput):
        image_batch(np.full((5, 5, 3), 1.002))


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a.png", "http://example.org/a.png", "s3://bucket/a.png", "data:image/png;base64,aaaa"],
)
def test_a_url_says_what_to_do_instead(url: str) -> None:
    with pytest.raises(BadInput, match=r"this is a URL, and nothing is downloaded here.*Download it first.*bytes"):
        as_pictures(url)


def test_what_only_looks_like_one_is_a_file_that_is_not_there() -> None:
    for name in ("C:/a.png", "http", "a://"[:2], "folder/https:"):
        with pytest.raises(BadInput, match="there is no such file"):
            as_pictures(name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"x" * 100, "no image that can be read|not an image that can be read"),
        (encoded()[:60], "damaged or cut short"),
    ],
)
def test_bytes_that_are_no_picture(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        as_pictures(content)
    assert caught.value.value == f"{len(content)} bytes"


def test_bytes_are_read_as_their_file_is(tmp_path: Path) -> None:
    """A JPEG on its side, and one without its end marker."""
    picture = Image.linear_gradient("L").resize((40, 24)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    (upright,) = as_pictures(content)
    assert upright.size == (24, 40)
    assert np.array_equal(np.asarray(upright), np.asarray(as_pictures(tmp_path / "a.jpg")[0]))
    with pytest.warns(ApiGraphWarning, match=r"^\d+ bytes: the JPEG lacks its end marker"):
        (cut,) = as_pictures(content.removesuffix(b"\xff\xd9"))
    assert np.array_equal(np.asarray(cut), np.asarray(upright))
