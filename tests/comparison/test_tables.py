"""A comparison as tables: the numbers in them, and texts that are no markup and no formula."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from api_graph.comparison.compare import ComparedResults, compare_results
from api_graph.comparison.tables import as_csv, caption, cells, documents, headings, items_csv, latex, markdown

HOSTILE = "=cmd|'x'!A1 <img src=x> [a](javascript:x) `b` _c_ **d**"


@pytest.fixture
def compared(runs: Any) -> ComparedResults:
    """4 and 6 of 8 right: three that only the second has, one that only the first has."""
    categories = {f"i{n}": "even" if n % 2 == 0 else HOSTILE for n in range(8)}
    first = dict(zip(categories, [1, 1, 1, 1, 0, 0, 0, 0], strict=True))
    second = dict(zip(categories, [1, 1, 1, 0, 1, 1, 1, 0], strict=True))
    folders = [runs.scored("plain_1", first, categories), runs.scored("=annotated", second, categories)]
    return compare_results(folders)


def test_cells(compared: ComparedResults) -> None:
    (pair,) = compared.pairs
    assert headings(pair) == ["", "n", "plain_1", "=annotated", "difference", "p", "better", "worse"]
    every, even, _ = cells(pair)
    # Wilson's for 4 and 6 of 8; McNemar's for 1 against 3 of 4: 2 · (1 + 4) / 16
    assert every[:4] == ["all", "8", "50.0 (21.5 to 78.5)", "75.0 (40.9 to 92.9)"]
    assert every[4].startswith("+25.0 (−") and every[5:] == ["0.625", "3", "1"]
    assert even[:2] == ["even", "4"] and even[6:] == ["2", "0"]
    assert caption(compared).endswith("of many, some differ by chance.")


def test_numbers_that_are_no_shares(runs: Any) -> None:
    folders = [runs.numbers("one", [1000.125, 3]), runs.numbers("other", [1000.125, 3])]
    compared = compare_results(folders)
    ((name, count, first, second, *rest),) = cells(compared.pairs[0])
    assert (name, count) == ("all", "2")
    assert first == second == "501.6 (3 to 1000)"
    assert rest == ["0 (no item differs)", "", "0", "0"]
    assert headings(compared.pairs[0])[-2:] == ["higher", "lower"]
    assert "chance" not in caption(compared)


def test_markdown(compared: ComparedResults) -> None:
    lines = markdown(compared).splitlines()
    assert lines[0] == "## score, in %"
    assert lines[2] == "|  | n | plain_1 | =annotated | difference | p | better | worse |"
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 5
    plain = [line.replace("\\\\", "").replace("\\|", "") for line in table]
    assert {line.count("|") for line in plain} == {9}
    escaped = r"=cmd\|'x'!A1 \<img src=x\> \[a\](javascript:x) \`b\` \_c\_ \*\*d\*\*"
    assert any(line.startswith(f"| {escaped} |") for line in table)
    assert compared.pairs[0].verdict in lines


def test_latex(compared: ComparedResults) -> None:
    lines = latex(compared).splitlines()
    assert lines[:3] == [r"% \usepackage{booktabs}", r"\begin{tabular}{lrrrrrrr}", r"\toprule"]
    assert lines[3] == r" & n & plain\_1 & =annotated & difference & p & better & worse \\"
    assert lines[5].startswith(r"all & 8 & 50.0 (") and lines[5].endswith(r") & 0.625 & 3 & 1 \\")
    escaped = r"=cmd\textbar{}'x'!A1 \textless{}img src=x\textgreater{} {[}a{]}(javascript:x) `b` \_c\_ **d**"
    assert lines[7].startswith(f"{escaped} & 4 & ")
    assert lines[8:10] == [r"\bottomrule", r"\end{tabular}"]
    assert r"+25.0 points (95 \% interval $-$" in lines[11]
    assert lines[13] == r"score, in \%."
    assert "\N{MINUS SIGN}" not in "".join(lines)


def test_latex_keeps_every_letter(runs: Any) -> None:
    item = "\\~^{}$&#%_<>|[]"
    one, other = (runs.scored(name, {"a": score}, {"a": item}) for name, score in (("x", 0), ("y", 1)))
    first = r"\textbackslash{}\textasciitilde{}\textasciicircum{}\{\}\$\&\#\%\_"
    expected = rf"{first}\textless{{}}\textgreater{{}}\textbar{{}}{{[}}{{]}} & 1 & "
    assert any(line.startswith(expected) for line in latex(compare_results([one, other])).splitlines())


def test_csv(compared: ComparedResults) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(compared))))
    assert [row["category"] for row in rows] == ["all", "even", f"'{HOSTILE}"]
    assert {row["second"] for row in rows} == {"'=annotated"}
    assert (rows[0]["first_score"], rows[0]["difference"], rows[0]["p"], rows[0]["higher"]) == (
        "0.5",
        "0.25",
        "0.625",
        "3",
    )
    assert rows[0]["is_told"] == "false"


def test_items(compared: ComparedResults) -> None:
    rows = list(csv.DictReader(io.StringIO(items_csv(compared))))
    assert list(rows[0]) == ["item", "category", "row", "score of plain_1", "score of =annotated", "change"]
    assert [row["change"] for row in rows] == [*["same"] * 3, "worse", *["better"] * 3, "same"]
    assert [*rows[3].values()] == ["item i3", f"'{HOSTILE}", "3", "1.0", "0.0", "worse"]


def test_items_of_several(runs: Any) -> None:
    folders = [runs.numbers(name, numbers) for name, numbers in (("x", [1, 2, 3]), ("y", [2, 2, 1]), ("z", [0, 2, 1]))]
    rows = list(csv.DictReader(io.StringIO(items_csv(compare_results(folders)))))
    assert [row["change"] for row in rows] == ["mixed", "same", "lower"]


def test_json(compared: ComparedResults) -> None:
    (document,) = documents(compared)
    assert document["verdict"] == compared.pairs[0].verdict
    lines = document["lines"]
    assert isinstance(lines, list)
    assert [line["category"] for line in lines] == [None, "even", HOSTILE]
    assert (lines[0]["n"], lines[0]["lower"], lines[0]["is_told"]) == (8, 1, False)
