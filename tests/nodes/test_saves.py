"""Nodes that save, called for many rows at once."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import pytest
import torch
from api_graph.nodes.images import save_heatmap, save_heatmaps, save_images
from PIL import Image

from api_graph.context import SaveContext
from api_graph.errors import BadInput
from api_graph.executor.threads import over_threads
from api_graph.folders import Folders


def context(output: Path) -> SaveContext:
    return SaveContext(Folders((), output, output / "temp"), parallel_map=over_threads(8))


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


def test_numbers_follow_the_pictures_order_though_threads_write_them(tmp_path: Path) -> None:
    """Of one batch, and of calls that write to one folder; other folders have numbers of their own."""
    folders = ["one", "one", "other", "one"]
    parts = shades(64).split(16)
    contexts = [context(tmp_path / folder) for folder in folders]
    assert all(isinstance(result, torch.Tensor) for result in save_heatmaps(parts, ["map"] * 4, contexts).work())
    assert shades_in(tmp_path / "one") == [*range(32), *range(48, 64)]
    assert shades_in(tmp_path / "other") == list(range(32, 48))
    assert [image["filename"] for image in contexts[3].ui["images"]] == [
        f"map_{number:05}_.png" for number in range(33, 49)
    ]


def test_a_call_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    image = torch.rand(1, 4, 4, 3)
    contexts = [context(tmp_path / folder) for folder in ("a", "b", "file", "d")]
    saving = save_images([image] * 4, ["image", "../image", "image", "image"], contexts)
    first, outside, in_the_way, last = saving.work()
    assert first is image and last is image
    assert isinstance(outside, BadInput) and "leads out" in str(outside) and outside.input == "filename_prefix"
    assert isinstance(in_the_way, BadInput) and "cannot be written" in str(in_the_way)
    assert sorted(path.name for path in tmp_path.glob("*/*.png")) == ["image_00001_.png"] * 2


def test_work_on_one_series_of_files_claims_it(tmp_path: Path) -> None:
    """Two nodes that are given the same prefix number their files in turn."""

    def claims(folder: str, prefix: str) -> frozenset[Hashable]:
        return save_heatmaps([shades(1)], [prefix], [context(tmp_path / folder)]).claims

    assert claims("one", "map") == claims("one", "Map") == claims("one", "./map")
    assert not claims("one", "map") & claims("one", "other")
    assert not claims("one", "map") & claims("two", "map")


def test_alone_it_raises_what_goes_wrong(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="filename_prefix: a file name is needed"):
        save_heatmap(shades(1), context(tmp_path), "")
