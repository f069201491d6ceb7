"""A page of docs/ whose commands and code run as they are printed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.table.runs import ROOT, surroundings

BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)

# A process for each command would take a minute to import torch; these are the same words through the same door.
RUN = """
import shlex, sys
from api_graph.cli.app import app
for line in sys.stdin.read().splitlines():
    try:
        app(shlex.split(line)[1:], prog_name="api-graph")
    except SystemExit as ended:
        print("ended", ended.code or 0, line)
"""


class Page:
    """The blocks of a page, by language, and the commands among them."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / "docs" / name).read_text("utf-8")
        self.blocks = [(found["language"], found["code"]) for found in BLOCK.finditer(self.text)]
        self.commands = [line for code in self.code("sh") for line in code.splitlines()]

    def code(self, language: str) -> list[str]:
        """The blocks in that language."""
        return [code for own, code in self.blocks if own == language]


def run(folder: Path, *words: str, given: str = "", environment: Mapping[str, str] | None = None) -> str:
    """What a command prints that ends well."""
    ran = subprocess.run(
        words,
        cwd=folder,
        env={**surroundings(folder / "cache"), **(environment or {})},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


def run_commands(
    folder: Path, commands: Sequence[str], more: str = "", environment: Mapping[str, str] | None = None
) -> list[str]:
    """The lines that the commands print, run one after the other, and after them `more` code of Python."""
    code = f"{RUN}\n{more}" if more else RUN
    printed = run(folder, sys.executable, "-c", code, given="\n".join(commands), environment=environment).splitlines()
    assert [line for line in printed if line.startswith("ended")] == [f"ended 0 {command}" for command in commands]
    return printed
