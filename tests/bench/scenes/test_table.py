"""A part as a table: what is compared with the first row, what is shown, and what the files say."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench.scenes.table import (
    AGAINST,
    Item,
    Part,
    Row,
    against,
    cells,
    csv_text,
    folder_names,
    latex,
    markdown,
    scored,
    write_part,
)
from api_graph.bench.scores import Figure, read_figures, read_scores

ITEMS = [Item(f"item {n}", f"What is {n}?", str(n), "odd" if n % 2 else "even") for n in range(8)]


def part() -> Part:
    """The first row is right about the last two items; the second about all but the last."""
    base = against("plain", ITEMS, ["?"] * 8, [False] * 6 + [True] * 2, None)
    other = against("a | b", ITEMS, [i.truth for i in ITEMS[:7]] + [""], [True] * 7 + [False], base)
    return Part("demo", "Ψ & co", "About it.", "shown_as", AGAINST, [base, other], ITEMS)


def test_gained_and_lost_against_the_first_row() -> None:
    """Six gained, one lost: of seven that differ, McNemar's exact p is 2 (1 + 7) / 2⁷."""
    base, other = part().rows
    assert [(f.name, f.value) for f in base.figures] == [("right", 2 / 8)]
    assert {f.name: f.value for f in other.figures} == {"right": 7 / 8, "gained": 6, "lost": 1, "p": 16 / 128}
    assert [one.score for one in other.scores] == [1] * 7 + [0]
    assert (other.scores[3].item, other.scores[3].answer, other.scores[3].truth) == ("item 3", "3", "3")


def test_what_is_shown() -> None:
    """Wilson's interval of 7 of 8 is 0.529 to 0.978, of 2 of 8 it is 0.071 to 0.591."""
    assert cells(part()) == [
        ["plain", "0.250 (0.07 to 0.59)", "", "", ""],
        ["a | b", "0.875 (0.53 to 0.98)", "6", "1", "0.12"],
    ]


def test_markdown_and_latex_escape_what_would_break_them() -> None:
    assert markdown(part()).splitlines()[0] == "| shown_as | right | gained | lost | p |"
    assert r"| a \| b | 0.875 (0.53 to 0.98) | 6 | 1 | 0.12 |" in markdown(part())
    lines = latex(part()).splitlines()
    assert lines[:2] == [r"% $\Psi$ \& co", r"\begin{tabular}{lrrrr}"]
    assert r"shown\_as & right & gained & lost & p \\" in lines
    assert all(line.count(" & ") == 4 for line in lines if line.endswith(r"\\"))


def test_csv_has_every_figure_in_full() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([part()]))))
    assert [(row["row"], row["figure"], float(row["value"]), row["n"]) for row in rows] == [
        ("plain", "right", 0.25, "8"),
        ("a | b", "right", 0.875, "8"),
        ("a | b", "gained", 6, "8"),
        ("a | b", "lost", 1, "8"),
        ("a | b", "p", 0.125, "8"),
    ]
    assert (rows[2]["low"], rows[2]["high"]) == ("", "")
    assert {row["part"] for row in rows} == {"demo"}


def test_files_are_read_back(tmp_path: Path) -> None:
    write_part(tmp_path / "demo", part())
    lines = [json.loads(line) for line in (tmp_path / "demo" / "table.jsonl").read_text("utf-8").splitlines()]
    assert lines[3] == {"item": "item 3", "image": None, "query": "What is 3?", "prompt": "What is 3?"}
    folders = sorted(path.name for path in (tmp_path / "demo").iterdir() if path.is_dir())
    assert folders == ["a-b", "plain"]
    for name, row in zip(("plain", "a-b"), part().rows, strict=True):
        assert read_scores(tmp_path / "demo" / name) == list(row.scores)
        assert read_figures(tmp_path / "demo" / name) == list(row.figures)


def test_a_row_without_items_has_figures_alone(tmp_path: Path) -> None:
    write_part(tmp_path, Part("x", "x", "x", "x", {"share": "share"}, [Row("one", [Figure("share", 0.5, 2)])]))
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["figures.json"]


def test_scores_need_an_answer_each() -> None:
    with pytest.raises(ValueError, match="shorter"):
        scored(ITEMS, [1.0] * 7)


def test_names_of_folders() -> None:
    assert folder_names(["Ψcls, last 4", "σ 0.5", "crop × 2", "α", "…", "ALPHA"]) == [
        "psi-cls-last-4",
        "sigma-0-5",
        "crop-x-2",
        "alpha",
        "row",
        "alpha~2",
    ]


@given(st.lists(st.text()))
def test_names_of_folders_are_safe_and_differ(names: list[str]) -> None:
    found = folder_names(names)
    assert len(set(found)) == len(names)
    assert all(name and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-~") for name in found)
