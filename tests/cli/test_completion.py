"""The shell's completion: commands, graphs and benchmarks, without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api_graph.benching.registry import benchmarks
from api_graph.settings import shipped

ROOT = Path(__file__).parents[2]

COMPLETE = """
import sys
sys.argv = ["api-graph"]
from api_graph.cli.app import app
try:
    app(prog_name="api-graph")
finally:
    print("loaded", sorted({"torch", "transformers", "pyarrow"} & set(sys.modules)))
"""


def completed(line: str, tmp_path: Path) -> list[str]:
    """What bash is offered at the end of the line."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_API_GRAPH_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    ran = subprocess.run(
        [sys.executable, "-c", COMPLETE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    *offered, loaded = ran.stdout.splitlines()
    assert loaded == "loaded []"
    return offered


def beginning(start: str) -> list[str]:
    return [name for name in shipped() if name.startswith(start)]


@pytest.mark.parametrize("command", ["run", "map", "check", "explain", "new", "export"])
def test_graphs(command: str, tmp_path: Path) -> None:
    assert completed(f"api-graph {command} gaze_", tmp_path) == beginning("gaze_") != []


def test_a_graph_of_a_benchmark(tmp_path: Path) -> None:
    assert completed("api-graph bench pope --graph rec_c", tmp_path) == beginning("rec_c") != []


def test_benchmarks(tmp_path: Path) -> None:
    ours = [name for name in benchmarks() if name.startswith("m")]
    assert completed("api-graph bench run m", tmp_path) == ours != []
    assert completed("api-graph bench m", tmp_path) == ours
    assert completed("api-graph bench l", tmp_path) == ["list", *(name for name in benchmarks() if name[0] == "l")]


def test_commands_nodes_and_files(tmp_path: Path) -> None:
    assert completed("api-graph ex", tmp_path) == ["explain", "export"]
    assert completed("api-graph nodes APMeanF", tmp_path) == ["APMeanFilterTokens", "APMeanFilter"]
    assert "".join(completed("api-graph run ./mine", tmp_path)) == ""  # bash then offers files


def test_the_script_of_a_shell(tmp_path: Path) -> None:
    """`--show-completion` asks which shell is above; the script names the command, and calls it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_API_GRAPH_COMPLETE": "source_bash"}
    ran = subprocess.run(
        [sys.executable, "-m", "api_graph"], env=environment, capture_output=True, text=True, check=True
    )
    assert "_API_GRAPH_COMPLETE=complete_bash" in ran.stdout and "complete -o default -F" in ran.stdout
