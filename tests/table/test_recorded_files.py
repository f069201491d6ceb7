"""A line tells which files its row read and wrote, and in which state."""

from __future__ import annotations

import hashlib
import os
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from api_graph.table.map import map_graph
from tests.table.runs import PLAIN, picture, records


def state(path: Path) -> dict[str, object]:
    stat, digest = path.stat(), hashlib.sha256(path.read_bytes()).hexdigest()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}


def test_what_was_read_and_written(tmp_path: Path) -> None:
    picture(tmp_path / "pics/0.png", 0)
    picture(tmp_path / "pics/sub/1.png", 1)
    shutil.copy(tmp_path / "pics/0.png", tmp_path / "pics/twin.png")  # one step serves both, but each row has its own
    list(map_graph(PLAIN, tmp_path / "pics", output=tmp_path / "out", cache=False))
    found = {record["values"]["image"]: record for record in records(tmp_path / "out")}
    assert set(found) == {"0.png", "sub/1.png", "twin.png"}
    for name, record in found.items():
        assert record["reads"] == {name: {"path": name, **state(tmp_path / "pics" / name)}}
        (file,) = record["files"]["2"]
        assert record["written"] == {file: state(tmp_path / "out" / file)}


def test_a_picture_from_elsewhere_has_its_whole_path(tmp_path: Path) -> None:
    picture(tmp_path / "a/0.png", 0)
    (tmp_path / "table").mkdir()
    (tmp_path / "table/rows.csv").write_text("image,more\n0.png,x\nnone.png,y\n")
    run = map_graph(
        PLAIN, tmp_path / "table/rows.csv", output=tmp_path / "out", input_folders=[tmp_path / "a"], cache=False
    )
    assert [result.ok for result in run] == [True, False]
    first, second = records(tmp_path / "out")
    assert first["reads"]["0.png"]["path"] == str(tmp_path / "a/0.png")
    assert (second["reads"], second["written"]) == ({}, {})


@pytest.mark.parametrize("back", [False, True])
def test_a_picture_that_changes_before_it_is_read_has_no_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    """Its row is done again later, though the picture may be as it was by then."""
    picture(tmp_path / "pics/0.png", 0)
    picture(tmp_path / "other.png", 1)
    planned = state(tmp_path / "pics/0.png")
    images = import_module("api_graph.nodes.images")
    read_image = images.read_image

    def swapped(path: Path) -> object:
        shutil.copy(path, tmp_path / "kept.png")
        os.replace(tmp_path / "other.png", path)
        try:
            return read_image(path)
        finally:
            if back:
                os.replace(tmp_path / "kept.png", path)

    with monkeypatch.context() as patched:
        patched.setattr(images, "read_image", swapped)
        assert [r.ok for r in map_graph(PLAIN, tmp_path / "pics", output=tmp_path / "out", cache=False)] == [True]
    (record,) = records(tmp_path / "out")
    assert record["reads"] == {"0.png": {"path": "0.png", **planned, "sha256": None}}
