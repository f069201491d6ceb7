"""What each graph of a benchmark's folder scored, where they differ by their settings, as `bench --grid` runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath

from api_graph.bench.scores import FIGURES, Figure, read_figures
from api_graph.benching.folder import NAME, Bench, existing_bench
from api_graph.errors import BadInput
from api_graph.json_values import Json

GRAPH = "graph"
"""The name under which the graph itself is a setting, where there are several."""

Scored = tuple[Mapping[str, Json], Figure]
"""The settings of one graph, and its figure."""


def is_benchmark(folder: Path) -> bool:
    """Whether it is the --out folder of an `api-graph bench`."""
    return (folder / NAME).is_file()


def benchmark_figures(folder: Path, name: str | None) -> list[Scored]:
    """Of each graph its settings, which are the same inputs for all, and the figure of that name; None: the first.

    Raises BadInput for a folder that cannot be read, for a graph without figures, for graphs whose settings are of
    different inputs or the same, and for a figure that is not there or has no interval.
    """
    bench = existing_bench(folder)
    settings = _settings(bench)
    return [(settings[run], _figure(folder, run, name)) for run in bench.graphs]


def _settings(bench: Bench) -> dict[str, dict[str, Json]]:
    found = {
        name: {GRAPH: PurePath(run.graph).stem, **{input: _read(value) for input, value in run.set.items()}}
        for name, run in bench.graphs.items()
    }
    first = next(iter(found.values()), {})
    for name, own in found.items():
        if own.keys() != first.keys():
            differing = ", ".join(sorted(own.keys() ^ first.keys()))
            problem = f"the graphs are not set alike: some have no value for {differing}"
            raise BadInput(problem, input="DIR", value=name, hint="Run them with one --grid, in a folder of their own.")
        if [*found.values()].count(own) > 1:
            problem = "two graphs have the same settings"
            raise BadInput(problem, input="DIR", value=name, hint="Run them with one --grid, in a folder of their own.")
    return found


def _read(value: Json) -> Json:
    """A setting as it was typed, which is a number where it reads as one."""
    try:
        number = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
    return number if isinstance(number, int | float) and not isinstance(number, bool) else value


def _figure(folder: Path, run: str, name: str | None) -> Figure:
    if not (folder / run / FIGURES).is_file():
        hint = "Run the benchmark to its end, or `api-graph bench score DIR`."
        raise BadInput(f"the graph {run} has no figures", input="DIR", value=str(folder), hint=hint)
    figures = read_figures(folder / run)
    drawable = ", ".join(figure.name for figure in figures if figure.low is not None)
    found = next((figure for figure in figures if name in (None, figure.name)), None)
    if found is None:
        raise BadInput(f"the graph {run} has no such figure", input="--figure", value=name, hint=f"It has {drawable}.")
    if found.low is None or found.high is None:
        hint = f"These have: {drawable}."
        raise BadInput("this figure has no interval to draw", input="--figure", value=found.name, hint=hint)
    return found
