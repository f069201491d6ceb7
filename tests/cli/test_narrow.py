"""A terminal of 40 columns: no help is cut, no table is wider, and prose breaks between words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from typer.main import get_command

from api_graph.cli.app import app
from api_graph.cli.console import complain, fitted, say

ROOT = Path(__file__).parents[2]
COLUMNS = 40
Cli = Callable[..., Any]

posix = pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = get_command(app) if command is None else command
    yield path
    for name, inside in getattr(command, "commands", {}).items():
        yield from commands(inside, (*path, name))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("path", list(commands()), ids="-".join)
def test_no_help_is_cut_or_wider(cli: Cli, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    told = cli(*path, "--help").out
    wide = [line for line in told.splitlines() if cell_len(line) > COLUMNS]
    assert wide == []
    # Only what repeats has dots: an end that is cut off looks the same.
    assert re.sub(r"\[ARGS\]\.\.\.|\{DIR\.\.\}\.\.\.|\.\.\. *\]", "", told).count("...") == 0
    monkeypatch.setenv("COLUMNS", "300")
    words = [re.sub(r"\s", "", text) for text in (told, cli(*path, "--help").out)]
    assert words[0] == words[1]  # the same words, whole


# Each as a command of its own would, in one process that has a terminal.
RUN = """
import shlex, sys
from api_graph.cli import main
for line in sys.argv[1:]:
    print(f"$ {line}", flush=True)
    sys.argv = ["api-graph", *shlex.split(line)]
    try:
        main()
    except SystemExit:
        pass
"""

LINES = [
    "graphs",
    "new",
    "nodes",
    "nodes APQueryLVLM",
    "check api_clip",
    "explain api_lvlm_evaluate",
    "new rec_foveal",
    "new rec_foveal",
    "export api_clip --format mermaid --out graph.mmd",
    "bench list",
    "bench popee",
    "cache info",
    "endpoints",
    "run nothing_of_this_name",
    "run api_clip --set nothing=3",
    "compare here there",
    "results nowhere",
    "report nowhere",
    "verify nowhere",
    "run api_clip --outt here",
    "runn api_clip --out here",
    "--quietly run api_clip --out here",
    "map api_clip table.csv --map-precision float99",
    "cache prune --to somewhat --from there",
]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a terminal of 40 columns shows of each command, by lines."""
    import pty

    folder = tmp_path_factory.mktemp("narrow")
    keyboard, terminal = pty.openpty()
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm",
        "API_GRAPH_CACHE": str(folder / "cache"),
        "API_GRAPH_ENDPOINTS": str(folder / "endpoints.toml"),
    }
    command = [sys.executable, "-c", RUN, *LINES]
    process = subprocess.Popen(command, cwd=folder, env=surroundings, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(keyboard, 1 << 16):
            shown += part
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(keyboard)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r", "")
    parts = re.split(r"^\$ (.*)\n", text, flags=re.M)[1:]
    return {
        line: [part.rstrip() for part in said.splitlines()] for line, said in zip(parts[::2], parts[1::2], strict=True)
    }


@posix
@pytest.mark.parametrize("line", dict.fromkeys(LINES))
def test_what_a_command_says_fits(screen: dict[str, list[str]], line: str) -> None:
    assert len(screen[line]) >= 1 and "Traceback" not in "\n".join(screen[line])
    assert [part for part in screen[line] if cell_len(part) > COLUMNS and " " in part.strip()] == []


@posix
def test_prose_breaks_between_words(screen: dict[str, list[str]]) -> None:
    assert screen["explain api_lvlm_evaluate"][:2] == [
        "api_lvlm_evaluate: 19 nodes, in the",
        "order in which they run.",
    ]
    assert screen["run nothing_of_this_name"][0] == "error: graph: there is no such file, and"


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("", [""]),
        ("x" * 30 + " " + "y" * 9, ["x" * 30 + " " + "y" * 9]),
        ("x" * 30 + " " + "y" * 10, ["x" * 30, "y" * 10]),
        ("  " + "x" * 30 + " " + "y" * 10, ["  " + "x" * 30, "  " + "y" * 10]),
        ("one\n\ntwo", ["one", "", "two"]),
        (
            "/a/path/that/is-longer/than-the/terminal/is/wide.png",
            ["/a/path/that/is-longer/than-the/terminal/is/wide.png"],
        ),
    ],
)
def test_lines_that_fit(text: str, lines: list[str]) -> None:
    assert fitted(text).split("\n") == lines


@pytest.mark.usefixtures("narrow")
def test_whoever_pipes_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say("word " * 20)
    complain("word " * 20)
    assert [text.count("\n") for text in capsys.readouterr()] == [1, 1]
