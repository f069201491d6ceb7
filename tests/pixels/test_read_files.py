"""Files that nobody vouches for: each bad one is one clear error, and Pillow's globals stay as they are."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
import time
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels.read import read_image


@pytest.fixture(autouse=True)
def pillow_globals_untouched():
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    yield
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces `width` × `height` grey pixels and brings a handful of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def jpeg_bytes() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


BAD_CONTENTS = {
    "empty.png": (b"", "empty"),
    "text.png": (b"not an image at all", "not an image"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "not an image"),
    "page.pdf": (b"%PDF-1.4\n", "not an image"),
    "cut.jpg": (jpeg_bytes()[:1500], "cut short"),
    "stub.jpg": (jpeg_bytes()[:20], "not an image|cut short"),
    "header_bomb.png": (png_header(40_000, 40_000), "more pixels|over the limit"),
    "under_pillows_ceiling.png": (png_header(12_000, 12_000), "over the limit"),
    "short_of_data.png": (png_header(64, 64), "cut short"),
}


@pytest.mark.parametrize("name", BAD_CONTENTS)
def test_bad_content_is_one_clear_error(tmp_path, name):
    content, problem = BAD_CONTENTS[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=problem) as caught:
        read_image(path)
    error = caught.value
    assert error.input == "path" and error.value == str(path) and error.hint
    assert "\n" not in str(error)


FORMATS = {
    "PNG": {},
    "JPEG": {},
    "GIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {},
    "BMP": {},
    "JPEG2000": {},
}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20),
    st.floats(0, 1),
)
def test_a_damaged_file_is_read_or_refused_without_a_warning(tmp_path, format, damage, kept):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((20, 20)).convert("RGB").save(buffer, format, **FORMATS[format])
    content = bytearray(buffer.getvalue())
    for place, value in damage:
        content[int(place * (len(content) - 1))] = value
    path = tmp_path / "damaged"
    path.write_bytes(content[: int(kept * len(content))])
    try:
        assert read_image(path, max_pixels=10**6).mode in ("RGB", "RGBA")
    except BadInput as error:
        assert error.hint


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(BadInput, match="no such file"):
        read_image("nul\0byte.png")
    with pytest.raises(BadInput, match="a folder"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadInput, match="not a file"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = tmp_path / "secret.png"
    Image.new("RGB", (4, 4)).save(path)
    path.chmod(0)
    with pytest.raises(BadInput, match="may not be read"):
        read_image(path)


def test_the_limit_can_be_moved(tmp_path):
    path = tmp_path / "image.png"
    Image.new("RGB", (30, 20)).save(path)
    assert read_image(path, max_pixels=600).size == (30, 20)
    with pytest.raises(BadInput, match="30×20 pixels is over the limit of 599"):
        read_image(path, max_pixels=599)


def test_an_image_above_pillows_warning_is_read_silently_when_the_limit_allows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    Image.new("RGB", (30, 20)).save(tmp_path / "image.png")
    assert read_image(tmp_path / "image.png", max_pixels=600).size == (30, 20)
    monkeypatch.undo()


def test_damaged_exif_costs_the_orientation_not_the_image(tmp_path):
    path = tmp_path / "image.jpg"
    Image.new("RGB", (30, 20)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert read_image(path).size == (30, 20)


def test_overlapping_threads_leave_the_warning_filters_alone(tmp_path):
    paths = []
    for i in range(8):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (200, 200)).save(paths[-1])
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda p=p: [read_image(p) for _ in range(20)]) for p in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_relative_names_work(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (5, 4)).save("image.png")
    assert read_image("image.png").size == (5, 4)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.mark.parametrize("name", ["photo.heic", "photo.jpg"])
def test_heic_says_how_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_bytes(HEIC)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(BadInput, match=r"this is not an image .* HEIC and HEIF are read once pillow-heif is installed"):
        read_image(tmp_path / name)
    registered: list[bool] = []
    there = SimpleNamespace(register_heif_opener=lambda: registered.append(True))
    monkeypatch.setitem(sys.modules, "pillow_heif", there)
    with pytest.raises(BadInput, match="Save it in one of PNG"):
        read_image(tmp_path / name)
    assert registered


def test_heic_is_read_with_pillow_heif(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "photo.jpg", format="HEIF")
    assert read_image(tmp_path / "photo.jpg").size == (64, 48)


# ------------------------------------------------------------------------------------------ metadata without end


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def encoded(kind: str, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def png_with(*chunks: bytes, at_end: bool = False) -> bytes:
    data = encoded("PNG")
    split = len(data) - 12 if at_end else 33
    return data[:split] + b"".join(chunks) + data[split:]


def jpeg_with(data: bytes) -> bytes:
    return jpeg_bytes()[:2] + data + jpeg_bytes()[2:]


def gif_with(data: bytes) -> bytes:
    gif = encoded("GIF")
    table = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    return gif[:table] + data + gif[table:]


LONG = zlib.compress(bytes(100_000_000), 9)
PIXELS = bytes(64 * 48 * 3)
READ = {
    "segments.jpg": lambda: jpeg_with(segment(0xE5, bytes(65_000)) * 400),
    "exif.jpg": lambda: jpeg_with(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08" + bytes(65_000)) * 400),
    "profiles.jpg": lambda: jpeg_with(segment(0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(65_000)) * 400),
    "ztxt.png": lambda: png_with(chunk(b"zTXt", b"k\0\0" + LONG)),
    "itxt.png": lambda: png_with(chunk(b"iTXt", b"k\0\1\0\0\0" + LONG)),
    "after.png": lambda: png_with(chunk(b"zTXt", b"k\0\0" + LONG), at_end=True),
    "profile.png": lambda: png_with(chunk(b"iCCP", b"k\0\0" + LONG)),
    "text.png": lambda: png_with(chunk(b"tEXt", b"k\0" + bytes([65]) * 30_000_000)),
    "texts.png": lambda: png_with(chunk(b"zTXt", b"k\0\0" + zlib.compress(b"A" * 900_000, 9)) * 1000),
    "meta.webp": lambda: encoded("WEBP", exif=b"Exif\0\0" + bytes(20_000_000)),
    "text.tif": lambda: encoded("TIFF", description="d" * 20_000_000),
    "frames.gif": lambda: encoded(
        "GIF", save_all=True, append_images=[Image.new("L", (64, 48), i) for i in range(200)]
    ),
}
REFUSED = {
    "comment.ppm": lambda: b"P6\n#" + b"c" * 30_000_000 + b"\n64 48\n255\n" + PIXELS,
    "comments.ppm": lambda: b"P6\n" + b"#c\n" * 5_000_000 + b"64 48\n255\n" + PIXELS,
    "blanks.ppm": lambda: b"P6" + b" " * 30_000_000 + b"64 48\n255\n" + PIXELS,
    "fill.jpg": lambda: jpeg_with(b"\xff" * 30_000_000),
    "small.jpg": lambda: jpeg_with(segment(0xFE, b"c") * 2_000_000),
    "chunks.png": lambda: png_with(chunk(b"tEXt", b"k\0t") * 1_000_000),
    "extensions.gif": lambda: gif_with(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0" * 1_000_000),
}


@pytest.mark.parametrize("name", [*READ, *REFUSED])
def test_metadata_without_end_costs_little(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes({**READ, **REFUSED}[name]())
    started = time.process_time()
    if name in READ:
        assert read_image(path).size in ((64, 48), (64, 64))
    else:
        with pytest.raises(BadInput, match="too many pieces of metadata or comments.*" + name):
            read_image(path)
    assert time.process_time() - started < 2


def test_a_png_without_its_texts_has_the_same_pixels(tmp_path: Path) -> None:
    for name, data in {"a.png": encoded("PNG"), "b.png": READ["texts.png"](), "c.png": READ["after.png"]()}.items():
        (tmp_path / name).write_bytes(data)
    pixels = [np.asarray(read_image(tmp_path / name)) for name in ("a.png", "b.png", "c.png")]
    assert (pixels[0] == pixels[1]).all() and (pixels[0] == pixels[2]).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "subsampling": 2}])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read_with_a_warning(options: dict, tmp_path: Path) -> None:
    data = encoded("JPEG", **options)
    assert data.endswith(b"\xff\xd9")
    (tmp_path / "whole.jpg").write_bytes(data)
    for cut in (1, 2):
        (tmp_path / "tail.jpg").write_bytes(data[:-cut])
        with pytest.warns(ApiGraphWarning, match=r"tail\.jpg: the JPEG lacks its end marker"):
            picture = read_image(tmp_path / "tail.jpg")
        assert (np.asarray(picture) == np.asarray(read_image(tmp_path / "whole.jpg"))).all()


@pytest.mark.parametrize("share", [0.97, 0.9, 0.6])
def test_a_jpeg_that_is_cut_in_its_pixels_stays_an_error_that_says_how_much(share: float, tmp_path: Path) -> None:
    data = encoded("JPEG", quality=95)
    (tmp_path / "cut.jpg").write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInput, match=r"cut short: of its 48 rows the last (\d+) are missing") as error:
        read_image(tmp_path / "cut.jpg")
    missing = int(error.value.problem.split("last ")[1].split()[0])
    assert missing >= (1 - share) * 48 - 16  # in rows of blocks


SHARED = Path(__file__).resolve().parents[3] / "shared" / "cases" / "images"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases are not here")
def test_shared_cases_are_read() -> None:
    assert read_image(SHARED / "bigtext.png").size == (160, 100)
    with pytest.warns(ApiGraphWarning, match="trunc_tail.jpg"):
        assert read_image(SHARED / "trunc_tail.jpg").size == (160, 100)
