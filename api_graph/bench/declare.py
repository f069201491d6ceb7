"""What a benchmark is: its files, how they are read, how a response is scored, and which figures come of it.

A benchmark is one `BenchmarkSpec`, in the file of its kind below `api_graph/bench/kinds/`, and a line in
`api_graph/benching/registry.py`; nothing else knows its name. To declare one:

1. `read(data, parts)` gives its items as `Question`s, in the order of its files. Each `id` is unique. Pictures are
   paths below `data`, or the content of a file; `text` is the raw question, for maps, and `prompt` what the model is
   asked.
   What the scorer needs besides goes into `answers`, `choices` and `facts`: they come back from the benchmark's table
   as they were, so that `api-graph bench score` needs neither the data nor a model.
2. `score(question, response)` gives one item's `Verdict`. It is pure: the same response has the same score.
3. `figures(scored)` makes figures of all that count; the main one comes first. `shares`, `by_category` and
   `mean_of_groups` below make most of them, each with an interval.
4. `answer` says what kind of node answers: "text" (a question to an LVLM), "box" (a chosen box), "label" (a class),
   "option" (one of the item's own options), "map" (a saved heatmap). `columns` adds columns that set inputs of the
   graph, such as boxes, and `constants(data, parts)` is what the same inputs have for all items, such as labels.
   `file_column` is the input that takes an item's picture or other file.
5. `needs` are the files to fetch, and where below `data` they go; none for a benchmark that makes its own items.
6. `official(scored, folder)` writes the files that the official tool reads, where there is one. `vlmevalkit` is the
   set's name in VLMEvalKit, where its items have the same ids there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from api_graph.bench.readers.questions import Question
from api_graph.bench.scores import Figure, ItemScore, mean_figure
from api_graph.errors import BadInput
from api_graph.json_values import Json

AnswerKind = Literal["text", "box", "label", "option", "map"]

_RESAMPLES = 2000


@dataclass(frozen=True)
class Needed:
    """Something to fetch: `path` is where it goes below the data folder, `what` is what its owners call it."""

    path: str
    what: str


@dataclass(frozen=True)
class Response:
    """What a graph gave for one item.

    `text` is the answer as text, "" where there is none. `values` are all outputs of the node that answered, and
    `results` those of all nodes, by title. `replies` are a judge's, in the order in which it was asked.
    """

    text: str
    values: Mapping[str, object] = field(default_factory=dict)
    results: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    replies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A score in [0, 1], None for an item that does not count; `drawn` where the answer was drawn by lot."""

    score: float | None
    drawn: bool = False


@dataclass(frozen=True)
class Scored:
    """One item with what was answered, and its score. `score.score` is a number."""

    question: Question
    response: Response
    score: ItemScore

    @property
    def value(self) -> float:
        """The score, as a number."""
        return self.score.score or 0.0


@dataclass(frozen=True)
class Ask:
    """What a judge is asked: one message, a system prompt if there is one, and how it is to answer."""

    text: str
    system: str = ""
    temperature: float = 0.0
    max_tokens: int = 1024


@dataclass(frozen=True)
class Judging:
    """How a benchmark's answers are judged by another model.

    `ask` is what the judge is asked next, from the question, the answer and its replies so far; None when they are
    enough. The wording is the official one, in a file of the data folder, whose content is given.
    """

    prompt_file: Needed
    ask: Callable[[Question, str, Sequence[str], str], Ask | None]


@dataclass(frozen=True)
class BenchmarkSpec:
    """One benchmark; the module's text says what goes where. `parts` are names of its parts that can be run alone."""

    name: str
    title: str
    about: str
    metric: str
    read: Callable[[Path, Sequence[str]], Sequence[Question]]
    score: Callable[[Question, Response], Verdict]
    figures: Callable[[Sequence[Scored]], Sequence[Figure]]
    paper: str = ""
    needs: Sequence[Needed] = ()
    parts: Sequence[str] = ()
    answer: AnswerKind = "text"
    category: Callable[[Question], str | None] = lambda question: None
    columns: Callable[[Question], Mapping[str, Json]] = lambda question: {}
    constants: Callable[[Path, Sequence[str]], Mapping[str, str]] = lambda data, parts: {}
    file_column: str = "image"
    official: Callable[[Sequence[Scored], Path], Sequence[Path]] | None = None
    judging: Judging | None = None
    vlmevalkit: str = ""

    def chosen_parts(self, asked: Sequence[str]) -> tuple[str, ...]:
        """The parts to run: those asked for, in the benchmark's own order, or all. Raises BadInput."""
        for part in asked:
            if part not in self.parts:
                hint = f"There are: {', '.join(self.parts)}." if self.parts else "Leave it out: it has no parts."
                raise BadInput(f"{self.title} has no such part", input="--part", value=part, hint=hint)
        return tuple(part for part in self.parts if not asked or part in asked)

    def missing(self, data: Path) -> list[Needed]:
        """What is not there of what is needed."""
        return [needed for needed in self.needs if not any(data.glob(needed.path))]


# ------------------------------------------------------------------------------------------------------- figures


def by_category(name: str, scored: Sequence[Scored]) -> list[Figure]:
    """The mean score: of all, and of each category that there is, in the order of the items."""
    groups: dict[str, list[float]] = {}
    for each in scored:
        if each.score.category is not None:
            groups.setdefault(each.score.category, []).append(each.value)
    return [
        mean_figure(name, [each.value for each in scored]),
        *(mean_figure(f"{name}: {category}", scores) for category, scores in groups.items()),
    ]


def mean_of_groups(name: str, groups: Sequence[Sequence[float]], *, seed: int = 0) -> Figure:
    """The mean of the groups' means; its interval is the bootstrap's, which draws within each group.

    Raises BadInput where there is no group, or an empty one.
    """
    if not groups or not all(len(group) for group in groups):
        raise BadInput("each group needs a score", input="groups")
    random = np.random.RandomState(seed)
    means = np.zeros(_RESAMPLES)
    for group in groups:
        values = np.asarray(group, dtype=float)
        means += values[random.randint(values.size, size=(_RESAMPLES, values.size))].mean(axis=1) / len(groups)
    low, high = np.percentile(means, [2.5, 97.5])
    value = sum(sum(group) / len(group) for group in groups) / len(groups)
    return Figure(name, value, sum(map(len, groups)), float(low), float(high))
