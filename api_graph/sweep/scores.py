"""What each setting of a grid scored over the same rows of a table, with its interval."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.arguments import typed
from api_graph.bench.statistics import score_interval
from api_graph.comparison.items import ITEM, Question, measured
from api_graph.comparison.sides import Side
from api_graph.errors import BadInput, shown
from api_graph.files import expanded, real_path
from api_graph.json_values import Json
from api_graph.notebook import counted, html_table, one_line, quoted
from api_graph.sweep.benchmark import benchmark_figures, is_benchmark
from api_graph.table.manifest import NAME, Manifest, read_manifest
from api_graph.table.results import Results

Setting = tuple[str, ...]
"""A value of each axis, as JSON: what is equal there is one setting."""


@dataclass(frozen=True)
class SettingScore:
    """The mean score of one setting over `count` rows, and its 95 % interval."""

    settings: Mapping[str, Json]
    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Sweep:
    """The scores of a run with a grid. `percent`: each is a share.

    `axes` has by name of an input the values that it has there, `fixed` those with one value. `scores` are in the
    grid's order, the last axis fastest; a setting of which no row has a score is not there. `unscored` counts rows.
    """

    figure: str
    percent: bool
    axes: Mapping[str, Sequence[Json]]
    fixed: Mapping[str, Json]
    scores: Sequence[SettingScore]
    unscored: int = 0

    def __repr__(self) -> str:
        return one_line(self, quoted(self.figure), counted(len(self.scores), "setting"), *self.axes)

    def _repr_html_(self) -> str:
        figures = ("mean", "low", "high") if not self.percent else ("mean, %", "low, %", "high, %")
        scale = 100 if self.percent else 1
        lines = [
            (
                *(one.settings.get(name, "") for name in self.axes),
                *(f"{scale * x:.4g}" for x in (one.mean, one.low, one.high)),
                one.count,
            )
            for one in self.scores
        ]
        return html_table((*self.axes, *figures, "rows"), lines, " ".join(self.notes))

    @property
    def notes(self) -> list[str]:
        """What was left out, and what is not the same everywhere, as sentences."""
        found = [f"{self.unscored:,} rows have no score."] if self.unscored else []
        counts = {score.count for score in self.scores}
        if len(counts) > 1:
            found.append(
                f"Settings have {min(counts):,} to {max(counts):,} rows: finish the run before you compare them."
            )
        return found


@typed()
def sweep_scores(
    folder: str | os.PathLike[str],
    figure: str | None = None,
    *,
    truth: str | None = None,
    at: Mapping[str, Json] | None = None,
    seed: int = 0,
) -> Sweep:
    """The score of each setting of a run with a grid or controls, in an output folder of `map` or of `bench`.

    Of a benchmark `figure` is the name of one of its figures, by default the first, and the intervals are its own; else
    `figure` names a number among the results, by the title of its node or as "title.output". With `truth`, a column of
    the table, it is a text, and right where it says what the column says. `at` keeps the settings with these values.
    Intervals are Wilson's where each score is right or wrong, else those of a bootstrap, whose `seed` may be given.

    Raises BadInput for a folder without a grid, and for a figure, a column or a value that is not there.
    """
    path = real_path(expanded(folder))
    if is_benchmark(path):
        if truth is not None:
            hint = "Leave it out, and name one of its figures."
            raise BadInput("a benchmark scores its own items", input="--truth", value=truth, hint=hint)
        return _benchmark_sweep(path, figure, at or {})
    grid = _grid(path)
    keep = _kept(grid, at or {})
    rows = Results(path)
    # By their keys: the numbers are others where values have joined the grid.
    found: dict[str | int, Setting] = {}
    for row in rows:
        found[row.key] = found[row.number] = tuple(_text(row.values.get(name)) for name in grid)
    on = (ITEM, *grid) if any(ITEM in row.values for row in rows) else ()
    own = measured([Side(path.name, path)], Question(figure, truth, on))[0]
    scores: dict[Setting, list[float]] = defaultdict(list)
    unscored = 0
    for item in own.items.values():
        setting = found[item.key or item.row]
        if all(value == keep.get(name, value) for name, value in zip(grid, setting, strict=True)):
            if item.score is None:
                unscored += 1
            else:
                scores[setting].append(item.score)
    if not scores:
        raise BadInput("no row has a score there", input="DIR", value=str(path), hint="Name another figure or setting.")
    axes = {name: _values(grid[name], [setting[place] for setting in scores]) for place, name in enumerate(grid)}
    order = {name: {_text(value): place for place, value in enumerate(values)} for name, values in axes.items()}
    ranked = sorted(scores, key=lambda own: [order[name][value] for name, value in zip(axes, own, strict=True)])
    return Sweep(
        own.figure,
        own.percent,
        {name: values for name, values in axes.items() if len(values) > 1},
        {name: values[0] for name, values in axes.items() if len(values) == 1},
        [_score(dict(zip(axes, map(json.loads, each), strict=True)), scores[each], seed) for each in ranked],
        unscored,
    )


def _benchmark_sweep(folder: Path, figure: str | None, at: Mapping[str, Json]) -> Sweep:
    scored = benchmark_figures(folder, figure)
    values = {name: list({_text(own[name]): own[name] for own, _ in scored}.values()) for name in scored[0][0]}
    grid = {name: several for name, several in values.items() if len(several) > 1}
    keep = _kept(grid, at)
    there = [(own, found) for own, found in scored if all(_text(own[name]) == text for name, text in keep.items())]
    if not there:
        raise BadInput("no graph has these settings", input="--at", value=dict(at), hint="Name another setting.")
    axes = {name: _values(several, [_text(own[name]) for own, _ in there]) for name, several in grid.items()}
    ranked = sorted(there, key=lambda each: [axes[name].index(each[0][name]) for name in axes])
    scores = [
        SettingScore({name: own[name] for name in axes}, found.value, found.low or 0.0, found.high or 0.0, found.n)
        for own, found in ranked
    ]
    return Sweep(
        scored[0][1].name,
        all(0 <= score.low <= score.high <= 1 for score in scores),
        {name: values for name, values in axes.items() if len(values) > 1},
        {name: values[0] for name, values in axes.items() if len(values) == 1},
        scores,
    )


def _score(settings: Mapping[str, Json], values: Sequence[float], seed: int) -> SettingScore:
    low, high = score_interval(values, seed=seed)
    return SettingScore(settings, sum(values) / len(values), low, high, len(values))


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _grid(folder: Path) -> Mapping[str, Sequence[Json]]:
    """The grid of a run, or of the first of its shards."""
    own: Manifest | None = read_manifest(folder)
    for path in sorted(folder.glob(f"shards/*/{NAME}")):
        own = own or read_manifest(path.parent)
    Results(folder)  # where there is nothing at all, this says so
    if own is None or not own.grid:
        hint = "Run `api-graph map` with --grid NAME=V1,V2,.. or with --controls."
        raise BadInput("this run has no grid of settings", input="DIR", value=str(folder), hint=hint)
    return own.grid


def _kept(grid: Mapping[str, Sequence[Json]], at: Mapping[str, Json]) -> dict[str, str]:
    """The values that are looked at alone. A text stands for a value that is written so."""
    found: dict[str, str] = {}
    for name, value in at.items():
        if name not in grid:
            raise BadInput("the grid has no such input", input="--at", value=name, hint=f"It has {', '.join(grid)}.")
        fitting = [own for own in grid[name] if own == value or (isinstance(value, str) and _typed(own) == value)]
        if not fitting:
            hint = f"It has {', '.join(map(shown, grid[name]))}."
            raise BadInput(f"{name} has no such value", input="--at", value=value, hint=hint)
        found[name] = _text(fitting[0])
    return found


def _typed(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _values(known: Sequence[Json], found: Sequence[str]) -> list[Json]:
    """The values of an axis that rows have, in the grid's order; those that joined it in another run stand behind."""
    texts = dict.fromkeys([*map(_text, known), *found])
    there = {*found}
    return [json.loads(text) for text in texts if text in there]
