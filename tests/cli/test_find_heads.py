"""`api-graph find-heads` as its user has it: a profile, a picture, a report; and mistakes that are told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from api_graph.cli.app import app
from api_graph.cli.exits import BAD_USAGE, OK
from api_graph.lvlm import HeadProfile, load_lvlm
from api_graph.lvlm.heads.report import report_text
from api_graph.settings import shipped_graphs

RUNNER = CliRunner()


def run(*words: str | Path) -> Any:
    return RUNNER.invoke(app, ["find-heads", "--device", "cpu", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of two rows, its pictures beside it and elsewhere, and a picture that lies out of reach."""
    monkeypatch.chdir(tmp_path)
    for place in ("table", "more", "."):
        (tmp_path / place).mkdir(exist_ok=True)
        shutil.copy(shipped_graphs() / "api_graph_example.png", tmp_path / place / f"{place.strip('.') or 'out'}.png")
    (tmp_path / "table" / "t.csv").write_text(
        'image,question,boxes\ntable.png,What colour is the star?,209 52 283 129\nmore.png,Where?,"[[9,9,80,80]]"\n'
    )
    return tmp_path


def test_scenes(tmp_path: Path) -> None:
    out = tmp_path / "new" / "heads"
    ran = run("--scenes", "6", "--count", "3", "--draws", "4", "--out", out)
    assert ran.exit_code == OK, ran.output
    assert ran.stderr == "6 of 6 items\n"
    lines = ran.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[:4]] == [
        *("heads", "the best 3 heads by gaze", "3 other heads by chance, 4 draws", "all 16 heads")
    ]
    assert lines[-2].startswith("First by gaze: layer 1, head 3: 0.") and lines[-1] == str(out / "heads.json")
    profile = HeadProfile.load(out / "heads.json", load_lvlm("demo", device="cpu"))
    assert (profile.record.made.items, profile.record.made.source) == (6, "scenes")
    assert (out / "report.md").read_text("utf-8") == report_text(profile.chosen(count=3), 4) + "\n"
    assert np.asarray(Image.open(out / "heads.png")).std() > 10


def test_a_table_in_json(folder: Path) -> None:
    ran = run("table/t.csv", "--input", "more", "--by", "entropy", "--count", "2", "--unit", "layers", "--json")
    assert (ran.exit_code, ran.stderr) == (OK, "")
    found = json.loads(ran.stdout)
    assert (found["ok"], found["profile"]) == (True, "heads/heads.json")
    assert (found["made"]["items"], found["made"]["table"], found["model"]["name"]) == (2, "t.csv", "demo")
    assert [len(one["heads"]) for one in found["chosen"]] == [4, 4] and len(found["ranking"]) == 16
    assert [row["heads"] for row in found["report"]][1] == "2 other layers by chance, 20 draws"
    for name in ("more.png", "table.png"):  # the rest may be read without what lies elsewhere
        shutil.copy(folder / "more" / "more.png", folder / "table" / name)
    assert run("table/t.csv", "--limit", "1", "--quiet").output == ""
    assert HeadProfile.load("heads/heads.json").record.made.items == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("table/t.csv", "--scenes", "4"), "--scenes: there is a table (got 4)"),
        (("--limit", "4"), "--limit: there is no table (got '4')"),
        (("--input", "more"), "--input: there is no table"),
        (("none.csv",), "TABLE: there is no such file (got 'none.csv')"),
        (("table",), "TABLE: a table is a .csv or a .jsonl file"),
        (("table/t.csv",), "TABLE: table/t.csv, line 3, field 'image': there is no such file in the input folder"),
        (("table/t.csv",), "Put it beside the table, or name its folder with --input."),
        (("table/t.csv", "--input", "nowhere"), "--input: there is no such folder"),
        (("--count", "17"), "--count: the model has 16 heads to choose from (got 17)"),
        (("--count", "5", "--unit", "layers"), "--count: the model has 4 layers to choose from (got 5)"),
        (("--lvlm", "./none"), "--lvlm: there is no such folder"),
        (("--device", "tpu"), "--device: "),
        (("--out", "out.png"), "--out: is a file"),
        (("--by", "charm"), "'charm' is not one of 'gaze'"),
        (("--scenes", "0"), "Invalid value for '--scenes'"),
    ],
)
def test_mistakes_are_told_before_anything_runs(words: tuple[str, ...], said: str, folder: Path) -> None:
    ran = run(*words)
    assert ran.exit_code == BAD_USAGE, ran.output
    assert said in " ".join(ran.output.split()) and " items\n" not in ran.output
    assert not list(folder.rglob("heads.json"))


def test_pictures_out_of_reach(folder: Path) -> None:
    table = folder / "table" / "t.csv"
    for name in ("../out.png", str(folder / "out.png")):
        table.write_text(f"image,question,boxes\n{name},Where?,1 2 30 40\n")
        ran = run("table/t.csv")
        assert ran.exit_code == BAD_USAGE and "field 'image': there is no such file" in " ".join(ran.output.split())
