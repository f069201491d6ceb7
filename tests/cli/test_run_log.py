"""`map --log FILE`, and the first estimate of the time that is left."""

from __future__ import annotations

import calendar
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api_graph.cli import progress
from api_graph.cli.run_log import logged
from api_graph.table.run import Totals
from tests.cli.conftest import Cli
from tests.cli.test_map import Write, brief, rows  # noqa: F401  # fixtures
from tests.table.runs import table


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_last_line_tells_of_all_rows(cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:  # noqa: F811
    table(tmp_path, rows)
    command = ("map", brief, "rows.jsonl", "--out", "out", "--log", "log.jsonl")
    assert cli(*command, "--limit", "4").code == 0
    (first,) = lines(tmp_path / "log.jsonl")
    assert (first["rows"], first["rows_now"], first["total"], first["failed"]) == (4, 4, 4, 0)
    assert cli(*command).code == 0
    (_, second) = lines(tmp_path / "log.jsonl")  # it is appended to
    assert (second["rows"], second["rows_now"], second["total"]) == (6, 2, 6)
    assert second["rows_per_second"] == pytest.approx(2 / second["seconds"], rel=0.05)
    assert abs(calendar.timegm(time.strptime(second["time"], "%Y-%m-%dT%H:%M:%SZ")) - time.time()) < 60


def test_failed_rows_are_counted(cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:  # noqa: F811
    table(tmp_path, rows)
    (tmp_path / "pics" / "3.png").write_bytes(b"no picture")
    assert cli("map", brief, "rows.jsonl", "--out", "out", "--log", "log.jsonl").code == 1
    assert lines(tmp_path / "log.jsonl")[-1]["failed"] == 1


def test_a_log_that_cannot_be_written(cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:  # noqa: F811
    table(tmp_path, rows)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", "--log", "nowhere/log.jsonl")
    assert answer.code == 2 and "--log: it cannot be written" in answer.err and "nowhere/log.jsonl" in answer.err


def run_of(**more: Any) -> Any:
    return SimpleNamespace(totals=Totals(), finished_before=0, total=100, failed=0, **more)


def test_lines_come_while_the_run_goes(tmp_path: Path) -> None:
    run = run_of()
    with logged(run, tmp_path / "log.jsonl", 0.01):
        deadline = time.monotonic() + 30
        while len(lines(tmp_path / "log.jsonl")) < 3 and time.monotonic() < deadline:
            run.totals.rows += 1
            time.sleep(0.005)
    found = lines(tmp_path / "log.jsonl")
    assert len(found) >= 4
    assert [line["rows"] for line in found] == sorted(line["rows"] for line in found)


def test_the_log_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), logged(run_of(), tmp_path / "log.jsonl", 60):
        raise KeyboardInterrupt
    assert len(lines(tmp_path / "log.jsonl")) == 1


def test_the_time_left_does_not_count_what_came_before_the_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *[60.0] * 4, *[62.0] * 3])  # a minute of loading; then ten rows in two seconds
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    run, told = run_of(), []
    monkeypatch.setattr(progress, "tell", told.append)
    monkeypatch.setattr(progress, "_ROWS_LINE_EVERY", 1.0)
    shown = progress.ShownRows(run)
    run.totals.rows = 10
    shown.update()
    run.totals.rows = 20
    shown.update()
    assert told[0].startswith("10 of 100 rows, 0% of")  # nothing is known yet
    assert told[1].startswith("20 of 100 rows, 5 rows/s, 16 s left")
