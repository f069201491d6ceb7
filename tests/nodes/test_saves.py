"""Nodes that save: numbers in order, and what goes wrong in the words of the node."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from api_graph.nodes.images import save_heatmap, save_image
from PIL import Image

from api_graph.context import SaveContext
from api_graph.errors import BadInput
from api_graph.folders import Folders


def context(output: Path) -> SaveContext:
    return SaveContext(Folders((), output, output / "temp"))


def shades(count: int) -> torch.Tensor:
    """(count, 40, 40), each of one shade: its number's 255th."""
    return (torch.arange(count) / 255)[:, None, None].expand(-1, 40, 40)


def shades_in(folder: Path) -> list[int]:
    """What the numbered files of a folder show, in their order."""
    found = []
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            assert picture.mode == "L"
            found.append(picture.getpixel((0, 0)))
    return found


def test_numbers_follow_the_pictures_order(tmp_path: Path) -> None:
    parts = shades(40).split(20)
    contexts = [context(tmp_path) for _ in parts]
    for part, own in zip(parts, contexts, strict=True):
        assert save_heatmap(part, own, "map") is part
    assert shades_in(tmp_path) == [*range(40)]
    assert [image["filename"] for image in contexts[1].ui["images"]] == [f"map_{n:05}_.png" for n in range(21, 41)]


def test_what_goes_wrong_is_told_in_the_words_of_the_node(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    image = torch.rand(1, 4, 4, 3)
    with pytest.raises(BadInput, match="leads out") as outside:
        save_image(image, context(tmp_path / "a"), "../image")
    assert outside.value.input == "filename_prefix"
    with pytest.raises(BadInput, match="cannot be written"):
        save_image(image, context(tmp_path / "file"), "image")
    with pytest.raises(BadInput, match="filename_prefix: a file name is needed"):
        save_heatmap(shades(1), context(tmp_path), "")
    assert not [*tmp_path.glob("**/*.png")]
