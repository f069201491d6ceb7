"""Figures of several graphs side by side: as cells for a terminal, as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api_graph.bench.scores import Figure

_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # The first one of a line would be an option of the line before it.
    "[": "{[}",
    "]": "{]}",
    "\N{MINUS SIGN}": "$-$",
}
_NO_VALUE = "–"


def is_fraction(figure: Figure) -> bool:
    """Whether a figure is shown as a percentage: its name says of how much it is otherwise, as in "score (of 200)"."""
    return "(of " not in figure.name


def shown_value(figure: Figure) -> str:
    """The value, in per cent where it is a fraction: "81.00"."""
    return f"{100 * figure.value:.2f}" if is_fraction(figure) else f"{figure.value:.2f}"


def shown_interval(figure: Figure) -> str:
    """The interval, "[79.1, 82.8]"; "" where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    factor = 100 if is_fraction(figure) else 1
    return f"[{factor * figure.low:.1f}, {factor * figure.high:.1f}]"


@dataclass(frozen=True)
class FigureTable:
    """The figures of a benchmark, by graph: a row for each figure, a column for each graph."""

    title: str
    graphs: Mapping[str, Sequence[Figure]]

    @property
    def names(self) -> list[str]:
        """The figures' names, in the order in which graphs have them."""
        return list(dict.fromkeys(figure.name for figures in self.graphs.values() for figure in figures))

    def figure(self, graph: str, name: str) -> Figure | None:
        """One figure of a graph; None where the graph has none of that name."""
        return next((figure for figure in self.graphs[graph] if figure.name == name), None)

    def headings(self) -> list[str]:
        """The first line: fractions are given in per cent."""
        return [f"{self.title}, %", "n", *self.graphs]

    def rows(self) -> list[list[str]]:
        """A line for each figure: its name, its number of items, and each graph's value with its interval."""
        found: list[list[str]] = []
        for name in self.names:
            figures = [self.figure(graph, name) for graph in self.graphs]
            counts = list(dict.fromkeys(figure.n for figure in figures if figure is not None))
            cells = [f"{shown_value(f)} {shown_interval(f)}".strip() if f is not None else _NO_VALUE for f in figures]
            found.append([name, " / ".join(f"{count:,}" for count in counts), *cells])
        return found

    def markdown(self) -> str:
        """As Markdown."""
        return markdown_table(self.headings(), self.rows())

    def csv(self) -> str:
        """As CSV: a line for each figure of each graph, unrounded."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("figure", "graph", "value", "low", "high", "n"))
        for name in self.names:
            for graph in self.graphs:
                if (figure := self.figure(graph, name)) is not None:
                    writer.writerow((name, graph, figure.value, figure.low, figure.high, figure.n))
        return text.getvalue()

    def tex(self) -> str:
        """As LaTeX."""
        return tex_table(self.headings(), self.rows())


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, numbers at the right."""
    lines = ["| " + " | ".join(map(_markdown, headings)) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    lines += ["| " + " | ".join(map(_markdown, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _markdown(text: str) -> str:
    escaped = "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split()))
    return escaped


def tex_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A `tabular` of the package booktabs, every text escaped."""
    columns = "l" + "r" * (len(headings) - 1)
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", _tex_row(headings), "\\midrule"]
    lines += [_tex_row(row) for row in rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(tex_escaped(cell) for cell in cells) + r" \\"


def tex_escaped(text: str) -> str:
    """A text as LaTeX sets it, letter for letter."""
    return "".join(_TEX.get(c, c) for c in " ".join(text.split()))
