"""What a benchmark's folder says of one graph: a score for each item, and the figures made of them.

`scores.jsonl` has a line per item, in the order of the benchmark's table; `figures.json` has the figures. Both lie in
the graph's subfolder and are written whole or not at all. What is read is checked: nobody vouches for the files.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from api_graph.bench.statistics import bootstrap_interval, wilson_interval
from api_graph.errors import BadInput
from api_graph.files import whole_file
from api_graph.tasks.record import Record, bad_record, json_file, json_lines

SCORES = "scores.jsonl"
FIGURES = "figures.json"

Status = Literal["ok", "failed", "refused", "drawn"]


@dataclass(frozen=True)
class ItemScore:
    """How one item of a benchmark was answered.

    `item` is unique, `row` the number of its row in the table, from 0. `score` lies in [0, 1]; None where the item does
    not count. `truth` is the right answer, or all of them. `status`: "failed" where the graph gave no answer, "refused"
    where the model declined to, "drawn" where the official parser draws an answer by lot.
    """

    item: str
    row: int
    score: float | None
    category: str | None
    answer: str
    truth: str | tuple[str, ...]
    status: Status = "ok"


@dataclass(frozen=True)
class Figure:
    """A figure of `n` items: a fraction in [0, 1] unless its name says otherwise.

    `low` and `high` bound its 95 % interval; None where there is no such interval, as for a sum of scores.
    """

    name: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None


def share_figure(name: str, right: Sequence[bool]) -> Figure:
    """The share of what is right, with Wilson's interval. Raises BadInput where there is nothing."""
    if not right:
        raise BadInput("there is nothing to take a share of", input="right")
    return Figure(name, sum(right) / len(right), len(right), *wilson_interval(sum(right), len(right)))


def mean_figure(name: str, scores: Sequence[float]) -> Figure:
    """The mean of scores: with Wilson's interval where all of them are 0 or 1, else with that of the bootstrap."""
    if all(score in (0, 1) for score in scores):
        return share_figure(name, [score == 1 for score in scores])
    return Figure(name, sum(scores) / len(scores), len(scores), *bootstrap_interval(scores))


def write_scores(folder: str | os.PathLike[str], scores: Iterable[ItemScore]) -> Path:
    """Write `scores.jsonl` into a folder. Raises BadInput for two scores of one item, and OSError."""
    path = Path(folder) / SCORES
    seen: set[str] = set()
    with whole_file(path) as file:
        for score in scores:
            if score.item in seen:
                raise BadInput("two scores are of one item", input="scores", value=score.item)
            seen.add(score.item)
            file.write(f"{json.dumps(asdict(score), allow_nan=False)}\n".encode("ascii"))
    return path


def read_scores(folder: str | os.PathLike[str]) -> list[ItemScore]:
    """The scores in a folder. Raises BadInput that names file, line and field of what cannot be used."""
    path = Path(folder) / SCORES
    if not path.is_file():
        hint = "Name a graph's folder of a benchmark; `api-graph bench score DIR` makes its scores anew."
        raise BadInput(f"there is no {SCORES} in it", input="DIR", value=str(folder), hint=hint)
    scores = [_item_score(record) for record in json_lines(path)]
    seen: set[str] = set()
    for number, score in enumerate(scores, start=1):
        if score.item in seen:
            raise bad_record(path, "an earlier score is of the same item", line=number, field="item", value=score.item)
        seen.add(score.item)
    return scores


def write_figures(folder: str | os.PathLike[str], figures: Iterable[Figure]) -> Path:
    """Write `figures.json` into a folder. Raises OSError."""
    path = Path(folder) / FIGURES
    document = {"figures": [asdict(figure) for figure in figures]}
    with whole_file(path) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode("ascii"))
    return path


def read_figures(folder: str | os.PathLike[str]) -> list[Figure]:
    """The figures in a folder. Raises BadInput that names file and field of what cannot be used."""
    path = Path(folder) / FIGURES
    document = json_file(path)
    if not isinstance(document, Mapping):
        raise bad_record(path, "an object is needed", value=document)
    return [_figure(record) for record in Record(path, None, document).records("figures")]


def _item_score(record: Record) -> ItemScore:
    score = None if _is_null(record, "score") else _fraction(record, "score")
    category = None if _is_null(record, "category") else _text(record, "category")
    status = record.text("status")
    if status not in get_args(Status):
        raise record.fail("status", f"there is no such status; there are {', '.join(get_args(Status))}", status)
    return ItemScore(
        item=record.text("item"),
        row=record.integer("row", 0, 2**63),
        score=score,
        category=category,
        answer=_text(record, "answer"),
        truth=_truth(record),
        status=cast("Status", status),
    )


def _figure(record: Record) -> Figure:
    low = None if _is_null(record, "low") else _real(record, "low")
    high = None if _is_null(record, "high") else _real(record, "high")
    return Figure(record.text("name"), _real(record, "value"), record.integer("n", 0, 2**63), low, high)


def _is_null(record: Record, field: str) -> bool:
    if field not in record.fields:
        record.value(field)  # says what is missing, and what there is
    return record.fields[field] is None


def _real(record: Record, field: str) -> float:
    value = record.value(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise record.fail(field, "a finite number is needed", value)
    return float(value)


def _fraction(record: Record, field: str) -> float:
    number = _real(record, field)
    if not 0 <= number <= 1:
        raise record.fail(field, "a score lies in [0, 1]", number)
    return number


def _text(record: Record, field: str) -> str:
    """A text, which may be empty."""
    value = record.value(field)
    if not isinstance(value, str):
        raise record.fail(field, "a text is needed", value)
    return value


def _truth(record: Record) -> str | tuple[str, ...]:
    value = record.value("truth")
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(str(text) for text in value)
    if not isinstance(value, str):
        raise record.fail("truth", "a text or a list of texts is needed", value)
    return value
