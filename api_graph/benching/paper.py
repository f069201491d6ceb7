"""A paper's table from what was run: its figures beside ours, and how each of its benchmarks is to be run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.bench.papers import PaperTable
from api_graph.bench.scores import FIGURES, Figure, read_figures
from api_graph.bench.tables import is_fraction, markdown_table, shown_interval, shown_value, tex_table
from api_graph.errors import BadInput
from api_graph.table.output import whole_file

_NONE = "–"


def graphs_of(table: PaperTable, given: Mapping[str, str]) -> dict[str, str]:
    """By row's name its graph: the shipped one, or the one that the user names. Raises BadInput for no such row."""
    names = [row.name for row in table.rows]
    for name in given:
        if name not in names:
            hint = f"There are: {', '.join(names)}."
            raise BadInput("the table has no such row", input="--graph", value=name, hint=hint)
    graphs = {row.name: given.get(row.name, row.graph) for row in table.rows}
    return {name: graph for name, graph in graphs.items() if graph is not None}


def settings_of(
    table: PaperTable, graphs: Mapping[str, str], models: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """The settings of all rows, as `bench` takes them: the paper's models, or those given by role. `given` goes before.

    Raises BadInput for a role that the table does not have.
    """
    for role in models:
        if role not in table.models:
            hint = f"There are: {', '.join(table.models)}."
            raise BadInput("no model of this table has that name", input="--model", value=role, hint=hint)
    chosen, found = {**table.models, **models}, dict[str, str]()
    for row in table.rows:
        if graphs.get(row.name) == row.graph:
            found |= {f"{row.name}:{input}": chosen[role] for role, input in row.models.items()}
            found |= {f"{row.name}:{input}": value for input, value in row.settings.items()}
    unset = {key: value for key, value in found.items() if key.partition(":")[2] not in given}
    return {**unset, **given}


@dataclass(frozen=True)
class PaperCell:
    """A figure of a paper, in its units, and ours, None where it was not run."""

    row: str
    column: str
    reported: float | None
    figure: Figure | None

    def shown(self) -> str:
        """Ours: "61.26 [59.8, 62.7]"."""
        if self.figure is None:
            return _NONE
        return f"{shown_value(self.figure)} {shown_interval(self.figure)}".strip()

    def value(self) -> float | None:
        """Ours, in the paper's units."""
        if self.figure is None:
            return None
        return 100 * self.figure.value if is_fraction(self.figure) else self.figure.value


def cells_of(table: PaperTable, out: Path) -> list[PaperCell]:
    """All cells, row by row, from the figures below `out`. Raises BadInput for a file of figures that is damaged."""
    found: list[PaperCell] = []
    for row in table.rows:
        for column, reported in zip(table.columns, row.reported, strict=True):
            folder = out / column.benchmark / row.name
            figures = read_figures(folder) if (folder / FIGURES).is_file() else []
            figure = next((figure for figure in figures if figure.name == column.figure), None)
            found.append(PaperCell(row.title, column.title, reported, figure))
    return found


def laid_out(table: PaperTable, cells: Sequence[PaperCell]) -> tuple[list[str], list[list[str]]]:
    """The headings and the lines of the table: ours, and the paper's figure beside it."""
    headings = [table.title, *(text for column in table.columns for text in (column.title, "paper"))]
    lines: list[list[str]] = []
    for row in table.rows:
        own = [cell for cell in cells if cell.row == row.title]
        lines.append([row.title, *(text for cell in own for text in (cell.shown(), _reported(cell)))])
    return headings, lines


def _reported(cell: PaperCell) -> str:
    return _NONE if cell.reported is None else f"{cell.reported:g}"


def write_paper(table: PaperTable, cells: Sequence[PaperCell], out: Path) -> list[Path]:
    """Write OUT/paper.md, .csv and .tex. Raises WriteFailed."""
    headings, lines = laid_out(table, cells)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "column", "paper", "value", "low", "high", "n"))
    for cell in cells:
        low, high = _interval(cell)
        n = cell.figure.n if cell.figure is not None else None
        writer.writerow((cell.row, cell.column, cell.reported, cell.value(), low, high, n))
    notes = f"\n{table.notes}\n" if table.notes else ""
    written = {
        "md": markdown_table(headings, lines) + notes,
        "csv": text.getvalue(),
        "tex": tex_table(headings, lines),
    }
    for ending, content in written.items():
        with whole_file(out / f"paper.{ending}") as file:
            file.write(content.encode())
    return [out / f"paper.{ending}" for ending in written]


def _interval(cell: PaperCell) -> tuple[float | None, float | None]:
    if cell.figure is None or cell.figure.low is None or cell.figure.high is None:
        return None, None
    factor = 100 if is_fraction(cell.figure) else 1
    return factor * cell.figure.low, factor * cell.figure.high
