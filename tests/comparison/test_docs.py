"""Everything in docs/compare.md runs as it is printed."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs_page import Page, run, run_commands

PAGE = Page("compare.md")
PLOTS = find_spec("matplotlib") is not None
COMMANDS = [line for line in PAGE.commands if PLOTS or "figure" not in line.split()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands have run."""
    folder = tmp_path_factory.mktemp("compare")
    (rows,) = PAGE.code("csv")
    (folder / "questions.csv").write_text(rows, "utf-8")
    printed = run_commands(folder, COMMANDS)
    (folder / "printed.txt").write_text("\n".join(printed), "utf-8")
    return folder


def test_the_commands(folder: Path) -> None:
    printed = (folder / "printed.txt").read_text("utf-8")
    assert re.search(r"^all +4 ", printed, re.M) and re.search(r"^colour +2 ", printed, re.M)
    figures = ("figure.pdf", "maps.svg", "maps.png") if PLOTS else ()
    for file in ("page.html", "table.md", "table.tex", "table.csv", "items.csv", *figures):
        assert (folder / file).is_file()
    assert (folder / "page.html").read_text("utf-8").count("<article") == 4


def test_the_python_code(folder: Path) -> None:
    (code,) = PAGE.code("python")
    (verdict,) = run(folder, sys.executable, "-c", code).splitlines()
    assert verdict in (folder / "printed.txt").read_text("utf-8")
