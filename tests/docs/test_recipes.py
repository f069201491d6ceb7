"""docs/recipes.md: its commands run as printed, its pictures are what they make, and what it links is there."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_graph.demo.scenes import scene
from api_graph.registry import all_nodes
from tests.docs_page import Page, run_commands

ROOT = Path(__file__).parents[2]
COMMANDS = Page("recipes.md").commands
PAGE = Page("recipes.md").text
GRAPHS = sorted((ROOT / "docs" / "recipes").glob("*.json"))
WIRES = [
    tuple(cell.strip() for cell in row)
    for row in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.M)
    if row[0] != "From"
]
COMPRESSED = 4
"""Levels of 255 by which a picture of the page may differ on average, as it is a JPEG."""


@pytest.mark.skipif(os.name != "posix", reason="the commands are for a shell")
def test_the_commands(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "pics").mkdir()
    for seed in (1, 2):
        scene(seed).image.save(tmp_path / "pics" / f"{seed}.png")
    assert len(COMMANDS) == len(GRAPHS) + 3
    printed = run_commands(tmp_path, COMMANDS)
    assert re.findall(r"Answers: ([a-z]+)", "\n".join(printed)) == ["green", "yellow", "orange"]
    assert len((tmp_path / "found.csv").read_text("utf-8").splitlines()) == 3


@pytest.mark.parametrize("name", [*(file.stem for file in GRAPHS), "folder"])
def test_the_pictures_are_what_the_graphs_make(name: str, make_docs) -> None:
    """If not: python tools/make_docs.py --pictures"""
    assert f"](recipes/{name}.jpg)" in PAGE
    made = np.asarray(make_docs["recipe_picture"](name)).astype(int)
    with Image.open(ROOT / "docs" / "recipes" / f"{name}.jpg") as kept:
        assert np.abs(made - np.asarray(kept)).mean() < COMPRESSED


@pytest.mark.parametrize("file", GRAPHS, ids=lambda file: file.stem)
def test_the_graphs_have_titles_that_nodes_have(file: Path) -> None:
    """Those that the page names in italics are nodes of the graph."""
    graph = json.loads(file.read_text("utf-8"))
    section = next(part for part in PAGE.split("\n## ") if f"recipes/{file.stem}.json" in part)
    titles = {all_nodes()[node["class_type"]].title for node in graph.values()}
    own = {spec.title for spec in all_nodes().values()}
    elsewhere = {"Boxes to BOUNDING_BOX"}
    named = {name for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", section) if name in own} - elsewhere
    assert named and named <= titles


def test_the_wires_fit() -> None:
    """Between nodes that are known here; those of ComfyUI alone are looked for in a real one."""
    known = {spec.title: spec for spec in all_nodes().values()}
    assert len(WIRES) >= 10
    for source, output, target, name in WIRES:
        gives, takes = None, None
        if source in known:
            (gives,) = [one.socket for one in known[source].outputs if one.name.casefold() == output.casefold()]
        if target in known:
            declared = known[target].input(name)
            assert declared is not None, (target, name)
            takes = declared.socket
        if gives and takes:
            assert set(gives.split(",")) & set(takes.split(",")), (source, output, target, name)
