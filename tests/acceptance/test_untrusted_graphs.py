"""A graph file names only what lies in the run's folders; what its user types may lie anywhere."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import PICTURE, Cli

Graph = Callable[..., str]

WAYS_OUT = ["absolute", "../elsewhere/{name}", "folder/../../elsewhere/{name}", "link"]


def way_out(way: str, target: Path) -> str:
    """A text that leads from the current folder to `target`, outside of it."""
    Path("folder").mkdir()
    if way == "link":
        Path("link.png").symlink_to(target)
        return "link.png"
    return str(target) if way == "absolute" else way.format(name=target.name)


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_picture_outside_the_folders(cli: Cli, graph: Graph, tmp_path: Path, way: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(PICTURE, tmp_path / "elsewhere" / "away.png")
    name = way_out(way, tmp_path / "elsewhere" / "away.png")
    answer = cli("run", graph({"image": {"image": name}}))
    assert answer.code == 1
    said = r'node 1 "image": image: (there is no such file in|it leads out of) the input folder'
    assert re.match(said, answer.error())
    assert name[-20:] in answer.error() and "--set image=PATH may name any file" in answer.error()
    assert cli("run", graph({}), image=name).code == 0


@pytest.mark.parametrize("name", ["x [output]", "../elsewhere/x [temp]", "/etc/passwd [input]", "\0", "~"])
def test_other_folders_and_names_lead_nowhere(cli: Cli, graph: Graph, name: str) -> None:
    answer = cli("run", graph({"image": {"image": name}}))
    assert answer.code == 1
    assert "image: there is no such file in the" in answer.error() or "image: it leads out of the" in answer.error()


@pytest.mark.parametrize("way", [*WAYS_OUT, "local-dir:../elsewhere/{name}", "./../elsewhere/{name}"])
def test_a_model_outside_the_folders(cli: Cli, graph: Graph, model_folder: Path, way: str) -> None:
    name = way_out(way, model_folder)
    answer = cli("run", graph({"Load CLIP": {"model": name}}))
    assert answer.code == 1
    assert answer.error().startswith('node 3 "Load CLIP": model: there is no such thing in the model folders (')
    assert cli("run", graph({}), model=name).code == 0


@pytest.mark.parametrize("name", ["", ".", "~"])
def test_a_model_folder_that_the_graph_does_not_even_name(
    cli: Cli, graph: Graph, model_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Neither the current folder nor the home folder is a model folder, even where a model lies in it."""
    monkeypatch.chdir(model_folder)
    monkeypatch.setenv("HOME", str(model_folder))
    answer = cli("run", graph({"Load CLIP": {"model": name}}))
    assert "there is no such thing in the model folders" in answer.error()


def test_a_model_in_a_model_folder_may_be_named(cli: Cli, graph: Graph, model_folder: Path, tmp_path: Path) -> None:
    shutil.move(model_folder, tmp_path / "models" / "mine")
    assert cli("run", graph({"Load CLIP": {"model": "mine"}})).code == 0
    refused = cli("run", graph({"Load CLIP": {"model": "mine/../../elsewhere"}}))
    assert "there is no such thing in the model folders" in refused.error()


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "absolute", "link/x", "a\\..\\..\\x"])
def test_files_are_saved_below_the_output_folder_only(cli: Cli, graph: Graph, tmp_path: Path, prefix: str) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    Path("output").mkdir()
    os.symlink(outside, "output/link")
    prefix = str(outside / "x") if prefix == "absolute" else prefix
    answer = cli("run", graph({"Annotated image": {"filename_prefix": prefix}}))
    assert answer.code == 1
    assert answer.error().startswith('node 11 "Annotated image": filename_prefix: the prefix leads out of the output')
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in Path().iterdir()) == ["graph.json", "output"]
    assert len(list(Path("output").glob("*.png"))) == 2  # the graph's other two pictures
