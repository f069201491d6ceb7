"""The items of one run and their scores: a benchmark's, or a figure that its graph gave for each row."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from api_graph.bench.answers import is_right
from api_graph.bench.scores import SCORES, read_scores
from api_graph.comparison.sides import Side
from api_graph.errors import BadInput
from api_graph.table.export import Column, flat_columns
from api_graph.table.records import RowResult
from api_graph.table.results import Results

ITEM = "item"
"""The column by which rows are told apart where every table has it."""

_NUMBERS = ("bool", "int", "float")
_MOST_NAMED = 12


@dataclass(frozen=True)
class Item:
    """One item. `name` is what people know it by, `row` its row's number, `score` None where it has none.

    `truth` is what its answer was measured by, and `category` the group of items that it belongs to. `key` is its
    row's, where it was measured by a figure.
    """

    name: str
    row: int
    score: float | None
    category: str | None = None
    truth: tuple[str, ...] = ()
    key: str = ""


@dataclass(frozen=True)
class Question:
    """What is to be compared. All None: the benchmark's scores, or the only figure that there is.

    `figure` is the title of results, or `title.output`. With `truth`, a column, it is a text that is right where it
    says what the column says. Rows are told apart by the columns `on`. `by` is a column whose values are categories.
    """

    figure: str | None = None
    truth: str | None = None
    on: Sequence[str] = ()
    by: str | None = None


@dataclass(frozen=True)
class Measured:
    """The items of one side by what tells them apart. `percent`: every score is a share."""

    figure: str
    percent: bool
    items: Mapping[str, Item]


def measured(sides: Sequence[Side], question: Question) -> list[Measured]:
    """The items of each side. Raises BadInput for what is not there, and for what could be read in several ways."""
    scored = [side for side in sides if side.is_scored]
    if scored and question.figure is None and question.truth is None:
        lacking = [side for side in sides if not side.is_scored]
        if lacking:
            problem = f"it has no {SCORES}, which {scored[0].name!r} has"
            hint = "Score it with `api-graph bench score`, or choose a figure of both with --figure."
            raise BadInput(problem, input="DIR", value=str(lacking[0].folder), hint=hint)
        if question.on:
            problem = "a benchmark's items are told apart by their names"
            raise BadInput(problem, input="--on", value=list(question.on), hint="Leave it out.")
        return [_scores(side, question.by) for side in sides]
    return _figures(sides, question)


def _scores(side: Side, by: str | None) -> Measured:
    categories: dict[int, str | None] = {}
    if by is not None:
        rows = Results(side.folder)
        _check_columns(side, list(dict.fromkeys(name for row in rows for name in row.values)), {"--by": by})
        categories = {row.number: _category(row, by) for row in rows}
    items: dict[str, Item] = {}
    for score in read_scores(side.folder):
        category = score.category if by is None else categories.get(score.row)
        truth = (score.truth,) if isinstance(score.truth, str) else score.truth
        items[score.item] = Item(f"item {score.item}", score.row, score.score, category, truth)
    return Measured("score", True, items)


def _figures(sides: Sequence[Side], question: Question) -> list[Measured]:
    results = [Results(side.folder) for side in sides]
    columns = [flat_columns(rows) for rows in results]
    for side, own in zip(sides, columns, strict=True):
        there = [column.place[1] for column in own if column.place[0] == "values"]
        _check_columns(side, there, {"--truth": question.truth, "--by": question.by})
    usable = [_usable(own, text=question.truth is not None) for own in columns]
    if question.truth is None and question.figure is not None:
        _check_no_answer(question.figure, _usable(columns[0], text=True), usable[0])
    name = question.figure or _only_figure(sides, usable, question, columns[0])
    chosen = [_chosen(side, there, name) for side, there in zip(sides, usable, strict=True)]
    names = sorted({_full_name(column) for column in chosen})
    if len(names) > 1:  # a title that has one output here and another one there
        raise BadInput(f"it is {names[0]} of one folder and {names[1]} of another", input="--figure", value=name)
    on = list(question.on)
    if not on and all(all(ITEM in row.values for row in rows) for rows in results):
        on = [ITEM]
    percent = question.truth is not None or all(column.kind == "bool" for column in chosen)
    return [
        Measured(names[0], percent, _items(side, rows, column, question, on))
        for side, rows, column in zip(sides, results, chosen, strict=True)
    ]


def _check_columns(side: Side, there: Sequence[str], asked: Mapping[str, str | None]) -> None:
    for option, column in asked.items():
        if column is not None and column not in there:
            hint = f"It has {_listed(there)}."
            raise BadInput(f"the table of {side.name} has no such column", input=option, value=column, hint=hint)


def _check_no_answer(name: str, texts: Sequence[Column], numbers: Sequence[Column]) -> None:
    """Raise BadInput for a figure that is a text alone: nobody has said when it is right."""
    if any(name in (_full_name(one), one.place[1]) for one in numbers):
        return
    if any(name in (_full_name(one), one.place[1]) for one in texts):
        hint = "Say with --truth which column of the table has the right one."
        raise BadInput("it is a text, and no number", input="--figure", value=name, hint=hint)


def _full_name(column: Column) -> str:
    return f"{column.place[1]}.{column.place[2]}"


def _usable(columns: Iterable[Column], *, text: bool) -> list[Column]:
    """The columns of results that have one number, or one text, for each row."""
    kinds = ("text",) if text else _NUMBERS
    return [each for each in columns if each.place[0] == "results" and not each.lists and each.kind in kinds]


def _only_figure(
    sides: Sequence[Side], usable: Sequence[Sequence[Column]], question: Question, columns: Sequence[Column]
) -> str:
    """The figure that all sides have, where it is the only one. `columns` are all of the first."""
    names = [[_full_name(column) for column in own] for own in usable]
    shared = [name for name in names[0] if all(name in others for others in names[1:])]
    if len(shared) == 1:
        return shared[0]
    if shared:
        texts = [_full_name(one) for one in _usable(columns, text=True) if one.place[2] == "text"]
        offered = f"; or, with --truth COLUMN, one of the texts: {_listed(texts)}" if texts else ""
        answers = "" if question.truth else offered
        hint = f"Choose one with --figure: {_listed(shared)}{answers}."
        raise BadInput("there are several figures, and none is chosen", input="--figure", hint=hint)
    what = "text" if question.truth else "number"
    hint = "" if question.truth else " To compare answers, say with --truth which column has the right ones."
    there = "; ".join(f"{side.name}: {_listed(own)}" for side, own in zip(sides, names, strict=True))
    raise BadInput(f"no {what} is among the results of every folder ({there})", input="--figure", hint=hint.strip())


def _chosen(side: Side, usable: Sequence[Column], name: str) -> Column:
    """The column called `name`, or the only one of the title `name`."""
    exact = [column for column in usable if _full_name(column) == name]
    found = exact or [column for column in usable if column.place[1] == name]
    if len(found) == 1:
        return found[0]
    if found:
        hint = f"Choose one: {_listed([_full_name(column) for column in found])}."
        raise BadInput(f"{side.name} has several figures of this title", input="--figure", value=name, hint=hint)
    hint = f"It has {_listed([_full_name(column) for column in usable])}."
    raise BadInput(f"{side.name} has no such figure", input="--figure", value=name, hint=hint)


def _items(side: Side, rows: Results, column: Column, question: Question, on: Sequence[str]) -> Mapping[str, Item]:
    items: dict[str, Item] = {}
    for row in rows:
        cells = {name: _cell(row, name) for name in on}
        key = json.dumps(cells) if on else row.key
        told = ", ".join(f"{name} {cell}" for name, cell in cells.items()) or f"row {row.number}"
        if key in items:
            problem = f"rows {items[key].row} and {row.number} of {side.name} are both {told}"
            raise BadInput(problem, input="--on", value=list(on), hint="Name columns that tell all rows apart.")
        truth = () if question.truth is None else tuple(_truths(row, question.truth))
        category = None if question.by is None else _category(row, question.by)
        items[key] = Item(told, row.number, _score(column.cell(row), truth, question), category, truth, row.key)
    return items


def _score(value: object, truth: Sequence[str], question: Question) -> float | None:
    """The number in a cell, or whether its text says what is true; None where there is nothing to go by."""
    if question.truth is not None:
        return float(any(is_right(value, one) for one in truth)) if truth and isinstance(value, str) else None
    number = float(value) if isinstance(value, bool | int | float) else math.nan
    return number if math.isfinite(number) else None


def _truths(row: RowResult, column: str) -> Iterator[str]:
    """The right answers of a row: those that have a word in them."""
    value = row.values.get(column)
    for one in value if isinstance(value, list) else [value]:
        text = "" if one is None else _text(one)
        if any(letter.isalnum() for letter in text):
            yield text


def _category(row: RowResult, column: str) -> str | None:
    value = row.values.get(column)
    return None if value is None else _text(value)


def _cell(row: RowResult, column: str) -> str:
    if column not in row.values:
        hint = f"There are {_listed(list(row.values))}."
        problem = f"row {row.number} of {row.folder.name} has no such column"
        raise BadInput(problem, input="--on", value=column, hint=hint)
    return _text(row.values[column])


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(names[:_MOST_NAMED]) or "none") + more
