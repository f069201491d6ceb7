"""Every command of docs/tables.md runs as it is printed."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.table.runs import ROOT, picture, records, surroundings

DOCS = (ROOT / "docs" / "tables.md").read_text("utf-8")
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

posix = pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="the commands are for a shell")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the table of the page, and its pictures."""
    (rows,) = (code for language, code in BLOCKS if language == "csv")
    (tmp_path / "rows.csv").write_text(rows, "utf-8")
    for number in (1, 2):
        picture(tmp_path / f"{number}.png", number)
        picture(tmp_path / "pics" / f"{number}.png", number)
    asked = [{"image": row["image"], "question": row["query"]} for row in csv.DictReader(rows.splitlines())]
    (tmp_path / "asked.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in asked), "utf-8")
    return tmp_path


def run(folder: Path, *words: str, given: str = "") -> str:
    ran = subprocess.run(
        words, cwd=folder, env=surroundings(folder / "cache"), input=given, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


@posix
def test_the_commands(folder: Path) -> None:
    assert len(COMMANDS) >= 10 and all(line.startswith("api-graph ") for line in COMMANDS)
    printed = run(folder, sys.executable, "-c", RUN, given="\n".join(COMMANDS))
    assert [line for line in printed.splitlines() if line.startswith("ended")] == [f"ended 0 {c}" for c in COMMANDS]
    assert (len(records(folder / "out")), len(records(folder / "some"))) == (3, 1)
    assert [record["row"] for record in records(folder / "parts")] == [0, 1, 2]
    for file in ("out/report.html", "both/results.parquet", "both/report.html"):
        assert (folder / file).is_file()


def test_the_python_code(folder: Path) -> None:
    code = "\n".join(code for language, code in BLOCKS if language == "python")
    # torch 2.4 leaves a temporary folder of its own to the end of the process.
    strict = ("-W", "error", "-W", "ignore:Implicitly cleaning up:ResourceWarning")
    printed = run(folder, sys.executable, *strict, "-c", code).splitlines()
    mapped, read = printed[:2], printed[2:]
    assert all("peak at" in line and line.endswith("_.png") for line in mapped)
    assert [line.split()[:3] for line in read[::2]] == [["0", "True", "the"], ["1", "True", "the"]]
    assert all("Path(" in line and line.endswith("_.png')]") for line in read[1::2]) and len(read) == 4


@posix
def test_the_job_array(folder: Path) -> None:
    """Its script is one that a shell reads, and its options are ours."""
    others = [code for language, code in BLOCKS if language == "bash"]
    assert len(others) == 2
    for code in others:
        run(folder, "bash", "-n", "-c", code)
    used = [line for code in others for line in code.splitlines() if line.startswith("api-graph ")]
    options = {word for line in used for word in line.split() if word.startswith("--")}
    told = run(folder, sys.executable, "-m", "api_graph", "map", "--help")
    assert options and all(option in told for option in options)
    assert "--array=1-8" in others[0]


def test_fields_of_a_line_are_those_that_are_written(folder: Path) -> None:
    fields = ("row", "ok", "values", "fingerprint", "reads", "outputs", "results", "seconds", "ran")
    names = "|".join(f"`{name}`.*?" for name in fields)
    rows = re.findall(rf"^\| ({names}) \|", DOCS, re.M)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    run(folder, sys.executable, "-m", "api_graph", "map", "api_clip_map", "rows.csv", "--limit", "1", "--out", "one")
    assert told == set(records(folder / "one")[0])
