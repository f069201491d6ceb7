"""`api-graph report`, called in this process."""

from __future__ import annotations

import json
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
import typer

from api_graph.cli.exits import command
from api_graph.cli.report import report

VERIFIED = "verify: 1 fault of the manifest, 1 fault of the table: `api-graph verify` lists them"
"""The results are made by hand: their manifest has another fingerprint, and there is no such table."""


class Answer:
    """The exit code, and what was written."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    """`call("DIR", "--json")`: the answer of the command."""
    app = typer.Typer(add_completion=False)
    app.command()(command(report))

    def run(*words: str) -> Answer:
        with pytest.raises(SystemExit) as ended:
            app(list(words), prog_name="api-graph report")
        written = capsys.readouterr()
        return Answer(int(ended.value.code or 0), written.out, written.err)

    return run


def test_it_says_where_the_page_is(call: Any, finished_run: Path) -> None:
    answer = call(str(finished_run))
    page = finished_run / "report.html"
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        str(page),
        "12 rows: 9 ok, 3 failed; 12 shown with their pictures, 12 listed.",
        VERIFIED,
    ]
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_json(call: Any, finished_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    answer = call(str(finished_run), "--json", "--out", str(page), "--most", "4", "--rows", "5")
    assert json.loads(answer.out) == {
        "ok": True,
        "page": str(page),
        "rows": 12,
        "rows_ok": 9,
        "rows_failed": 3,
        "verified": VERIFIED.removeprefix("verify: "),
        "pictured": 4,
        "listed": 5,
    }
    assert page.is_file() and not (finished_run / "report.html").exists()


def test_no_results(call: Any, tmp_path: Path) -> None:
    answer = call(str(tmp_path))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: DIR: there are no results in it (got ")
    assert answer.err.count("\n") == 1
    (tmp_path / "file").touch()
    assert call(str(tmp_path / "file")).err.startswith("error: DIR: it is a file, where a folder is wanted (got ")


@pytest.mark.parametrize("there", [True, False])
def test_it_opens_the_browser(call: Any, finished_run: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: (asked.append(address), there)[1])
    answer = call(str(finished_run), "--open")
    assert (answer.code, asked) == (0, [(finished_run / "report.html").resolve().as_uri()])
    assert answer.err == ("" if there else "warning: there is no browser to open it with\n")


def test_torch_is_not_needed(finished_run: Path) -> None:
    """A report takes a moment, where importing torch alone takes seconds."""
    script = (
        "import sys; from pathlib import Path; from api_graph.cli.report import report;"
        "report(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script, str(finished_run)], cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "False"
