"""`api-graph results`: one flat table, on stdout or in a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from .conftest import Cli

GRAPH = {
    "1": {"class_type": "APText", "inputs": {"text": "what?"}, "_meta": {"title": "query"}},
    "2": {"class_type": "APShowText", "inputs": {"value": ["1", 0]}, "_meta": {"title": "Answer"}},
}


@pytest.fixture
def mapped(cli: Cli, tmp_path: Path) -> Path:
    (tmp_path / "say.json").write_text(json.dumps(GRAPH))
    (tmp_path / "rows.csv").write_text('query,id\n=1+1,007\n"a, b",8\n')
    assert cli("map", "say.json", "rows.csv", "--out", "out").code == 0
    return tmp_path / "out"


def test_lines_on_stdout(cli: Cli, mapped: Path) -> None:
    answer = cli("results", "out")
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert [(row["row"], row["id"], row["Answer.text"], row["ok"]) for row in rows] == [
        (0, "007", "=1+1", True),
        (1, "8", "a, b", True),
    ]


def test_files(cli: Cli, mapped: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    words = ("--csv", "flat.csv", "--parquet", "flat.parquet", "--jsonl", "flat.jsonl")
    answer = cli("results", "out", *words)
    assert answer.out.splitlines() == ["2 rows: flat.parquet", "2 rows: flat.csv", "2 rows: flat.jsonl"]
    with (tmp_path / "flat.csv").open(newline="") as file:
        assert [(row["query"], row["Answer.text"]) for row in csv.DictReader(file)] == [
            ("'=1+1", "'=1+1"),
            ("a, b", "a, b"),
        ]
    assert parquet.read_table(tmp_path / "flat.parquet").column("Answer.text").to_pylist() == ["=1+1", "a, b"]
    assert cli("results", "out", "--csv", "flat.tsv", "--json").json["rows"] == 2
    assert (tmp_path / "flat.tsv").read_text().startswith("row\tkey\tok\terror\tquery\tid\tAnswer.text\t")


def test_what_cannot_be_done(cli: Cli, mapped: Path, tmp_path: Path) -> None:
    assert "there are no results" in cli("results", str(tmp_path)).errors[0]
    assert "this is a folder" in cli("results", "out", "--csv", "out").errors[0]
    assert "this is a file of a run" in cli("results", "out", "--jsonl", "out/results.jsonl").errors[0]
