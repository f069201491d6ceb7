"""Compare runs over the same rows: their scores in pairs, over all items and in each category."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api_graph.arguments import typed
from api_graph.bench.statistics import LEVEL, Comparison, compare_scores, score_interval
from api_graph.comparison.items import Item, Measured, Question, measured
from api_graph.comparison.sides import Side, sides_of
from api_graph.errors import BadInput
from api_graph.notebook import counted, html_table, one_line, quoted

SAME = "same"
_MOST_NAMED = 5
_MOST_CATEGORIES = 100


@dataclass(frozen=True)
class ComparedItem:
    """One item with the score that each side has of it, in the order of the sides; `rows` are its rows' numbers."""

    name: str
    category: str | None
    scores: Sequence[float]
    rows: Sequence[int]
    truth: Sequence[str] = ()


@dataclass(frozen=True)
class Line:
    """Two sides over some items: over all where `category` is None. The intervals are those of the two scores."""

    category: str | None
    comparison: Comparison
    first: tuple[float, float]
    second: tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """A side compared with the first of all; `lines` has all items first, and then each category."""

    first: str
    second: str
    percent: bool
    lines: Sequence[Line]

    @property
    def verdict(self) -> str:
        """Whether they differ over all items, as a sentence."""
        return self.lines[0].comparison.in_words(self.first, self.second, percent=self.percent)


@dataclass(frozen=True)
class ComparedResults:
    """What a comparison gave. `figure` is what was compared, `pairs` has each later side against the first.

    `percent`: every score is a share. `items` are those that count. `unscored` and `missing` have by side how many were
    left out, since it has no score of them, or no such row.
    """

    figure: str
    percent: bool
    sides: Sequence[Side]
    pairs: Sequence[Pair]
    items: Sequence[ComparedItem]
    unscored: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        names = " and ".join(side.name for side in self.sides)
        return one_line(self, quoted(self.figure), names, counted(len(self.items), "item"))

    def _repr_html_(self) -> str:
        scale, unit = (100, ", %") if self.percent else (1, "")
        lines = [
            [
                line.category or "all",
                f"{pair.first}: {scale * line.comparison.first:.4g}",
                f"{pair.second}: {scale * line.comparison.second:.4g}",
                "" if line.comparison.p is None else f"{line.comparison.p:.3g}",
            ]
            for pair in self.pairs
            for line in pair.lines
        ]
        note = " ".join([*(pair.verdict for pair in self.pairs), *self.notes])
        return html_table(("items", f"first{unit}", f"second{unit}", "p"), lines, note)

    @property
    def changes(self) -> tuple[str, str, str, str]:
        """What an item may have become from the first side to the later ones: more, less, both (mixed), or the same."""
        return ("better", "worse", "mixed", SAME) if self.percent else ("higher", "lower", "mixed", SAME)

    def change(self, scores: Sequence[float]) -> str:
        """How the later scores differ from the first one, in one of `changes`."""
        more = any(score > scores[0] for score in scores[1:])
        less = any(score < scores[0] for score in scores[1:])
        better, worse, mixed, same = self.changes
        return mixed if more and less else better if more else worse if less else same

    @property
    def notes(self) -> list[str]:
        """What was left out, as sentences."""
        found = [f"{_items(count)} left out: {name} has no such row." for name, count in self.missing.items()]
        return found + [f"{_items(count)} left out: {name} has no score." for name, count in self.unscored.items()]


@typed()
def compare_results(
    folders: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    figure: str | None = None,
    *,
    truth: str | None = None,
    on: Sequence[str] = (),
    by: str | None = None,
    allow_missing: bool = False,
    seed: int = 0,
) -> ComparedResults:
    """Compare the results of two or more runs over the same rows, each with the first.

    `folders` are output folders of `map`, or of a benchmark: its OUT stands for all its graphs. A benchmark's scores
    are compared; else `figure` names a number among the results, by the title of its node or as "title.output". With
    `truth`, a column of the table, it is a text, and right where it says what the column says, letter case and
    punctuation aside. Rows belong together by the columns `on`, by default "item" where each row has it, else by all
    that they hold. `by` names a column whose values are categories.

    Raises BadInput where a folder lacks rows that another has, unless `allow_missing`; and for a figure, a column or a
    folder that is not there, or of which there are several.
    """
    sides = sides_of([folders] if isinstance(folders, str | os.PathLike) else folders)
    question = Question(figure, truth, tuple(on), by)
    found = measured(sides, question)
    keys, missing = _shared(sides, found, question, allow_missing=allow_missing)
    unscored = {
        side.name: count
        for side, own in zip(sides, found, strict=True)
        if (count := sum(own.items[key].score is None for key in keys))
    }
    items = [item for key in keys if (item := _compared([own.items[key] for own in found])) is not None]
    if not items:
        raise BadInput("no item has a score in every folder", input="DIR", value=[side.name for side in sides])
    names, percent = [side.name for side in sides], all(own.percent for own in found)
    pairs = [Pair(names[0], names[index], percent, _lines(items, index, seed)) for index in range(1, len(sides))]
    return ComparedResults(found[0].figure, percent, sides, pairs, items, unscored, missing)


def _shared(
    sides: Sequence[Side], found: Sequence[Measured], question: Question, *, allow_missing: bool
) -> tuple[list[str], dict[str, int]]:
    """The keys that all sides have, in the order of the first, and by side how many it lacks."""
    names = {key: item.name for own in found for key, item in own.items.items()}
    lacking = {
        side.name: [key for key in names if key not in own.items] for side, own in zip(sides, found, strict=True)
    }
    lacking = {name: keys for name, keys in lacking.items() if keys}
    shared = [key for key in found[0].items if all(key in own.items for own in found)]
    if lacking and (not allow_missing or not shared):
        said = "; ".join(f"{name} lacks {_some([names[key] for key in keys])}" for name, keys in lacking.items())
        raise BadInput(f"rows are missing: {said}", input="DIR", hint=_hint(question, any_shared=bool(shared)))
    return shared, {name: len(keys) for name, keys in lacking.items()}


def _hint(question: Question, *, any_shared: bool) -> str:
    if any_shared:
        return "Finish the run, or compare what all have with --allow-missing."
    if question.on:
        return "No row is in all of them: name other columns with --on."
    return "No row is the same in all of them: name the columns that tell rows apart with --on."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names):,} ({', '.join(names[:_MOST_NAMED])}{more})"


def _compared(own: Sequence[Item]) -> ComparedItem | None:
    """One item as all sides have it; None where one of them has no score."""
    first = own[0]
    for other in own[1:]:
        for what, here, there in (("truth", first.truth, other.truth), ("category", first.category, other.category)):
            if here != there:
                hint = "Compare runs over the same table."
                raise BadInput(f"its {what} is not the same everywhere", input=first.name, value=there, hint=hint)
    scores = [item.score for item in own if item.score is not None]
    if len(scores) < len(own):
        return None
    return ComparedItem(first.name, first.category, scores, [item.row for item in own], first.truth)


def _lines(items: Sequence[ComparedItem], index: int, seed: int) -> list[Line]:
    groups: dict[str | None, list[ComparedItem]] = {None: list(items)}
    for item in items:
        if item.category is not None:
            groups.setdefault(item.category, []).append(item)
    if len(groups) > _MOST_CATEGORIES + 1:
        problem = f"there are {len(groups) - 1:,} categories, and at most {_MOST_CATEGORIES} are compared"
        raise BadInput(problem, input="--by", hint="Name a column with fewer different values.")
    return [_line(category, group, index, seed) for category, group in groups.items()]


def _line(category: str | None, items: Sequence[ComparedItem], index: int, seed: int) -> Line:
    first, second = ([item.scores[side] for item in items] for side in (0, index))
    return Line(
        category,
        compare_scores(first, second, level=LEVEL, seed=seed),
        score_interval(first, level=LEVEL, seed=seed),
        score_interval(second, level=LEVEL, seed=seed),
    )


def _items(count: int) -> str:
    return f"{count:,} items are" if count != 1 else "1 item is"
