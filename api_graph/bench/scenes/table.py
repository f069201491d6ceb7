"""A part of the scenes' benchmark: a table whose rows are compared, as Markdown, CSV, LaTeX and in files."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from api_graph.bench.scores import Figure, ItemScore, mean_figure, write_figures, write_scores
from api_graph.bench.statistics import mcnemar_p
from api_graph.files import whole_file
from api_graph.json_values import Json

Shown = Literal["interval", "share", "count", "p"]
"""How a figure is shown: with its 95 % interval, to two places, as a whole number, or as a p-value."""


@dataclass(frozen=True)
class Item:
    """What every row of a part is tried on. `name` is unique in it, `truth` the right answer."""

    name: str
    query: str
    truth: str
    category: str | None = None


@dataclass(frozen=True)
class Row:
    """One row: its figures, in the order of the part's columns, and a score for each item where there are items."""

    name: str
    figures: Sequence[Figure]
    scores: Sequence[ItemScore] = ()


@dataclass(frozen=True)
class Part:
    """One table: `columns` are the names of the figures and how they are shown; `first` heads the rows' names."""

    name: str
    title: str
    about: str
    first: str
    columns: Mapping[str, Shown]
    rows: Sequence[Row]
    items: Sequence[Item] = field(default=())


def scored(items: Sequence[Item], scores: Sequence[float], answers: Sequence[str] = ()) -> list[ItemScore]:
    """The items with their scores, and what was said to them."""
    said = answers or [""] * len(items)
    return [
        ItemScore(item.name, index, float(score), item.category, answer, item.truth)
        for index, (item, score, answer) in enumerate(zip(items, scores, said, strict=True))
    ]


def against(name: str, items: Sequence[Item], answers: Sequence[str], right: Sequence[bool], base: Row | None) -> Row:
    """A row of right and wrong answers: their share, what is gained and lost against the first row, and McNemar's p.

    Its figures are `right`, `gained`, `lost` and `p`; the first row, whose `base` is None, has `right` alone.
    """
    count, scores = len(right), scored(items, [float(one) for one in right], answers)
    figures = [mean_figure("right", [float(one) for one in right])]
    if base is not None:
        before = [one.score == 1 for one in base.scores]
        pairs = list(zip(before, right, strict=True))
        figures += [
            Figure("gained", sum(b and not a for a, b in pairs), count),
            Figure("lost", sum(a and not b for a, b in pairs), count),
            Figure("p", mcnemar_p(before, right), count),
        ]
    return Row(name, figures, scores)


AGAINST: Mapping[str, Shown] = {"right": "interval", "gained": "count", "lost": "count", "p": "p"}
"""The columns of `against`."""


def markdown(part: Part) -> str:
    """The part as a Markdown table."""
    lines = [[part.first, *part.columns], ["---"] * (1 + len(part.columns)), *cells(part)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def csv_text(parts: Sequence[Part]) -> str:
    """A line for each figure of the parts, in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["part", "row", "figure", "value", "n", "low", "high"])
    for part in parts:
        for row in part.rows:
            for f in row.figures:
                ends = ["" if end is None else end for end in (f.low, f.high)]
                writer.writerow([part.name, row.name, f.name, f.value, f.n, *ends])
    return text.getvalue()


def latex(part: Part) -> str:
    """The part as a LaTeX tabular, its texts escaped."""
    lines = [[part.first, *part.columns], *cells(part)]
    head, *body = [" & ".join(map(_escaped, line)) + r" \\" for line in lines]
    return "\n".join(
        [
            f"% {_escaped(part.title)}",
            rf"\begin{{tabular}}{{l{'r' * len(part.columns)}}}",
            r"\hline",
            head,
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
        ]
    )


def cells(part: Part) -> list[list[str]]:
    """The table as texts: of each row its name, and its figures as they are shown."""
    found = []
    for row in part.rows:
        figures = {figure.name: figure for figure in row.figures}
        cells = [_shown(figures.get(name), how) for name, how in part.columns.items()]
        found.append([row.name, *cells])
    return found


def _shown(figure: Figure | None, how: Shown) -> str:
    if figure is None:
        return ""
    if how == "count":
        return f"{figure.value:.0f}"
    if how == "p":
        return f"{figure.value:.2g}"
    if how == "interval" and figure.low is not None and figure.high is not None:
        return f"{figure.value:.3f} ({figure.low:.2f} to {figure.high:.2f})"
    return f"{figure.value:.2f}"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "Ψ": r"$\Psi$",
    "α": r"$\alpha$",
    "σ": r"$\sigma$",
    "λ": r"$\lambda$",
    "×": r"$\times$",
    "−": r"$-$",
    "½": r"$\frac12$",
    "±": r"$\pm$",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


# --------------------------------------------------------------------------------------------------------- files


def write_part(folder: Path, part: Part) -> None:
    """Write a part: table.jsonl has its items, and each row a folder with the scores of these and its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "table.jsonl") as file:
        for item in part.items:
            line: dict[str, Json] = {"item": item.name, "image": None, "query": item.query, "prompt": item.query}
            file.write(f"{json.dumps(line)}\n".encode("ascii"))
    for name, row in zip(folder_names([row.name for row in part.rows]), part.rows, strict=True):
        own = folder / name
        own.mkdir(exist_ok=True)
        write_figures(own, row.figures)
        if row.scores:
            write_scores(own, row.scores)


def folder_names(names: Sequence[str]) -> list[str]:
    """A name of small letters, digits and hyphens for each, no two alike."""
    found: list[str] = []
    for name in names:
        letters = "".join(_GREEK.get(c, c) for c in name)
        plain = unicodedata.normalize("NFKD", letters).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "row"
        count = sum(other == base or other.startswith(f"{base}~") for other in found)
        found.append(f"{base}~{count + 1}" if count else base)
    return found


_GREEK = {"Ψ": "psi-", "α": "alpha-", "σ": "sigma-", "λ": "lambda-", "×": "x"}
