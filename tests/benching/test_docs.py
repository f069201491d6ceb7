"""Every command of docs/benchmarks.md runs as it is printed, on miniature sets; every benchmark is on the page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from api_graph.benching.registry import benchmarks
from tests.benching.falip_sets import BOXES
from tests.benching.sets import SETS
from tests.benching.stub import answering, profiles
from tests.table.runs import ROOT, surroundings

DOCS = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
BLOCKS = [(found["language"], found["code"]) for found in BLOCK.finditer(DOCS)]
COMMANDS = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]

# A process for each command would take a minute to import torch; these are the same words through the same door.
RUN = """
import shlex, sys
from api_graph.cli.app import app
for line in sys.stdin.read().splitlines():
    try:
        app(shlex.split(line)[1:], prog_name="api-graph")
    except SystemExit as ended:
        print("ended", ended.code or 0, line)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pope", "vizwiz", "mm-vet"):
        SETS[name](tmp_path / "data" / name)
    for name in ("refcoco", "refcoco-plus", "refcocog"):
        BOXES[name](tmp_path / "data" / name)
    (tmp_path / "mine").mkdir()
    (rows,) = (code for language, code in BLOCKS if language == "tsv")
    (tmp_path / "mine" / "own.tsv").write_text(rows, "utf-8")
    picture = (ROOT / "graphs" / "api_graph_example.png").read_bytes()
    (tmp_path / "mine" / "api_graph_example.png").write_bytes(picture)
    return tmp_path


@pytest.mark.skipif(os.name != "posix", reason="the commands are for a shell")
def test_the_commands_and_the_code(folder: Path) -> None:
    assert len(COMMANDS) >= 12 and all(line.startswith("api-graph ") for line in COMMANDS)
    code = "\n".join(code for language, code in BLOCKS if language == "python")
    with profiles(folder / "endpoints.toml") as servers:
        servers["judge"].replies = [answering(lambda text: "0.5")]
        env = {**surroundings(folder / "cache"), "API_GRAPH_ENDPOINTS": str(folder / "endpoints.toml")}
        ran = subprocess.run(
            (sys.executable, "-c", f"{RUN}\nprint('python')\n{code}\nprint(len(wrong))"),
            cwd=folder,
            env=env,
            input="\n".join(COMMANDS),
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    printed = ran.stdout.splitlines()
    assert [line for line in printed if line.startswith("ended")] == [f"ended 0 {c}" for c in COMMANDS]
    told = printed[printed.index("python") + 1 :]
    assert told[0].startswith("accuracy 0.") and told[-1].isdigit()
    for command in (shlex.split(line) for line in COMMANDS):
        if "--out" in command:
            name = "paper.md" if "paper" in command else "scores.md"
            assert (folder / command[command.index("--out") + 1] / name).is_file()
    assert (folder / "out" / "export" / "lvlm_ask" / "official" / "coco_pope_random_answers.json").is_file()
    (made,) = (code for language, code in BLOCKS if language == "text")
    for line in made.splitlines():
        name = line.split()[0].replace("GRAPH", "lvlm_ask")
        file = name.replace("out/", "vet/") if name.endswith("judged.jsonl") else name
        assert (folder / file).is_file(), name


def test_every_benchmark_is_on_the_page() -> None:
    lines = [line for line in DOCS.splitlines() if line.startswith("| `")]
    assert {name for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])} == set(benchmarks())
    graphs = set(re.findall(r"--graph (?:\w+=)?(\w+)", "\n".join(COMMANDS)))
    assert all((ROOT / "graphs" / f"{graph}.json").is_file() for graph in graphs)
