"""Every command of the README runs as it is printed, in a copy of what a clone holds of the graphs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from api_graph.settings import shipped

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[a-z ]+) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
SET_UP = "python3 -m venv .venv && .venv/bin/pip install "  # `.ci/run` does this half, as printed

posix = pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="the commands are for a shell")


class Block(NamedTuple):
    """A fenced block. `mark` is the comment on the line above it."""

    mark: str
    language: str
    code: str


BLOCKS = [Block(found["mark"] or "", found["language"], found["code"]) for found in BLOCK.finditer(README)]
COMMANDS = "".join(block.code for block in BLOCKS if block.language == "sh" and not block.mark)


def marked(mark: str) -> str:
    (code,) = (block.code for block in BLOCKS if block.mark == mark)
    return code.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the graphs in it, where `api-graph` and `python` are those of this test run."""
    shutil.copytree(ROOT / "graphs", tmp_path / "graphs")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "api-graph"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m api_graph "$@"\n', "utf-8")
    script.chmod(0o755)
    return tmp_path


def run(clone: Path, *words: str) -> str:
    surroundings = {
        **os.environ,
        "PATH": f"{clone / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "API_GRAPH_CACHE": str(clone / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    ran = subprocess.run(words, cwd=clone, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


def written(clone: Path) -> set[str]:
    """Beginnings of the names of the pictures in `output/`."""
    return {path.name.rpartition("_0")[0] for path in (clone / "output").glob("*.png")}


@posix
def test_the_demo_command(clone: Path) -> None:
    code = marked("demo command")
    assert code.startswith(SET_UP)
    command = code.rpartition(" && ")[2]
    assert command == ".venv/bin/api-graph demo"
    assert "peak at" in run(clone, "bash", "-c", command.removeprefix(".venv/bin/"))
    assert {"annotated", "heatmap"} <= written(clone)


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    code = marked("test command")
    assert code.startswith(SET_UP)
    assert code.endswith(" && .venv/bin/python -m pytest")
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text("utf-8")


@posix
def test_the_commands(clone: Path) -> None:
    """Each line in a shell of its own, a few at a time: most of what they take is loading torch."""
    lines = COMMANDS.splitlines()
    assert len(lines) >= 8 and all(line.startswith("api-graph ") for line in lines)
    with ThreadPoolExecutor(4) as threads:
        printed = "".join(threads.map(lambda line: run(clone, "bash", "-c", line), lines))
    assert {"annotated", "heatmap", "questions"} <= written(clone)
    assert "All that is needed is here." in printed


def test_the_python_code(clone: Path) -> None:
    (code,) = (block.code for block in BLOCKS if block.language == "python")
    # torch 2.4 leaves a temporary folder of its own to the end of the process.
    strict = ("-W", "error", "-W", "ignore:Implicitly cleaning up:ResourceWarning")
    printed = run(clone, sys.executable, *strict, "-c", code).splitlines()
    assert printed[0].startswith("(480, 320) ")
    assert any("annotated" in line for line in printed)


def test_commands_that_need_the_network_name_what_there_is() -> None:
    """They cannot run here; but their graphs and nodes must exist."""
    graphs = re.findall(r"api-graph (?:run|check) (\w+)", README)
    assert len(graphs) >= 5
    assert set(graphs) <= set(shipped())


def test_the_table_lists_the_shipped_graphs() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.M)) == set(shipped())


def test_links_lead_to_files_and_headings() -> None:
    headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", README, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (ROOT / target).is_file(), target
