"""ImageNet-Segmentation's file: read as its owners made it, and refused, with its place, where it is damaged."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api_graph.bench.readers.imagenet_segmentation import read_imagenet_segmentation
from api_graph.bench.readers.point_clouds import read_clouds
from api_graph.bench.readers.run_lengths import decode_rle
from tests.tasks.files import complaint, write

h5py = pytest.importorskip("h5py")
from tests.benching.outlines import Outlined, write_mat  # noqa: E402 - it needs h5py too

WORDS = "n02119789\tkit fox, Vulpes macrotis\nn01440764\ttench, Tinca tinca\n"


def outlined() -> list[Outlined]:
    random = np.random.default_rng(0)
    sizes = [(4, 6), (5, 3)]  # heights and widths
    names = ["n02119789_7", "n01440764_12"]
    return [
        Outlined(random.integers(0, 256, (*size, 3), np.uint8), random.random(size) < 0.5, name)
        for size, name in zip(sizes, names, strict=True)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mat(tmp_path / "gtsegs_ijcv.mat", outlined())
    write(tmp_path / "words.txt", WORDS)
    return tmp_path


def test_pictures_masks_and_names(folder: Path) -> None:
    questions = read_imagenet_segmentation(folder)
    assert [one.id for one in questions] == ["0_n02119789_7", "1_n01440764_12"]
    assert [one.text for one in questions] == ["a photo of a kit fox.", "a photo of a tench."]
    for question, known in zip(questions, outlined(), strict=True):
        (content,) = question.images
        assert callable(content)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content()))), known.picture)
        size: Any = question.facts["size"]
        mask: Any = question.facts["mask"]
        assert tuple(size) == known.mask.shape and np.array_equal(decode_rle(mask, tuple(size)), known.mask)


def replace(name: str, array: np.ndarray) -> Callable[[Any, Path], object]:
    def change(file: Any, folder: Path) -> None:
        cell = {"m": "gt", "p": "img", "n": "id"}[name[0]]
        stored = file["#refs#"].create_dataset("new", data=array)
        if cell == "gt":
            file[file["value/gt"][int(name[1:]), 0]][0, 0] = stored.ref
        else:
            file[f"value/{cell}"][int(name[1:]), 0] = stored.ref

    return change


def drop(name: str) -> Callable[[Any, Path], object]:
    return lambda file, folder: file.__delitem__(name)


def elsewhere(file: Any, folder: Path) -> None:
    """The picture's values are the bytes of another file."""
    (folder / "secret.txt").write_bytes(bytes(4 * 6 * 3))
    stored = file["#refs#"].create_dataset(
        "out", (3, 6, 4), np.uint8, external=[(str(folder / "secret.txt"), 0, 4 * 6 * 3)]
    )
    file["value/img"][0, 0] = stored.ref


def linked(file: Any, folder: Path) -> None:
    """All names are those of another file."""
    write_mat(folder / "other.mat", outlined())
    del file["value/id"]
    file["value/id"] = h5py.ExternalLink(str(folder / "other.mat"), "value/id")


FILE = "gtsegs_ijcv.mat"
LETTERS = np.array([[ord(letter)] for letter in "n99999999_1"], np.uint16)
DAMAGES: dict[str, tuple[Callable[[Any, Path], object], str]] = {
    "no pictures": (drop("value/img"), "cannot be read"),
    "no masks": (drop("value/gt"), "cannot be read"),
    "nothing": (drop("value"), "cannot be read"),
    "another class": (replace("n1", LETTERS), r"value/id\[1\].*words.txt does not hold this WordNet id"),
    "floats": (replace("p0", np.zeros((3, 6, 4))), r"value/img\[0\].*whole numbers in 3 dimensions"),
    "grey": (replace("p1", np.zeros((1, 3, 5), np.uint8)), r"value/img\[1\].*three colours of 8 bits"),
    "16 bits": (replace("p1", np.zeros((3, 3, 5), np.uint16)), r"value/img\[1\].*three colours of 8 bits"),
    "another size": (replace("m1", np.zeros((3, 4), np.uint8)), r"value/gt\[1\].*5 × 3 pixels is needed"),
    "another value": (replace("m0", np.full((6, 4), 2, np.uint8)), r"value/gt\[0\].*holds 0 and 1.*2"),
    "a volume": (replace("m0", np.zeros((6, 4, 1), np.uint8)), r"value/gt\[0\].*whole numbers in 2 dimensions"),
    "empty": (replace("m0", np.zeros((0, 4), np.uint8)), r"value/gt\[0\].*whole numbers in 2 dimensions"),
    "values elsewhere": (elsewhere, r"value/img\[0\].*lie in another file"),
    "a link elsewhere": (linked, "value/id.*lie in another file"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files(folder: Path, damage: str) -> None:
    change, said = DAMAGES[damage]
    with h5py.File(folder / FILE, "r+") as file:
        change(file, folder)
    found = complaint(read_imagenet_segmentation, folder)
    assert FILE in found and re.search(said, found), found


def test_files_that_are_none(folder: Path) -> None:
    whole = (folder / FILE).read_bytes()
    for content in (b"", b"MATLAB 5.0 MAT-file", whole[: len(whole) // 2]):
        (folder / FILE).write_bytes(content)
        assert "cannot be read" in complaint(read_imagenet_segmentation, folder)
    write_mat(folder / FILE, [])
    assert "there is no picture in it" in complaint(read_imagenet_segmentation, folder)
    (folder / FILE).unlink()
    assert "Fetch gtsegs_ijcv.mat" in complaint(read_imagenet_segmentation, folder)


def test_names_that_are_missing(folder: Path) -> None:
    write(folder / "words.txt", "n02119789\n")
    assert "words.txt, line 1" in complaint(read_imagenet_segmentation, folder)
    (folder / "words.txt").unlink()
    assert "Fetch ImageNet's words.txt" in complaint(read_imagenet_segmentation, folder)


def test_clouds_that_lie_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(2 * 5 * 3 * 4))
    with h5py.File(tmp_path / "clouds.h5", "w") as file:
        outside = [(str(tmp_path / "secret.bin"), 0, 2 * 5 * 3 * 4)]
        file.create_dataset("data", (2, 5, 3), np.float32, external=outside)
        file["label"] = np.zeros(2, np.int64)
    assert "lie in another file" in complaint(read_clouds, tmp_path / "clouds.h5", 2)
