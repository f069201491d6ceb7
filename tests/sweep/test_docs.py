"""The commands of docs/sweeps.md run as they are printed, and its recipes name what the graphs have."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from api_graph.cli.options import parse_settings
from api_graph.graph import read_graph, set_inputs
from api_graph.registry import all_nodes
from api_graph.settings import shipped
from api_graph.table.grid import grid_of
from tests.docs_page import Page, run_commands

PAGE = Page("sweeps.md")
RECIPES = re.findall(r"^\| .* \| `(api-graph map .*)` \|$", PAGE.text, re.M)


def test_the_commands(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs api-graph[plots]")
    (rows,) = PAGE.code("csv")
    (tmp_path / "questions.csv").write_text(rows, "utf-8")
    printed = "\n".join(run_commands(tmp_path, PAGE.commands))
    for file in ("sweep.pdf", "sweep.png", "controls.svg"):
        assert (tmp_path / file).stat().st_size > 1000
    for setting in ("-4 +31 +4 ", "another-row +4 ", "blur +4 "):
        assert re.search(f"^{setting}", printed, re.M)


def test_there_are_recipes() -> None:
    assert len(RECIPES) == 11


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_sets_what_its_graph_has(recipe: str) -> None:
    _, _, graph, rows, *words = shlex.split(recipe)
    given: dict[str, list[str]] = {"--set": [], "--grid": []}
    for option, value in zip(words[::2], words[1::2], strict=True):
        given[option].append(value)
    assert rows == "ROWS"
    document = read_graph(json.loads(shipped()[graph].read_text("utf-8")))
    ready = set_inputs(document, all_nodes(), {}, parse_settings(given["--set"], "--set"))
    (values,) = grid_of(ready, all_nodes(), parse_settings(given["--grid"], "--grid")).values.values()
    assert len(values) > 1
