"""A comparison as tables: for a terminal, as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from api_graph.bench.statistics import signed
from api_graph.bench.tables import tex_escaped, tex_table
from api_graph.comparison.compare import ComparedResults, Line, Pair
from api_graph.json_values import Json
from api_graph.table.export import csv_cell

ALL = "all"
CAPTION = "In parentheses: 95 % intervals; p: McNemar's test."
SEVERAL = "Each interval and p is for its own comparison: of many, some differ by chance."

SAME = "0 (no item differs)"
"""Instead of an interval: the bootstrap of nothing but zeros has none."""

_MARKUP = re.compile(r"[\\`*\[\]<>|#~$&]|(?<!\w)_+|_+(?!\w)")
_CSV = ("figure", "first", "second", "category", "n", "first_score", "first_low", "first_high", "second_score")
_MORE_CSV = ("second_low", "second_high", "difference", "low", "high", "p", "higher", "lower", "is_told")


def headings(pair: Pair) -> list[str]:
    """The headings of a pair's table."""
    counts = ["better", "worse"] if pair.percent else ["higher", "lower"]
    return ["", "n", pair.first, pair.second, "difference", "p", *counts]


def cells(pair: Pair) -> list[list[str]]:
    """The lines of a pair's table: shares as percentages, other figures as they are."""
    return [_cells(line, percent=pair.percent) for line in pair.lines]


def caption(compared: ComparedResults) -> str:
    """What the numbers in the tables are."""
    many = len(compared.pairs) * len(compared.pairs[0].lines) > 1
    return f"{CAPTION} {SEVERAL}" if many else CAPTION


def subject(compared: ComparedResults) -> str:
    """What is compared, in a few words."""
    return f"{compared.figure}, in %" if compared.percent else compared.figure


def _cells(line: Line, *, percent: bool) -> list[str]:
    found = line.comparison
    scale = 100.0 if percent else 1.0

    def within(value: float, low: float, high: float, *, sign: bool = False) -> str:
        show = signed if sign else _number
        at, start, end = (show(scale * number, percent=percent) for number in (value, low, high))
        return f"{at} ({start} to {end})"

    return [
        ALL if line.category is None else line.category,
        f"{found.n:,}",
        within(found.first, *line.first),
        within(found.second, *line.second),
        within(found.difference, found.low, found.high, sign=True) if found.higher or found.lower else SAME,
        "" if found.p is None else "<0.001" if found.p < 0.001 else f"{found.p:.3f}",
        f"{found.higher:,}",
        f"{found.lower:,}",
    ]


def _number(value: float, *, percent: bool) -> str:
    return f"{value:.1f}" if percent else f"{value:.4g}"


def markdown(compared: ComparedResults) -> str:
    """The whole comparison in Markdown: a table for each pair, the verdicts, and what was left out."""
    lines = [f"## {_escaped(subject(compared))}", ""]
    for pair in compared.pairs:
        heads = headings(pair)
        lines += [_row(heads), _row(["---"] + ["---:"] * (len(heads) - 1), escape=False)]
        lines += [_row(line) for line in cells(pair)]
        lines += ["", _escaped(pair.verdict), ""]
    lines += [caption(compared), *(_escaped(note) for note in compared.notes), ""]
    return "\n".join(lines)


def _row(texts: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(_escaped(text) if escape else text for text in texts)} |"


def _escaped(text: str) -> str:
    """`text` as Markdown shows it, on one line: no cell ends in it, and nothing in it is markup."""
    return _MARKUP.sub(lambda found: "".join(f"\\{letter}" for letter in found[0]), " ".join(text.split()))


def latex(compared: ComparedResults) -> str:
    """The whole comparison in LaTeX: a `tabular` of the package booktabs for each pair, and the verdict below it."""
    lines = ["% \\usepackage{booktabs}"]
    for pair in compared.pairs:
        lines += [tex_table(headings(pair), cells(pair)), tex_escaped(pair.verdict), ""]
    lines += [tex_escaped(line) for line in (f"{subject(compared)}.", caption(compared), *compared.notes)]
    return "\n".join([*lines, ""])


def as_csv(compared: ComparedResults) -> str:
    """A row for each pair and category; figures unscaled, and in full. No text is a formula to a spreadsheet."""
    return _csv(_rows(compared))


def items_csv(compared: ComparedResults) -> str:
    """A row for each item: its name, category and row in the first results, each side's score, and what has changed."""
    scores = [f"score of {side.name}" for side in compared.sides]
    rows: list[list[Json]] = [["item", "category", "row", *scores, "change"]]
    for item in compared.items:
        rows.append([item.name, item.category, item.rows[0], *item.scores, compared.change(item.scores)])
    return _csv(rows)


def _csv(rows: Iterable[Sequence[Json]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([csv_cell(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _rows(compared: ComparedResults) -> Iterator[list[Json]]:
    """The header, then a row for each pair and category."""
    yield [*_CSV, *_MORE_CSV]
    for pair in compared.pairs:
        for line in pair.lines:
            found = line.comparison
            yield [
                *(compared.figure, pair.first, pair.second, ALL if line.category is None else line.category, found.n),
                *(found.first, *line.first, found.second, *line.second),
                *(found.difference, found.low, found.high, found.p, found.higher, found.lower, found.is_told),
            ]


def documents(compared: ComparedResults) -> list[dict[str, object]]:
    """The pairs as JSON has them: the rows of the CSV file by name, and the verdicts."""
    names, *rows = _rows(compared)
    found: list[dict[str, object]] = []
    for pair in compared.pairs:
        own = [dict(zip(map(str, names), row, strict=True)) for row in rows if row[2] == pair.second]
        for each, line in zip(own, pair.lines, strict=True):
            each["category"] = line.category
        found.append({"first": pair.first, "second": pair.second, "verdict": pair.verdict, "lines": own})
    return found
