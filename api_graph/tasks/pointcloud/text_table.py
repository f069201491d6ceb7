"""Point clouds as text, a line for each point: columns by name, decimals with a point or a comma, a count above."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.tasks.pointcloud.columns import chosen, named, steps_of
from api_graph.tasks.record import bad_record, text_lines

_POINT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_NOTHING = {"", "na", "n/a", "#n/a", "null", "none", "-nan(ind)", "nan(ind)"}
_COMMENTS = ("#", "//")
_AMBIGUOUS = "its commas may part numbers or be decimal commas"
_WITH_POINTS = "Save it with decimal points, or with semicolons between the numbers."


@dataclass(frozen=True)
class Row:
    """A line of the file, and its cells."""

    number: int
    line: str
    cells: list[str]


def is_number(cell: str) -> bool:
    """Whether a cell says a number, with a decimal point or a decimal comma."""
    return bool(_POINT.fullmatch(cell) or _COMMA.fullmatch(cell))


def read_table(path: Path, text: str, columns: str = "") -> NDArray[np.float64]:
    """The points, (N, 3); a cell that is empty, NA or NaN is NaN.

    Raises BadInput, with file, line and what helps, where it is not clear which columns are x, y and z, what a comma
    means, or where a row does not fit the names above.
    """
    lines = [(number, line.strip(" \r")) for number, line in enumerate(text_lines(text), 1)]
    lines = [(number, line) for number, line in lines if line.strip(" \t,;")]
    headings, rows = _parted(lines)
    _check_count(path, rows)
    if not rows:
        return np.empty((0, 3))
    names = _names(path, headings, rows, columns)
    width = len(rows[0].cells) if names is None else max(len(names), len(_trimmed(rows[0].cells, len(names))))
    rows = [_fitted(path, row, names, width) for row in rows]
    if names is None:
        _check_commas(path, rows, columns)
    return _numbers(path, rows, _places(path, names, rows, columns))


def _parted(lines: list[tuple[int, str]]) -> tuple[list[Row], list[Row]]:
    """What stands above the numbers, comments too, and the lines of numbers."""
    headings: list[Row] = []
    rows: list[Row] = []
    for number, line in lines:
        comment = next((mark for mark in _COMMENTS if line.lstrip().startswith(mark)), "")
        if comment:
            if not rows:
                headings.append(Row(number, "", _cells(line.strip()[len(comment) :].strip(), heading=True)))
            continue
        cells = _cells(line)
        if rows or any(map(is_number, cells)):
            rows.append(Row(number, line, cells))
        else:
            headings.append(Row(number, line, _cells(line, heading=True)))
    if len(rows) > 1 and _only_counts(rows[0]) and not _only_counts(rows[1]) and "." in rows[1].line:
        headings.append(rows.pop(0))
    return headings, rows


def _only_counts(row: Row) -> bool:
    """Whether a line says 0, 1, 2, ..., as pandas writes it above columns without names."""
    cells = row.cells[1:] if row.cells[0] == "" else row.cells
    return len(cells) >= 3 and cells == [str(index) for index in range(len(cells))]


def _cells(line: str, heading: bool = False) -> list[str]:
    """The cells of a line: parted by ; or tabs or commas, or by blanks where the commas stand inside the numbers."""
    separator = next((mark for mark in ";\t," if mark in line), None)
    words = line.split()
    if separator == "\t" and not heading and any(word.endswith(",") for word in words[:-1]):
        separator = ","
    if separator == "," and not heading and len(words) > 2 and all(word == word.strip(",") for word in words):
        separator = None  # blanks part the numbers: a comma inside one is a decimal comma
    if separator is None:
        return words
    if '"' in line:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]
    cells = [cell.strip() for cell in line.split(separator)]
    blanks = separator == "\t" and not heading and any(" " in cell for cell in cells)
    return words if blanks else cells


def _check_count(path: Path, rows: list[Row]) -> None:
    """Take the count off that .pts files begin with; BadInput if it does not count the rows."""
    if len(rows) < 2 or not re.fullmatch(r"[0-9]+", rows[0].line) or len(rows[1].cells) == 1:
        return
    count = rows.pop(0)
    if len(count.line) > 18 or int(count.line) != len(rows):
        problem = f"{count.line} points are announced, and there are {len(rows)}"
        raise bad_record(path, problem, line=count.number, hint="Is the file cut off?")


def _names(path: Path, headings: list[Row], rows: list[Row], columns: str) -> list[str] | None:
    """The names of the columns: of the last line above the numbers that has x, y and z and fits the first row."""
    width = len(rows[0].cells)
    trimmed = [Row(row.number, row.line, _trimmed(row.cells, width)) for row in headings]
    fitting = [row for row in trimmed if len(row.cells) == width or (row.line and len(row.cells) == width - 1)]
    if columns:
        whole = [row.cells for row in fitting if len(row.cells) == width]
        return whole[-1] if whole else None
    for row in reversed(fitting):
        if named(row.cells) is not None:
            return row.cells
    if not any(row.line for row in headings):
        return None
    heading = [row for row in headings if row.line][-1]
    if named(heading.cells) is not None:
        raise _unfit(path, rows[0], len(heading.cells))
    hint = 'Say which they are: columns = "1 2 3", counted from 1, or their names.'
    raise bad_record(path, "no columns are called x, y and z", line=heading.number, value=heading.line, hint=hint)


def _unfit(path: Path, row: Row, names: int) -> BadInput:
    problem = f"the row has {len(row.cells)} cells, and {names} columns are named"
    hint = _WITH_POINTS if "," in row.line else 'Correct it, or say which are x, y and z: columns = "2 3 4".'
    return bad_record(path, problem, line=row.number, value=row.line, hint=hint)


def _trimmed(cells: list[str], width: int) -> list[str]:
    """Cells without empty ones behind the last separator."""
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells


def _fitted(path: Path, row: Row, names: list[str] | None, width: int) -> Row:
    """The row, as wide as the first one where columns have names; BadInput if it is not, or has no three cells."""
    cells = row.cells if names is None else _trimmed(row.cells, width)
    if len(cells) < 3:
        raise bad_record(path, "a point needs x, y and z", line=row.number, value=row.line)
    if names is not None and len(cells) != width:
        raise _unfit(path, row, len(names))
    return Row(row.number, row.line, cells)


def _check_commas(path: Path, rows: list[Row], columns: str) -> None:
    """BadInput where 0,5,1,25,2,5 may be six whole numbers or three with decimal commas."""
    parted = [row for row in rows if "," in row.line and not re.search(r"[.;\t\"]|\d[eE]", row.line)]
    if columns or len(parted) < len(rows) or any(len(row.cells) < 5 for row in rows):
        return
    widths = {len(row.cells) for row in rows}
    pairs = all(len(row.cells) % 2 == 0 and all(map(str.isdigit, row.cells[1::2])) for row in rows)
    if pairs or len(widths) > 1:
        hint = f'{_WITH_POINTS} If they are whole numbers, say columns = "1 2 3".'
        raise bad_record(path, _AMBIGUOUS, line=rows[0].number, value=rows[0].line, hint=hint)


def _places(path: Path, names: list[str] | None, rows: list[Row], columns: str) -> tuple[int, int, int]:
    """Which cells of a row are x, y and z."""
    width = min(len(row.cells) for row in rows)
    if columns:
        return chosen(columns, names, width)
    if names is not None:
        x, y, z = named(names) or (0, 1, 2)
        if width == len(names):
            return x, y, z
        if _counts(rows) == "index":  # as R and pandas write row names: a cell more than names
            return x + 1, y + 1, z + 1
        raise _unfit(path, rows[0], len(names))
    told = _counts(rows) if width > 3 else "none"
    if told == "unsure":
        hint = 'Say it: columns = "1 2 3" if that is x, "2 3 4" if it is an index.'
        problem = "the first column counts the points, so it may be an index and no x"
        raise bad_record(path, problem, line=rows[0].number, value=rows[0].line, hint=hint)
    if told == "index":
        said = f"{path.name}: the first column counts the points; x, y, z are the next"
        warnings.warn(said, ApiGraphWarning, stacklevel=5)
        return 1, 2, 3
    return 0, 1, 2


def _counts(rows: list[Row]) -> str:
    first = [row.cells[0] for row in rows]
    if not all(map(is_number, first)) or "," in "".join(first):
        return "none"
    values = np.array([[_value(cell) for cell in row.cells[:4]] for row in rows])
    return steps_of(values, written_whole=all(map(str.isdigit, first)))


def _value(cell: str) -> float:
    """The number of a cell; NaN where it has none."""
    return float(cell.replace(",", ".")) if is_number(cell) else np.nan


def _numbers(path: Path, rows: list[Row], places: Sequence[int]) -> NDArray[np.float64]:
    commas: list[str] = []
    points = np.empty((len(rows), 3))
    for index, row in enumerate(rows):
        for axis, place in enumerate(places):
            cell = row.cells[place]
            if _POINT.fullmatch(cell):
                points[index, axis] = float(cell)
            elif _COMMA.fullmatch(cell) and not (_THOUSANDS.fullmatch(cell) and cell.count(",") > 1):
                points[index, axis] = float(cell.replace(",", "."))
                commas.append(cell)
            elif cell.lower() in _NOTHING:
                points[index, axis] = np.nan
            else:
                hint = f"{_AMBIGUOUS.capitalize()}. {_WITH_POINTS}" if "," in cell else "Correct the file."
                raise bad_record(path, "this is no number", line=row.number, field="xyz"[axis], value=cell, hint=hint)
    if commas:
        _check_decimals(path, rows, places, commas)
    return points


def _check_decimals(path: Path, rows: list[Row], places: Sequence[int], commas: list[str]) -> None:
    """BadInput where commas may part thousands: beside decimal points, or always before three digits."""
    dotted = next((row for row in rows if any("." in row.cells[place] for place in places)), None)
    if dotted is not None:
        problem = "some numbers have a decimal point, and others a comma"
        raise bad_record(path, problem, line=dotted.number, value=dotted.line, hint=_WITH_POINTS)
    if all(map(_THOUSANDS.fullmatch, commas)):
        problem = "its commas may part thousands or be decimal commas"
        raise bad_record(path, problem, value=commas[0], hint="Save it with decimal points and without thousands.")
