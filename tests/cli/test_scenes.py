"""`api-graph bench scenes` as its user has it: files, one JSON document, and mistakes that are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api_graph.bench.scores import read_scores
from api_graph.cli.app import app
from api_graph.cli.exits import BAD_USAGE, OK

RUNNER = CliRunner()


def run(*words: str | Path) -> Any:
    return RUNNER.invoke(app, ["bench", "scenes", *map(str, words)])


def test_a_part_and_its_files(tmp_path: Path) -> None:
    ran = run("--part", "selection", "--limit", "2", "--out", tmp_path / "x")
    assert ran.exit_code == OK, ran.output
    assert "Heatmap to mask, keep all: mean IoU" in ran.stdout
    assert ran.stderr.startswith("selection, 1 of 1 tables\n")
    assert ran.stdout.splitlines()[-1] == str(tmp_path / "x" / "scores.md")
    assert {path.name for path in (tmp_path / "x").iterdir()} >= {"bench.json", "scores.md", "scores.csv", "scores.tex"}
    own = tmp_path / "x" / "selection"
    graphs = json.loads((own / "bench.json").read_text("utf-8"))["graphs"]
    assert {len(read_scores(own / name)) for name in graphs} == {2}
    versions = json.loads((tmp_path / "x" / "bench.json").read_text("utf-8"))["versions"]
    assert {"python", "torch"} <= set(versions)


def test_one_json_document(tmp_path: Path) -> None:
    ran = run("--part", "selection", "--limit", "2", "--out", tmp_path, "--json")
    found = json.loads(ran.stdout)
    assert (found["ok"], found["exit_code"], found["benchmark"]) == (True, 0, "scenes")
    assert list(found["parts"]) == ["selection"]
    figures = found["parts"]["selection"]["Peaks: on the object"]
    assert [(figure["name"], figure["n"]) for figure in figures] == [("value", 2)]


def test_quiet_says_nothing(tmp_path: Path) -> None:
    ran = run("--part", "selection", "--limit", "2", "--out", tmp_path, "--quiet")
    assert (ran.exit_code, ran.output) == (OK, "")
    assert (tmp_path / "scores.md").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--part", "nothing"), "--part: there is no such part (got 'nothing'). There are: maps, selection"),
        (("--full", "--limit", "3"), "--limit: --full says how many, too (got 3)."),
        (("--limit", "1"), "Invalid value for '--limit'"),
        (("--seeds", "training"), "'training' is not one of 'test', 'validation'"),
    ],
)
def test_mistakes_are_told_before_anything_runs(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ran = run(*words, "--out", tmp_path / "x")
    assert ran.exit_code == BAD_USAGE
    assert said in " ".join(ran.output.split())
    assert not (tmp_path / "x").exists()


def test_another_benchmark_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text('{"benchmark": "pope"}', "utf-8")
    ran = run("--part", "selection", "--limit", "2", "--out", tmp_path)
    assert ran.exit_code == BAD_USAGE
    assert "the files of another benchmark are in it" in ran.output
    assert (tmp_path / "bench.json").read_text("utf-8") == '{"benchmark": "pope"}'


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    ran = run("--part", "boxes", "--limit", "2", "--out", tmp_path, "--clip", str(tmp_path / "none"))
    assert ran.exit_code == BAD_USAGE
    assert "none" in ran.output and "Traceback" not in ran.output
