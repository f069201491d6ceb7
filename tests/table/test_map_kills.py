"""Killed at any moment, a run goes on where it was: every finished row is kept, none is lost or there twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api_graph.table.map import map_graph
from api_graph.table.verify import verify
from tests.table.runs import (
    GRAPH,
    ROOT,
    SAVED,
    files_in,
    lines_written,
    named_files,
    records,
    results,
    rows_of,
    start,
    surroundings,
    table,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and signals as POSIX has them")
KILLS = 20


def undisturbed(folder: Path) -> Path:
    """The results of a run of FOLDER/rows.jsonl that nobody stops."""
    out = folder / "undisturbed"
    assert all(result.ok for result in map_graph(GRAPH, folder / "rows.jsonl", output=out, cache=False))
    return out


def test_killed_at_twenty_random_moments_it_ends_with_the_same_results(tmp_path: Path) -> None:
    rows = rows_of(100, 4)
    table(tmp_path, rows)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.table.kill_often", str(tmp_path), str(KILLS), "7"],
        cwd=ROOT,
        env=surroundings(tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    at, out = json.loads(ran.stdout.splitlines()[-1]), tmp_path / "out"  # a worker of a killed run may write too
    assert len(at) == KILLS and sorted(at) == at  # nothing that was finished is lost
    assert results(out) == results(undisturbed(tmp_path))
    assert len(results(out)) == len(rows)
    assert files_in(out) == named_files(out)  # nor does a killed run leave anything behind
    assert len(files_in(out)) == SAVED * len(rows)
    assert verify(out, depth="content").ok


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_is_one_line_and_the_same_command_goes_on(tmp_path: Path, number: int, code: int, said: str) -> None:
    table(tmp_path, rows_of(40, 2), side=500)
    words = ("map", GRAPH, "rows.jsonl", "--out", "out", "--chunk-size", "2")
    process = start(tmp_path, *words)
    while lines_written(tmp_path / "out") < 3 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate()
    assert (process.returncode, errors.splitlines()[-1]) == (code, f"api-graph: {said}")
    assert "Traceback" not in errors and "error" not in errors
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    before = records(tmp_path / "out")
    assert manifest["finished"] is None and manifest["totals"]["rows"] == len(before) < 80
    again = list(map_graph(GRAPH, tmp_path / "rows.jsonl", output=tmp_path / "out"))
    assert len(again) == 80 - len(before)
    assert records(tmp_path / "out")[: len(before)] == before
    assert len(results(tmp_path / "out")) == 80
    assert files_in(tmp_path / "out") == named_files(tmp_path / "out")


def test_two_runs_on_one_folder_at_once(tmp_path: Path) -> None:
    table(tmp_path, rows_of(60, 40), side=500)
    first = start(tmp_path, "map", GRAPH, "rows.jsonl", "--out", "out", "--chunk-size", "2")
    while not lines_written(tmp_path / "out") and first.poll() is None:
        time.sleep(0.01)
    second = start(tmp_path, "map", GRAPH, "rows.jsonl", "--out", "out")
    out, errors = second.communicate()
    still_at_work = first.poll() is None
    first.terminate()
    first.communicate()
    assert still_at_work and second.returncode == 2 and not out
    assert errors.splitlines()[-1].startswith("error: --out: another run is writing to this folder: process ")
    assert f"process {first.pid} on " in errors and errors.count("error: ") == 1
