"""`api-graph verify` on the command line: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.table.runs import PLAIN, picture


@pytest.fixture
def out(cli, tmp_path: Path) -> Path:
    for number in range(12):
        picture(tmp_path / f"pics/{number}.png", number)
    (tmp_path / "graph.json").write_text(json.dumps(PLAIN))
    done = cli("map", str(tmp_path / "graph.json"), str(tmp_path / "pics"), "--out", str(tmp_path / "out"))
    assert done.code == 0
    return tmp_path / "out"


def test_all_is_whole(cli, out: Path) -> None:
    answer = cli("verify", str(out), "--content")
    assert (answer.code, answer.out) == (0, "12 rows, 12 lines, 0 of rows that failed\nall is whole\n")


def test_what_is_wrong(cli, out: Path) -> None:
    for path in out.glob("files/**/*.png"):
        path.unlink()
    lines = (out / "results.jsonl").read_bytes().splitlines(keepends=True)
    (out / "results.jsonl").write_bytes(b"".join(lines[:-1]))
    answer = cli("verify", str(out))
    first, *rest = answer.out.splitlines()
    assert (answer.code, first) == (1, "12 rows, 11 lines, 0 of rows that failed")
    assert "1 row without a line:" in rest and "11 written files missing:" in rest and "- and 1 more" in rest
    document = cli("verify", str(out), "--json").json
    assert (document["ok"], document["exit_code"]) == (False, 1)
    assert document["faults"]["lost"]["count"] == 1 and len(document["faults"]["missing"]["first"]) == 10


def test_wrong_use(cli, tmp_path: Path) -> None:
    assert cli("verify", str(tmp_path)).code == 2
    assert cli("verify", str(tmp_path / "none")).code == 2
