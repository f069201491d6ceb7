"""A grid of a benchmark, drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api_graph.bench.scores import read_figures
from tests.benching.sets import SETS
from tests.cli.conftest import Cli

pytest.importorskip("matplotlib")


def test_a_real_grid(cli: Cli, tmp_path: Path) -> None:
    SETS["vstar"](tmp_path / "data")
    words = ("--data", "data", "--graph", "api_clip_map", "--grid", "kernel_size=1,15", "--limit", "4", "--out", "out")
    assert cli("bench", "vstar-maps", *words).code == 0
    drawn = cli("plot", "out", "--out", "curve.svg", "--json")
    assert drawn.code == 0, drawn.err
    expected = {
        run["set"]["kernel_size"]: read_figures(tmp_path / "out" / name)[0].value
        for name, run in json.loads((tmp_path / "out" / "bench.json").read_text())["graphs"].items()
    }
    assert {str(s["settings"]["kernel_size"]): s["mean"] for s in drawn.json["scores"]} == expected
    assert len(expected) == 2 and (tmp_path / "curve.svg").read_text().startswith("<?xml")
