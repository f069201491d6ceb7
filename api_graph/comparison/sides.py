"""What is compared: results folders, under names that tell them apart."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.bench.scores import SCORES
from api_graph.errors import BadInput
from api_graph.files import expanded, real_path
from api_graph.folders import inside

BENCHMARK = "bench.json"


@dataclass(frozen=True)
class Side:
    """One results folder and what it is called."""

    name: str
    folder: Path

    @property
    def is_scored(self) -> bool:
        """Whether a benchmark has scored its items."""
        return (self.folder / SCORES).is_file()


def sides_of(folders: Iterable[str | os.PathLike[str]]) -> list[Side]:
    """The folders that are compared: a benchmark's folder stands for those of all its graphs, in its order.

    Each is called by the end of its path, as much of it as tells it from the others. Raises BadInput for fewer than two
    folders, for one that comes twice, and for a benchmark's folder that cannot be used.
    """
    found = [graph for folder in folders for graph in _graphs_in(real_path(expanded(folder)))]
    for index, folder in enumerate(found):
        if folder in found[:index]:
            raise BadInput("it is named twice", input="DIR", value=str(folder), hint="Name each folder once.")
    if len(found) < 2:
        problem = "there is one folder of results, and nothing to compare it with"
        raise BadInput(problem, input="DIR", value=[str(folder) for folder in found], hint="Name two or more.")
    return [Side(name, folder) for name, folder in zip(_names(found), found, strict=True)]


def _graphs_in(folder: Path) -> list[Path]:
    path = folder / BENCHMARK
    if not path.is_file():
        return [folder]
    try:
        document = json.loads(path.read_bytes())
        names = [*document["graphs"].keys()]
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(f"{BENCHMARK} has no graphs in it ({error})", input="DIR", value=str(folder)) from error
    graphs: list[Path] = []
    for name in names:
        graph = inside(folder, name)
        if graph is None or graph == folder or not graph.is_dir():
            hint = "Finish the benchmark, or name the graphs' folders that there are."
            raise BadInput(f"it has no results of the graph {name!r}", input="DIR", value=str(folder), hint=hint)
        graphs.append(graph)
    return graphs


def _names(folders: Sequence[Path]) -> list[str]:
    longest = max(len(folder.parts) for folder in folders)
    for count in range(1, longest + 1):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]
