"""Figures side by side: what a terminal, Markdown, CSV and LaTeX get, letter for letter."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench.scores import Figure
from api_graph.bench.tables import FigureTable, markdown_table, tex_escaped

TABLE = FigureTable(
    "A & B_c",
    {
        "plain": [Figure("accuracy", 0.5, 2, 0.1, 0.9), Figure("score (of 200)", 133.333, 2)],
        "api|clip": [Figure("accuracy", 1.0, 3, 0.9999, 1.0)],
    },
)


def test_the_cells_are_in_per_cent_unless_the_name_says_of_what() -> None:
    assert TABLE.headings() == ["A & B_c, %", "n", "plain", "api|clip"]
    assert TABLE.rows() == [
        ["accuracy", "2 / 3", "50.00 [10.0, 90.0]", "100.00 [100.0, 100.0]"],
        ["score (of 200)", "2", "133.33", "–"],
    ]


def test_markdown_and_latex_are_escaped() -> None:
    assert TABLE.markdown().splitlines()[:2] == ["| A & B\\_c, % | n | plain | api\\|clip |", "|---|---:|---:|---:|"]
    assert r"A \& B\_c, \% & n & plain & api\textbar{}clip \\" in TABLE.tex()
    assert r"accuracy & 2 / 3 & 50.00 {[}10.0, 90.0{]} &" in TABLE.tex()
    assert tex_escaped("\N{MINUS SIGN}1") == "$-$1"
    assert TABLE.tex().startswith("\\begin{tabular}{lrrr}\n\\toprule\n")


def test_csv_is_unrounded() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.csv())))
    assert rows[2] == {
        "figure": "score (of 200)",
        "graph": "plain",
        "value": "133.333",
        "low": "",
        "high": "",
        "n": "2",
    }
    assert len(rows) == 3


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20))
def test_no_text_ends_its_cell(text: str) -> None:
    """What is special to Markdown or LaTeX stands behind a backslash, or is spelt out."""
    line = markdown_table([text, "n"], []).splitlines()[0]
    assert line.replace("\\\\", "").replace("\\|", "").count("|") == 3
    plain = tex_escaped(text)
    for name in ("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"):
        plain = plain.replace(f"\\{name}{{}}", "")
    for special in "{}$&#%_":
        plain = plain.replace(f"\\{special}", "")
    for spelt in ("{[}", "{]}", "$-$"):
        plain = plain.replace(spelt, "")
    assert not set(plain) & set("\\{}$&#%_~^<>|")
