"""A graph as a function of pictures and questions; and what a harness is told, without having it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import api_graph.harness
from api_graph import run_graph
from api_graph.demo.scenes import scene
from api_graph.errors import BadInput, RunStopped
from api_graph.harness.annotator import Annotator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]


def test_pictures_come_back_in_their_order(tmp_path: Path) -> None:
    pictures = [scene(number, width=160 + 20 * number).image for number in range(3)]
    questions = ["a red circle", "a blue star", "a ring"]
    files = Annotator("api_clip_cls").annotate(zip(pictures, questions, strict=True), tmp_path / "all")
    for number, (file, picture, question) in enumerate(zip(files, pictures, questions, strict=True)):
        picture.save(tmp_path / f"{number}.png")
        values = {"image": str(tmp_path / f"{number}.png"), "query": question}
        (alone,) = run_graph("api_clip_cls", values, cache=False, output=tmp_path / "one")["11"]["files"]
        with Image.open(file) as found, Image.open(alone) as expected:
            difference = np.abs(np.asarray(found, dtype=int) - np.asarray(expected, dtype=int))
        assert difference.max() <= 2
        assert file.is_relative_to(tmp_path / "all")


def test_no_picture_needs_no_run(tmp_path: Path) -> None:
    assert Annotator("api_clip_cls").annotate([], tmp_path) == []


def test_another_picture_of_the_graph(tmp_path: Path) -> None:
    (file,) = Annotator("api_clip_cls", "Side by side").annotate([(scene(1).image, "a ring")], tmp_path)
    with Image.open(file) as found:
        assert found.size[0] > 3 * 160


def test_a_graph_without_that_picture_is_told() -> None:
    with pytest.raises(BadInput, match=r"picture: names no node of the graph .* It saves: Heatmap overlay"):
        Annotator("api_clip_map")
    with pytest.raises(BadInput, match="It saves no picture"):
        Annotator("lvlm_ask")


def test_settings_are_checked(tmp_path: Path) -> None:
    """A value that no input takes fails before anything is shown to a model."""
    with pytest.raises(Exception, match="strength"):
        Annotator("api_clip_cls", inputs={"Alpha blend.strength": 7}).annotate([(scene(1).image, "a ring")], tmp_path)


def test_a_picture_on_which_the_graph_fails_stops_everything(tmp_path: Path) -> None:
    """An empty question is none: a model must not be shown the plain picture instead."""
    asked = [(scene(1).image, "a ring"), (scene(2).image, " ")]
    with pytest.raises(RunStopped, match=r"picture 2: .*query"):
        Annotator("api_clip_cls").annotate(asked, tmp_path)


def test_the_entry_point_names_the_manifest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (path,) = project["entry-points"]["lmms_eval.models"].values()
    module, name = path.split(":")
    assert module == "api_graph.harness" and callable(getattr(api_graph.harness, name))
    assert "lmms" in project["optional-dependencies"]
