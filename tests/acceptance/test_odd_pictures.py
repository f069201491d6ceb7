"""Pictures of every kind and size: the map lies on the object as the viewer sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_graph.demo.example import example_scene

from .conftest import STAR, Cli

SCENE = example_scene()
UPRIGHT = SCENE.image.convert("RGB")
ORIENTATION = 0x0112


def peak(answer_out: str) -> tuple[int, int]:
    """Where the map peaks, in pixels of the picture, as the graph's figures say."""
    found = re.search(r"peak at \((\d+), (\d+)\)", answer_out)
    assert found is not None
    return int(found[1]), int(found[2])


def lies_on_star(x: int, y: int) -> bool:
    star = next(o for o in SCENE.objects if (o.colour, o.shape) == ("orange", "star"))
    left, top, right, bottom = star.box
    return left <= x <= right and top <= y <= bottom


def save_rotated(path: Path, orientation: int, method: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    UPRIGHT.transpose(method).save(path, exif=exif)


def save_clear(path: Path) -> None:
    """Palette with a transparent colour."""
    UPRIGHT.quantize(64).save(path, transparency=0)


def save_animation(path: Path) -> None:
    UPRIGHT.save(path, save_all=True, append_images=[Image.new("RGB", UPRIGHT.size)] * 2)


T = Image.Transpose
KINDS: dict[str, Callable[[Path], None]] = {
    "upright.png": UPRIGHT.save,
    "on_its_head.jpg": lambda path: save_rotated(path, 3, T.ROTATE_180),
    "on_its_left.jpg": lambda path: save_rotated(path, 6, T.ROTATE_90),
    "on_its_right.png": lambda path: save_rotated(path, 8, T.ROTATE_270),
    "mirrored.png": lambda path: save_rotated(path, 2, T.FLIP_LEFT_RIGHT),
    "transposed.png": lambda path: save_rotated(path, 5, T.TRANSPOSE),
    "cmyk.jpg": lambda path: UPRIGHT.convert("CMYK").save(path),
    "palette.png": save_clear,
    "animation.gif": save_animation,
    "upright.webp": UPRIGHT.save,
    "upright.bmp": UPRIGHT.save,
    "upright.tif": UPRIGHT.save,
    "wrong_suffix.png": lambda path: UPRIGHT.save(path, "JPEG"),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_peak_lies_on_the_object_as_it_is_seen(cli: Cli, name: str) -> None:
    KINDS[name](Path(name))
    answer = cli("run", "api_clip_cls", image=name, query=STAR)
    (about_demo,) = answer.lines("warning")
    assert answer.code == 0 and about_demo.startswith("The demo model knows rendered shapes")  # a picture of our own
    assert lies_on_star(*peak(answer.out))
    with Image.open("output/annotated_00001_.png") as annotated:
        assert annotated.size == UPRIGHT.size


def test_16_bits_are_scaled_and_not_cut_off(cli: Cli) -> None:
    grey = np.asarray(UPRIGHT.convert("L"))
    Image.fromarray(grey).save("8.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save("16.png")
    eight, sixteen = (cli("run", "api_clip_cls", image=name).out for name in ("8.png", "16.png"))
    assert peak(eight) == peak(sixteen)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 2)])
@pytest.mark.parametrize("graph", ["api_clip", "api_clip_cls", "api_clip_reference"])
def test_the_smallest_and_the_thinnest(cli: Cli, graph: str, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "orange").save("thin.png")
    assert cli("run", graph, image="thin.png").code == 0
    with Image.open("output/annotated_00001_.png") as annotated:
        assert annotated.size == size
