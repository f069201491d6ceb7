"""Every command of docs/benchmarks.md runs as it is printed, on miniature sets; every benchmark is on the page."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from api_graph.benching.registry import benchmarks
from tests.benching.falip_sets import BOXES
from tests.benching.sets import SETS
from tests.benching.stub import answering, profiles
from tests.docs_page import Page, run_commands
from tests.table.runs import ROOT

PAGE = Page("benchmarks.md")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pope", "vizwiz", "mm-vet"):
        SETS[name](tmp_path / "data" / name)
    for name in ("refcoco", "refcoco-plus", "refcocog"):
        BOXES[name](tmp_path / "data" / name)
    (tmp_path / "mine").mkdir()
    (rows,) = PAGE.code("tsv")
    (tmp_path / "mine" / "own.tsv").write_text(rows, "utf-8")
    picture = (ROOT / "graphs" / "api_graph_example.png").read_bytes()
    (tmp_path / "mine" / "api_graph_example.png").write_bytes(picture)
    return tmp_path


@pytest.mark.skipif(os.name != "posix", reason="the commands are for a shell")
def test_the_commands_and_the_code(folder: Path) -> None:
    assert len(PAGE.commands) >= 12 and all(line.startswith("api-graph ") for line in PAGE.commands)
    code = "\n".join(PAGE.code("python"))
    with profiles(folder / "endpoints.toml") as servers:
        servers["judge"].replies = [answering(lambda text: "0.5")]
        printed = run_commands(
            folder,
            PAGE.commands,
            f"print('python')\n{code}\nprint(len(wrong))",
            {"API_GRAPH_ENDPOINTS": str(folder / "endpoints.toml")},
        )
    told = printed[printed.index("python") + 1 :]
    assert told[0].startswith("accuracy 0.") and told[-1].isdigit()
    for command in (shlex.split(line) for line in PAGE.commands):
        if "--out" in command:
            name = "paper.md" if "paper" in command else "scores.md"
            assert (folder / command[command.index("--out") + 1] / name).is_file()
    assert (folder / "out" / "export" / "lvlm_ask" / "official" / "coco_pope_random_answers.json").is_file()
    (made,) = PAGE.code("text")
    for line in made.splitlines():
        name = line.split()[0].replace("GRAPH", "lvlm_ask")
        file = name.replace("out/", "vet/") if name.endswith("judged.jsonl") else name
        assert (folder / file).is_file(), name


def test_every_benchmark_is_on_the_page() -> None:
    lines = [line for line in PAGE.text.splitlines() if line.startswith("| `")]
    assert {name for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])} == set(benchmarks())
    graphs = set(re.findall(r"--graph (?:\w+=)?(\w+)", "\n".join(PAGE.commands)))
    assert all((ROOT / "graphs" / f"{graph}.json").is_file() for graph in graphs)
