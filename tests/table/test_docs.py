"""Every command of docs/tables.md runs as it is printed."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.docs_page import Page, run, run_commands
from tests.table.runs import picture, records

PAGE = Page("tables.md")

posix = pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="the commands are for a shell")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the table of the page, and its pictures."""
    (rows,) = PAGE.code("csv")
    (tmp_path / "rows.csv").write_text(rows, "utf-8")
    for number in (1, 2):
        picture(tmp_path / f"{number}.png", number)
        picture(tmp_path / "pics" / f"{number}.png", number)
    asked = [{"image": row["image"], "question": row["query"]} for row in csv.DictReader(rows.splitlines())]
    (tmp_path / "asked.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in asked), "utf-8")
    return tmp_path


@posix
def test_the_commands(folder: Path) -> None:
    assert len(PAGE.commands) >= 10 and all(line.startswith("api-graph ") for line in PAGE.commands)
    run_commands(folder, PAGE.commands)
    assert (len(records(folder / "out")), len(records(folder / "some"))) == (3, 1)
    assert [record["row"] for record in records(folder / "parts")] == [0, 1, 2]
    for file in ("out/report.html", "both/results.parquet", "both/report.html"):
        assert (folder / file).is_file()


def test_the_python_code(folder: Path) -> None:
    code = "\n".join(PAGE.code("python"))
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
    others = PAGE.code("bash")
    assert len(others) == 3
    for code in others:
        run(folder, "bash", "-n", "-c", code)
    used = [line for code in others for line in code.splitlines() if line.startswith("api-graph ")]
    options = {word for line in used for word in line.split() if word.startswith("--")}
    told = run(folder, sys.executable, "-m", "api_graph", "map", "--help")
    assert options and all(option in told for option in options)
    assert "--array=1-8" in others[1]


def test_fields_of_a_line_are_those_that_are_written(folder: Path) -> None:
    fields = ("row", "ok", "values", "fingerprint", "reads", "outputs", "results", "seconds", "ran")
    names = "|".join(f"`{name}`.*?" for name in fields)
    rows = re.findall(rf"^\| ({names}) \|", PAGE.text, re.M)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    run(folder, sys.executable, "-m", "api_graph", "map", "api_clip_map", "rows.csv", "--limit", "1", "--out", "one")
    assert told == set(records(folder / "one")[0])
