"""PNG files: whole or absent, with their metadata, under names that never collide."""

from __future__ import annotations

import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import BadInput
from api_graph.pixels import encode
from api_graph.pixels.read import read_image, to_tensor
from api_graph.pixels.write import next_numbered, write_numbered, write_numbered_text, write_png

IMAGE = torch.rand(1, 4, 5, 3, generator=torch.Generator().manual_seed(0))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=36, max_size=36))
def test_eight_bit_pixels_survive(tmp_path, data):
    picture = Image.frombytes("RGB", (4, 3), data)
    path = write_png(tmp_path / "image.png", to_tensor(picture)[0])
    assert np.array_equal(np.asarray(read_image(path)), np.asarray(picture))


def test_tensors_of_either_rank_and_pictures(tmp_path):
    for i, image in enumerate([IMAGE, IMAGE[0], Image.new("CMYK", (5, 4))]):
        assert read_image(write_png(tmp_path / "new" / f"{i}.png", image)).size == (5, 4)
    with pytest.raises(BadInput, match="one image"):
        write_png(tmp_path / "many.png", IMAGE.expand(2, 4, 5, 3))


def test_metadata_as_comfyui_writes_it(tmp_path):
    prompt = {"1": {"class_type": "LoadImage", "inputs": {"query": "où est le 猫 🐈?"}}}
    metadata = {
        "prompt": json.dumps(prompt),
        "workflow": json.dumps(prompt, ensure_ascii=False),
        "lone": "a\ud800b",
    }
    with Image.open(write_png(tmp_path / "image.png", IMAGE, metadata=metadata)) as image:
        text = image.text  # type: ignore[attr-defined]
    assert json.loads(text["prompt"]) == json.loads(text["workflow"]) == prompt
    assert text["lone"] == "a?b"


@pytest.mark.parametrize("key", ["", "k" * 80, "naïve", "new\nline"])
def test_bad_metadata_keys(tmp_path, key):
    with pytest.raises(BadInput, match="keyword"):
        write_png(tmp_path / "image.png", IMAGE, metadata={key: "value"})


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    path = write_png(tmp_path / "image.png", IMAGE)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.fixture
def failing_save(monkeypatch):
    """Makes Pillow write half a file and then fail with the error given."""

    def fail_with(error: BaseException) -> None:
        def save(self, file, **options):
            file.write(b"half a file")
            raise error

        monkeypatch.setattr(encode, "_fast_compressor", lambda: None)
        monkeypatch.setattr(Image.Image, "save", save)

    return fail_with


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path, failing_save, error):
    path = write_png(tmp_path / "image.png", IMAGE)
    before = path.read_bytes()
    failing_save(error)
    with pytest.raises(type(error)):
        write_png(path, IMAGE)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["image.png"]


def test_a_full_disk_is_one_clear_error(tmp_path, failing_save):
    failing_save(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(BadInput, match=r"No space left on device.*Free some space"):
        write_numbered(tmp_path, "image", IMAGE)
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_way_and_a_file_in_the_way(tmp_path):
    (tmp_path / "image.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        write_png(tmp_path / "image.png", IMAGE)
    with pytest.raises(BadInput, match="cannot be written"):
        write_png(tmp_path / "file" / "image.png", IMAGE)
    assert sorted(os.listdir(tmp_path)) == ["file", "image.png"]


def test_numbers_follow_the_highest_of_that_prefix(tmp_path):
    for name in ("cat_00002_.png", "cat_00041_.png", "cat_x_00077_.png", "dog_00099_.png", "cat_00050_.txt"):
        (tmp_path / name).touch()
    assert next_numbered(tmp_path, "cat").name == "cat_00042_.png"
    assert next_numbered(tmp_path, "cat").name == "cat_00043_.png"
    assert next_numbered(tmp_path, "bird").name == "bird_00001_.png"


def test_a_subfolder_in_the_prefix(tmp_path):
    assert next_numbered(tmp_path, "maps/cat") == tmp_path.resolve() / "maps" / "cat_00001_.png"
    assert next_numbered(tmp_path, "maps\\cat") == tmp_path.resolve() / "maps" / "cat_00002_.png"


def test_pages_have_numbers_of_their_own(tmp_path):
    (tmp_path / "cat_00041_.png").touch()
    assert write_numbered_text(tmp_path, "cat", "<p>caf\u00e9 \ud800", ".html") == tmp_path / "cat_00001_.html"
    assert write_numbered_text(tmp_path, "cat", "", ".html").name == "cat_00002_.html"
    assert (tmp_path / "cat_00001_.html").read_bytes() == b"<p>caf\xc3\xa9 ?"
    with pytest.raises(BadInput, match="leads out"):
        write_numbered_text(tmp_path, "../cat", "", ".html")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        write_numbered_text(tmp_path, "file/cat", "", ".html")


@pytest.mark.parametrize("prefix", ["../cat", "a/../../cat", "/cat", "..\\cat", "link/cat"])
def test_the_prefix_stays_inside_the_folder(tmp_path, prefix):
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="leads out"):
        next_numbered(folder, prefix)
    assert os.listdir(tmp_path) == ["output"]


@pytest.mark.parametrize("prefix", ["", "maps/", "..", "a\0b"])
def test_a_prefix_without_a_name(tmp_path, prefix):
    with pytest.raises(BadInput, match="a file name is needed"):
        next_numbered(tmp_path, prefix)


def test_simultaneous_saves_get_names_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: write_numbered(tmp_path, "image", IMAGE), range(40)))
    assert sorted(p.name for p in paths) == [f"image_{i:05}_.png" for i in range(1, 41)]
    assert sorted(os.listdir(tmp_path)) == sorted(p.name for p in paths)
