"""Everything in docs/compare.md runs as it is printed."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.table.runs import ROOT
from tests.table.test_docs import BLOCK, RUN, run

DOCS = (ROOT / "docs" / "compare.md").read_text("utf-8")
BLOCKS = [(found["language"], found["code"]) for found in BLOCK.finditer(DOCS)]
PLOTS = find_spec("matplotlib") is not None
COMMANDS = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
COMMANDS = [line for line in COMMANDS if PLOTS or "figure" not in line.split()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands have run."""
    folder = tmp_path_factory.mktemp("compare")
    (rows,) = (code for language, code in BLOCKS if language == "csv")
    (folder / "questions.csv").write_text(rows, "utf-8")
    printed = run(folder, sys.executable, "-c", RUN, given="\n".join(COMMANDS))
    (folder / "printed.txt").write_text(printed, "utf-8")
    return folder


def test_the_commands(folder: Path) -> None:
    printed = (folder / "printed.txt").read_text("utf-8")
    assert [line for line in printed.splitlines() if line.startswith("ended")] == [f"ended 0 {c}" for c in COMMANDS]
    assert re.search(r"^all +4 ", printed, re.M) and re.search(r"^colour +2 ", printed, re.M)
    figures = ("figure.pdf", "maps.svg", "maps.png") if PLOTS else ()
    for file in ("page.html", "table.md", "table.tex", "table.csv", "items.csv", *figures):
        assert (folder / file).is_file()
    assert (folder / "page.html").read_text("utf-8").count("<article") == 4


def test_the_python_code(folder: Path) -> None:
    (code,) = (code for language, code in BLOCKS if language == "python")
    (verdict,) = run(folder, sys.executable, "-c", code).splitlines()
    assert verdict in (folder / "printed.txt").read_text("utf-8")
