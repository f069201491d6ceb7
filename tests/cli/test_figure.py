"""`api-graph figure` on a run that this test makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.figure.conftest import Made

from .conftest import Cli

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_a_figure(cli: Cli, made: Made) -> None:
    made.write(nodes="10 12")
    answer = cli("figure", "out", "--dpi", "50")
    assert (answer.code, answer.out.splitlines()) == (0, ["out/figure.pdf"])
    missing = ("image", "map", "annotated", "answer")
    assert answer.err.splitlines() == [f"note: row 3 has no {name}: no such file" for name in missing]
    assert (made.folder / "figure.pdf").read_bytes().startswith(b"%PDF-")


def test_several_files(cli: Cli, made: Made) -> None:
    made.write()
    words = ("--rows", "0,2", "--columns", "query=Question,Grey map,answer", "--opacity", "0.5", "--colormap", "grey")
    document = cli("figure", "out", *words, "--out", "a.svg", "--out", "b.png", "--width", "3", "--json").json
    files = [str((made.folder.parent / name).resolve()) for name in ("a.svg", "b.png")]
    assert document == {"ok": True, "exit_code": 0, "files": files, "rows": [0, 2], "notes": []}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("nowhere",), "DIR: there is no such folder"),
        (("out", "--rows", "x"), "--rows: this is no row"),
        (("out", "--columns", "map"), "--columns: it may be Grey map or Coloured heatmap"),
        (("out", "--opacity", "2"), "--opacity: it must lie within 0 and 1"),
        (("out", "--width", "0"), "--width: it must lie within 1 and 40"),
        (("out", "--dpi", "1"), "--dpi: it must lie within 30 and 1200"),
        (("out", "--font", "Nobody's"), "--font: there is no such font"),
        (("out", "--columns", "image", "--colormap", "grey"), "--colormap: no column has grey heatmaps"),
        (("out", "--out", "a.txt"), "--out: a figure is a .pdf, .svg or .png file"),
    ],
)
def test_what_cannot_be_drawn(cli: Cli, made: Made, words: tuple[str, ...], problem: str) -> None:
    made.write()
    answer = cli("figure", *words)
    assert (answer.code, answer.out, len(answer.errors)) == (2, "", 1)
    assert problem in answer.errors[0]
