"""What stands in a figure: rows of a run, and in each the pictures and texts of the chosen columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from api_graph.errors import BadInput
from api_graph.folders import Folders, inside
from api_graph.report.facts import Facts, facts_of
from api_graph.report.journals import journals_in, mapping
from api_graph.report.row import image_of
from api_graph.report.text import clean, clipped
from api_graph.table.records import RowResult
from api_graph.table.results import read_results
from api_graph.table.tars import is_in_tar

COLUMNS = "image,map,annotated,answer"
FIRST_ROWS = 4
MOST_ROWS, MOST_COLUMNS = 50, 20
TABLE = "table."
"""Before a name: the table's column, and nothing else of that name."""

Kind = Literal["picture", "map", "grey", "text"]
_WORDS = ("image", "map", "annotated", "answer")
_OVERLAYS = ("APOverlay", "APPreviewHeatmap")
_GREY_HEATMAP = "APSaveHeatmap"
_MOST_TEXT, _MOST_ERROR = 2000, 200


@dataclass(frozen=True)
class Colours:
    """What the colours of a map are: the name of the colour map, and how strongly they lie over the image."""

    colormap: str
    opacity: float


@dataclass(frozen=True)
class Picture:
    """A picture in a cell. `image` is the one that a grey map belongs to, where it is known."""

    path: Path
    image: Path | None = None


@dataclass(frozen=True)
class Column:
    """A column. A "grey" one holds heatmaps without colours, a "map" those that have some: `colours`, where known."""

    heading: str
    kind: Kind
    colours: Colours | None = None


@dataclass(frozen=True)
class Grid:
    """A figure's content. A cell is a picture, a text, or None; `notes` say what is missing and why."""

    columns: Sequence[Column]
    rows: Sequence[int]
    cells: Sequence[Sequence[Picture | str | None]]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Source:
    """Where a column's cells come from: a cell of each row, and what kind they are."""

    kind: Kind
    cell: Callable[[RowResult], Picture | str | None]
    colours: Colours | None = None


def grid_of(folder: Path, rows: str | None, columns: str | None) -> Grid:
    """The cells of a figure. Without `columns` those of COLUMNS that the run has; `notes` say what was chosen.

    Raises BadInput for a row or a column that is not there, and for an ambiguous one.
    """
    names = None if rows is None else row_numbers(rows)
    chosen, count = _chosen(folder, names)
    if not any(row.ok for row in chosen):
        hint = f"Row {chosen[0].number} failed: {clipped(chosen[0].error or '', _MOST_ERROR)}" if chosen else ""
        raise BadInput("no row of these has a result", input="--rows", value=rows, hint=hint)
    run = _Run(folder, chosen)
    if columns is None:
        wanted, sources, chosen_ones = run.usual()
    else:
        wanted, chosen_ones = _columns(columns), []
        sources = [run.source(name) for name, _ in wanted]
    cells = [[source.cell(row) for source in sources] for row in chosen]
    notes = chosen_ones + [
        f"row {row.number} has no {name}" + (f": {clipped(row.error, _MOST_ERROR)}" if row.error is not None else "")
        for row, line in zip(chosen, cells, strict=True)
        for (name, _), cell in zip(wanted, line, strict=True)
        if cell is None
    ]
    if rows is None and len(chosen) < count:
        notes.insert(0, f"the first {len(chosen)} of {count:,} rows are shown; choose with --rows")
    found = [Column(heading, source.kind, source.colours) for (_, heading), source in zip(wanted, sources, strict=True)]
    return Grid(found, [row.number for row in chosen], cells, notes)


def row_numbers(text: str) -> list[int]:
    """The rows that a text names: "0,4,7-9" are rows 0, 4, 7, 8 and 9, in this order."""
    found: dict[int, None] = {}
    hint = "Give numbers from 0, as in 0,4,7-9."
    for part in text.split(","):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(end.isascii() and end.isdigit() and len(end) < 16 for end in ends):
            raise BadInput("this is no row", input="--rows", value=part, hint=hint)
        first, last = int(ends[0]), int(ends[-1])
        if first > last:
            raise BadInput("its end is before its start", input="--rows", value=part, hint=hint)
        if last - first >= MOST_ROWS or len(found) > MOST_ROWS:
            raise BadInput(f"a figure has at most {MOST_ROWS} rows", input="--rows", value=text)
        found |= dict.fromkeys(range(first, last + 1))
    if len(found) > MOST_ROWS:
        raise BadInput(f"a figure has at most {MOST_ROWS} rows", input="--rows", value=text)
    return list(found)


def _columns(text: str) -> list[tuple[str, str]]:
    """The columns' names and headings: "image, map=Our map" are two, the second under another heading."""
    parts = next(csv.reader([text], skipinitialspace=True), [])
    found: list[tuple[str, str]] = []
    for part in parts:
        name, is_named, heading = part.partition("=")
        if not name.strip():
            hint = f"Name columns with commas between them, as in {COLUMNS}."
            raise BadInput("a column has no name", input="--columns", value=text, hint=hint)
        found.append((name.strip(), clean((heading if is_named else name.removeprefix(TABLE)).strip())))
    if not 0 < len(found) <= MOST_COLUMNS:
        raise BadInput(f"a figure has 1 to {MOST_COLUMNS} columns", input="--columns", value=text)
    return found


def _chosen(folder: Path, numbers: Sequence[int] | None) -> tuple[list[RowResult], int]:
    """The rows of these numbers, in this order, or the first ones; and how many there are in all."""
    results = read_results(folder)
    if numbers is None:
        return [row for row, _ in zip(results, range(FIRST_ROWS), strict=False)], len(results)
    wanted, found, last = set(numbers), dict[int, RowResult](), -1
    for row in results:
        last = row.number
        if row.number in wanted:
            if row.number in found:
                problem = "two lines of the results are of this row"
                raise BadInput(problem, input="--rows", value=row.number, hint="See `api-graph verify DIR`.")
            found[row.number] = row
    missing = [number for number in numbers if number not in found]
    if missing:
        hint = f"It has {len(results):,} rows; the last one is {last}."
        raise BadInput("there are no results of it", input="--rows", value=missing[0], hint=hint)
    return [found[number] for number in numbers], len(results)


class _Run:
    """One run, and where its columns come from."""

    def __init__(self, folder: Path, rows: Sequence[RowResult]) -> None:
        journals = journals_in(folder)
        self._facts: Facts = facts_of(journals)
        self._manifest = journals[0].manifest
        self._rows = rows
        self._root = rows[0].folder
        self._folders = Folders(inputs=tuple(self._facts.inputs), output=folder, temp=folder)
        titles = mapping(self._manifest.get("results"))
        self._saved = {
            node: str(titles.get(node, node)) for row in rows for node in row.names
        }  # by node, what its results are called

    def source(self, name: str) -> _Source:
        """Where the cells of the column `name` come from."""
        if name == "image":
            return _Source("picture", self._image)
        if name == "map":
            return self._only_picture(name, [node for node in self._saved if self._facts.makes_heatmaps(node)])
        if name == "annotated":
            return self._only_picture(name, [node for node in self._saved if not self._facts.makes_heatmaps(node)])
        if name == "answer":
            return self._answer()
        return self._named(name)

    def usual(self) -> tuple[list[tuple[str, str]], list[_Source], list[str]]:
        """The columns of COLUMNS that the run has, with their sources; of several that one could be, which it is."""
        wanted: list[tuple[str, str]] = []
        sources: list[_Source] = []
        notes: list[str] = []
        for name, heading in _columns(COLUMNS):
            could = self._could_be(name)
            if name == "image" or could:
                wanted.append((name, heading))
                sources.append(self._one_of(could) if could else self.source(name))
            if len(could) > 1:
                others = _listed(f"{title}={name}" for title in could[1:])
                notes.append(f"{name} is {could[0]}; for another say --columns, with {others} in it")
        if len(wanted) < 2:
            self.source("annotated")  # says what there is
        return wanted, sources, notes

    def _could_be(self, name: str) -> list[str]:
        """The titles that a word of COLUMNS could mean; of maps those in colours first."""
        if name == "answer":
            return self._answers()
        nodes = [node for node in self._saved if name == ("map" if self._facts.makes_heatmaps(node) else "annotated")]
        return [self._saved[node] for node in sorted(nodes, key=lambda node: self._colours(node) is None)]

    def _one_of(self, titles: Sequence[str]) -> _Source:
        nodes = [node for node, title in self._saved.items() if title == titles[0]]
        return self._picture(nodes[0]) if nodes else self._output(titles[0], "text")

    def _only_picture(self, name: str, nodes: Sequence[str]) -> _Source:
        if len(nodes) == 1:
            return self._picture(nodes[0])
        titles = [self._saved[node] for node in nodes]
        if titles:
            problem, hint = f"it may be {' or '.join(titles)}", "Name one by its title."
        else:
            problem, hint = "the graph saved no such picture", f"It has {self._there()}."
        raise BadInput(problem, input="--columns", value=name, hint=hint)

    def _answer(self) -> _Source:
        """The text that the graph shows; of several, the one that is called Answer."""
        found = self._answers()
        if len(found) == 1:
            return self._output(found[0], "text")
        if found:
            raise BadInput(
                f"it may be {' or '.join(found)}", input="--columns", value="answer", hint="Name one by its title."
            )
        hint = f"It has {self._there()}."
        raise BadInput("the graph showed no text", input="--columns", value="answer", hint=hint)

    def _answers(self) -> list[str]:
        """The texts that may be the answer: the one called so, or else all that are shown."""
        shown = [name for name in self._titles() if any("text" in row.named.get(name, {}) for row in self._rows)]
        return [name for name in shown if name.casefold() == "answer"] or shown

    def _named(self, name: str) -> _Source:
        """The column of the table, or what a node gave: its picture, its text, or the output after the last dot."""
        column = name.removeprefix(TABLE)
        in_table = any(column in row.values for row in self._rows)
        if name.startswith(TABLE) and in_table:
            return _Source("text", lambda row: _shown(row.values.get(column)))
        nodes = [node for node, title in self._saved.items() if title == name]
        title, _, output = name.rpartition(".")
        found: list[_Source] = [self._picture(node) for node in nodes]
        if not nodes and any("text" in row.named.get(name, {}) for row in self._rows):
            found.append(self._output(name, "text"))
        if any(output in row.named.get(title, {}) for row in self._rows):
            found.append(self._output(title, output))
        if in_table:
            found.append(_Source("text", lambda row: _shown(row.values.get(column))))
        if len(found) == 1:
            return found[0]
        if found:
            hint = f"For the table's write {TABLE}{column}; rename the node for its own."
            problem = "the table has such a column, and the graph a node of this title"
            raise BadInput(problem, input="--columns", value=name, hint=hint)
        raise BadInput("there is no such column", input="--columns", value=name, hint=f"It has {self._there()}.")

    def _titles(self) -> list[str]:
        return list(dict.fromkeys(name for row in self._rows for name in row.named))

    def _there(self) -> str:
        """What can be named."""
        outputs = {f"{t}.{o}": None for row in self._rows for t, given in row.named.items() for o in given}
        saved = [name.removesuffix(".files") for name in outputs]
        values = dict.fromkeys(name for row in self._rows for name in row.values)
        words = [name for name in ("image",) if self._facts.image or self._facts.image_columns]
        return _listed([*words, *saved, *(f"{TABLE}{name}" if name in _WORDS else name for name in values)])

    def _output(self, title: str, output: str) -> _Source:
        if output == "files":
            return self._named(title)
        return _Source("text", lambda row: _shown(row.named.get(title, {}).get(output)))

    def _picture(self, node: str) -> _Source:
        if self._facts.class_type(node) == _GREY_HEATMAP:
            return _Source("grey", lambda row: self._file(row, node, self._image_file(row)))
        colours = self._colours(node)
        kind = "map" if colours is not None or self._facts.makes_heatmaps(node) else "picture"
        return _Source(kind, lambda row: self._file(row, node, None), colours)

    def _file(self, row: RowResult, node: str, image: Path | None) -> Picture | None:
        names = row.names.get(node, ())
        if not names:
            return None
        if len(names) > 1:
            problem = f"row {row.number} has {len(names)} pictures of it, and a cell holds one"
            raise BadInput(problem, input="--columns", value=self._saved[node])
        path = inside(self._root, names[0])
        if path is not None and is_in_tar(path):
            hint = "Run the same with another --out and without --tar; `api-graph report` shows those in tars, too."
            raise BadInput("the pictures of this run lie in tars", input="DIR", value=names[0], hint=hint)
        if path is None or not path.is_file():
            hint = "See `api-graph verify DIR`."
            raise BadInput(f"the picture of row {row.number} is not there", input="DIR", value=names[0], hint=hint)
        return Picture(path, image)

    def _image(self, row: RowResult) -> Picture | None:
        name, path = image_of(row.values, self._facts), self._image_file(row)
        if path is None and name and row.ok:
            hint = f"Put it where it was: {_listed(str(folder) for folder in self._facts.inputs)}."
            raise BadInput(f"the image of row {row.number} is not there", input="DIR", value=name, hint=hint)
        return None if path is None else Picture(path)

    def _image_file(self, row: RowResult) -> Path | None:
        try:
            return self._folders.input_file(image_of(row.values, self._facts))
        except (BadInput, OSError, ValueError):  # ValueError: a name that no file system allows
            return None

    def _colours(self, node: str) -> Colours | None:
        """The colours in the pictures of a node: those of the overlay that it saves. None where rows set them."""
        for id in (node, *_links(mapping(self._facts.graph.get(node)))):
            if self._facts.class_type(id) in _OVERLAYS:
                given = {**mapping(mapping(self._manifest.get("defaults")).get(id)), **_inputs(self._facts.graph, id)}
                bound = [at for at in mapping(self._manifest.get("bindings")).values() if isinstance(at, list)]
                colormap, opacity = given.get("colormap"), given.get("opacity")
                by_rows = [id, "colormap"] in bound or [id, "opacity"] in bound
                if isinstance(colormap, str) and isinstance(opacity, int | float) and not by_rows:
                    return Colours(colormap, float(opacity))
        return None


def _inputs(graph: Mapping[str, object], id: str) -> Mapping[str, object]:
    return mapping(mapping(graph.get(id)).get("inputs"))


def _links(node: Mapping[str, object]) -> list[str]:
    """The nodes that a node is linked to."""
    values = mapping(node.get("inputs")).values()
    return [value[0] for value in values if isinstance(value, list) and value and isinstance(value[0], str)]


def _shown(value: object) -> str | None:
    """A value as a text: the only item of a list, numbers to four figures."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean(text[:_MOST_TEXT])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' if "," in name else name for name in names) or "none"
