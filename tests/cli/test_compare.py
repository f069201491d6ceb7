"""`api-graph compare`: tables on stdout and in files, on runs that this test makes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from .conftest import Cli

ROWS = [("q1", "red", "red", "blue"), ("q2", "two", "2", "Two."), ("q3", "no", "yes", "no"), ("q4", "a", "a", "a")]


@pytest.fixture
def mapped(cli: Cli, tmp_path: Path) -> Path:
    """Two runs over one table: each says what is in a column of its own."""
    lines = [
        {"item": item, "truth": truth, "said_one": one, "said_other": other, "kind": "x" if item < "q3" else "y"}
        for item, truth, one, other in ROWS
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("one", "other"):
        graph = {
            "1": {"class_type": "APText", "inputs": {"text": "?"}, "_meta": {"title": f"said_{name}"}},
            "2": {"class_type": "APShowText", "inputs": {"value": ["1", 0]}, "_meta": {"title": "Answer"}},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(graph))
        assert cli("map", f"{name}.json", "rows.jsonl", "--out", name).code == 0
    return tmp_path


def test_on_stdout(cli: Cli, mapped: Path) -> None:
    answer = cli("compare", "one", "other", "--truth", "truth", "--by", "kind")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == "Answer.text, in %, 4 items"
    assert lines[2].split() == ["n", "one", "other", "difference", "p", "better", "worse"]
    # q1 is right in one, q2 and q3 in the other, q4 in both.
    assert lines[3].split()[:3] == ["all", "4", "50.0"] and lines[3].split()[-3:] == ["1.000", "2", "1"]
    assert [line.split()[0] for line in lines[3:6]] == ["all", "x", "y"]
    assert lines[6].startswith("No difference can be told from n = 4: other − one = +25.0 points (95 % interval −")
    assert lines[8].startswith("In parentheses: 95 % intervals")


def test_files(cli: Cli, mapped: Path) -> None:
    words = ("--markdown", "x/table.md", "--csv", "table.csv", "--latex", "table.tex")
    answer = cli("compare", "one", "other", "--truth", "truth", *words, "--page", "page.html", "--most", "1")
    assert answer.out.splitlines()[-4:] == ["page.html", "x/table.md", "table.tex", "table.csv"]
    assert (mapped / "table.tex").read_text("utf-8").count(r"\toprule") == 1
    assert (mapped / "x" / "table.md").read_text("utf-8").startswith("## Answer.text, in %\n\n|  | n | one | other |")
    with (mapped / "table.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["n"], row["first_score"], row["second_score"], row["higher"]) == ("4", "0.5", "0.75", "2")
    assert (mapped / "page.html").read_text("utf-8").count("<article") == 1


def test_json(cli: Cli, mapped: Path) -> None:
    document = cli("compare", "one", "other", "--truth", "truth", "--csv", "table.csv", "--json").json
    assert (document["ok"], document["exit_code"], document["figure"], document["files"]) == (
        True,
        0,
        "Answer.text",
        ["table.csv"],
    )
    assert document["folders"] == {name: str((mapped / name).resolve()) for name in ("one", "other")}
    (pair,) = document["pairs"]
    assert (pair["first"], pair["second"], pair["lines"][0]["difference"]) == ("one", "other", 0.25)
    assert document["missing"] == document["unscored"] == {}


def test_what_is_left_out_is_said(cli: Cli, mapped: Path) -> None:
    lines = (mapped / "other" / "results.jsonl").read_text().splitlines(keepends=True)
    (mapped / "other" / "results.jsonl").write_text("".join(lines[:-1]))
    answer = cli("compare", "one", "other", "--truth", "truth")
    assert answer.code == 2
    assert answer.errors == [
        "error: DIR: rows are missing: other lacks 1 (item q4). Finish the run, or compare what all have with "
        "--allow-missing."
    ]
    answer = cli("compare", "one", "other", "--truth", "truth", "--allow-missing")
    assert answer.out.splitlines()[-1] == "1 item is left out: other has no such row."


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("one",), "there is one folder of results"),
        (("one", "nowhere"), "there is no such folder"),
        (("one", "."), "there are no results in it"),
        (("one", "other"), "--figure: no number is among the results of every folder"),
        (("one", "other", "--figure", "Answer"), "it is a text, and no number"),
        (("one", "other", "--truth", "nothing"), "--truth: the table of one has no such column"),
        (("one", "other", "--truth", "truth", "--on", "kind"), "--on: rows 0 and 1 of one are both kind x"),
        (("one", "other", "--truth", "truth", "--page", "one"), "this is a folder"),
    ],
)
def test_what_cannot_be_done(cli: Cli, mapped: Path, words: tuple[str, ...], problem: str) -> None:
    answer = cli("compare", *words)
    assert (answer.code, answer.out, len(answer.errors)) == (2, "", 1)
    assert problem in answer.errors[0]
