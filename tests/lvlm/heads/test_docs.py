"""docs/heads.md: its commands and its code run as they are printed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from api_graph.lvlm import HeadProfile
from tests.docs_page import Page, run, run_commands
from tests.table.runs import ROOT

PAGE = Page("heads.md")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "graphs", tmp_path / "graphs")
    return tmp_path


@pytest.mark.skipif(os.name != "posix", reason="the commands are for a shell")
def test_the_commands(clone: Path) -> None:
    printed = run_commands(clone, PAGE.commands)
    assert "heads/heads.json" in printed
    assert HeadProfile.load(clone / "heads" / "heads.json").record.made.items == 100


def test_the_code(clone: Path) -> None:
    (code,) = PAGE.code("python")
    heads, answer, shape = run(clone, sys.executable, "-W", "error", "-c", code).splitlines()
    assert heads.endswith("layer 1, head 3: 0.8908") or "layer 1, head 3" in heads
    assert (answer, shape) == ("green", "torch.Size([10, 10])")
