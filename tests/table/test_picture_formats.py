"""Formats of the files of a run: what they hold, that they belong to the folder, resuming and verifying."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api_graph.errors import BadInput
from api_graph.graph import read_graph
from api_graph.registry import all_nodes
from api_graph.table.manifest import read_manifest
from api_graph.table.map import map_graph
from api_graph.table.merge import merge_shards
from api_graph.table.options import RunOptions
from api_graph.table.verify import verify
from tests.table.runs import PLAIN, named_files, records, results, rows_of, table

BOTH = {
    **PLAIN,
    "3": {"class_type": "APSaveHeatmap", "inputs": {"heatmap": ["1", 1], "filename_prefix": "mask"}},
}
"""The picture, and the mask of its transparency as a heatmap."""


def run(folder: Path, *, graph: Mapping[str, Any] = BOTH, **options: Any) -> Path:
    path = table(folder, rows_of(3, 1), side=64)
    rows = [{"image": row["image"]} for row in rows_of(3, 1)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    out = folder / "out"
    assert all(result.ok for result in map_graph({"prompt": graph}, path, output=out, cache=False, **options))
    return out


def kinds(out: Path, node: str) -> set[str]:
    found = set()
    for record in records(out):
        for name in record["files"][node]:
            with Image.open(out / name) as image:
                found.add(f"{Path(name).suffix} {image.format}")
    return found


@pytest.mark.parametrize(
    ("asked", "images", "heatmaps", "noted"),
    [
        ({}, ".png PNG", ".png PNG", ["png", "png", None]),
        ({"image_format": "jpeg"}, ".jpg JPEG", ".png PNG", ["jpeg", "png", 90]),
        ({"image_format": "webp", "quality": 40}, ".webp WEBP", ".png PNG", ["webp", "png", 40]),
        ({"heatmap_format": "webp"}, ".png PNG", ".webp WEBP", ["png", "webp", 90]),
    ],
)
def test_files_and_manifest_say_the_format(
    tmp_path: Path, asked: dict[str, Any], images: str, heatmaps: str, noted: list[object]
) -> None:
    out = run(tmp_path, **asked)
    assert kinds(out, "2") == {images} and kinds(out, "3") == {heatmaps}
    manifest = read_manifest(out)
    assert manifest is not None and [*manifest.formats.values()] == [*noted, None, None, None]
    assert verify(out, depth="content").ok


def test_a_run_goes_on_in_its_own_format_and_in_no_other(tmp_path: Path) -> None:
    out = run(tmp_path, image_format="webp", quality=70, limit=1)
    with pytest.raises(BadInput, match="image_format was 'webp' and is 'jpeg'"):
        run(tmp_path, image_format="jpeg")
    with pytest.raises(BadInput, match="quality was 70 and is 30"):
        run(tmp_path, quality=30)
    run(tmp_path)  # nothing is said: the folder's
    assert len(records(out)) == 3 and kinds(out, "2") == {".webp WEBP"}
    whole = results(out)
    victim = out / sorted(named_files(out))[0]
    victim.write_bytes(b"damaged")
    assert verify(out).counts["damaged"] == 1
    with pytest.warns(UserWarning, match="damaged"):
        run(tmp_path)
    assert results(out) == whole and verify(out, depth="content").ok


def test_a_folder_of_before_goes_on_as_png(tmp_path: Path) -> None:
    out = run(tmp_path, limit=1)
    document = json.loads((out / "manifest.json").read_text("utf-8"))
    for name in ("image_format", "heatmap_format", "quality"):
        del document["arguments"][name]
    (out / "manifest.json").write_text(json.dumps(document), "utf-8")
    assert verify(out, depth="content").counts["graph"] == 0
    with pytest.raises(BadInput, match="image_format was 'png' and is 'webp'"):
        run(tmp_path, image_format="webp")
    run(tmp_path)
    assert len(records(out)) == 3


def test_shards_of_two_formats_are_not_one_table(tmp_path: Path) -> None:
    run(tmp_path, shard="1/2", image_format="webp")
    for other in ({"image_format": "jpeg"}, {"heatmap_format": "webp"}, {"quality": 30}):
        with pytest.raises(BadInput, match="other shards in this folder have"):
            run(tmp_path, shard="2/2", **other)
    out = run(tmp_path, shard="2/2")  # the format of the other
    merge_shards(out)
    assert kinds(out, "2") == {".webp WEBP"} and verify(out, depth="content").ok


def test_jpeg_is_near_and_webp_carries_the_graph(tmp_path: Path) -> None:
    for number, kind in enumerate(("jpeg", "webp")):
        out = run(tmp_path / kind, image_format=kind)
        (name,) = records(out)[0]["files"]["2"]
        with Image.open(out / name) as image:
            saved = np.asarray(image.convert("RGB")).astype(int)
        with Image.open(tmp_path / kind / records(out)[0]["values"]["image"]) as image:
            source = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(saved - source).mean() < 4
        if number:
            assert read_graph(out / name, all_nodes()).nodes["2"].class_type == "APSaveImage"


def test_names_keep_their_length(tmp_path: Path) -> None:
    out = run(tmp_path, image_format="webp", names="x" * 200)
    assert {len(Path(record["files"]["2"][0]).name) for record in records(out)} == {100}


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"quality": 80}, "PNG files lose nothing"),
        ({"image_format": "jpeg", "quality": 0}, "from 1 to 100"),
        ({"image_format": "jpeg", "quality": 101}, "from 1 to 100"),
        ({"heatmap_format": "gif"}, "Use one of png, jpeg, webp"),
    ],
)
def test_refusals(tmp_path: Path, wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises((BadInput, TypeError), match=problem):
        run(tmp_path, **wrong)
    assert not (tmp_path / "out").exists()


def test_options_know_the_formats() -> None:
    with pytest.raises(BadInput, match=r"image_format.*Use one of"):
        RunOptions(image_format="bmp")  # type: ignore[arg-type]
