"""POPE and MME: questions that are answered by yes or no."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from api_graph.bench.declare import BenchmarkSpec, Needed, Response, Scored, Verdict
from api_graph.bench.readers.questions import Question
from api_graph.bench.readers.vqa import PopePart, read_mme, read_pope
from api_graph.bench.scorers.yes_no import COGNITION, PERCEPTION, PopeScores, parse_mme, parse_pope, strict_yes_no
from api_graph.bench.scores import Figure, mean_figure, share_figure
from api_graph.bench.statistics import bootstrap_interval
from api_graph.files import whole_file

POPE_PARTS: tuple[PopePart, ...] = ("random", "popular", "adversarial")

_RESAMPLES = 2000
_POPE_FIGURES: Mapping[str, Callable[[PopeScores], float]] = {
    "accuracy": lambda scores: scores.accuracy,
    "F1": lambda scores: scores.f1,
    "precision": lambda scores: scores.precision,
    "recall": lambda scores: scores.recall,
    "yes ratio": lambda scores: scores.yes_ratio,
}


# --------------------------------------------------------------------------------------------------------- POPE


def _read_pope(data: Path, parts: Sequence[str]) -> list[Question]:
    """The questions of the parts, one part after the other: each numbers its own from 1."""
    return [
        replace(question, id=f"{part}/{question.id}", facts={**question.facts, "part": part})
        for part in POPE_PARTS
        if part in parts
        for question in read_pope(data, part).questions
    ]


def _pope_score(question: Question, response: Response) -> Verdict:
    return Verdict(float(parse_pope(response.text) == question.answers[0]))


def _pope_figures(scored: Sequence[Scored]) -> list[Figure]:
    """Of each part, and the mean of the parts; answers that are neither yes nor no to a strict reader are counted."""
    parts: dict[str, list[Scored]] = {}
    for each in scored:
        parts.setdefault(str(each.question.facts["part"]), []).append(each)
    found = [_pope_figure(name, list(parts.values())) for name in _POPE_FIGURES]
    if len(parts) > 1:
        found += [_pope_figure(name, [own], part) for part, own in parts.items() for name in _POPE_FIGURES]
    unread = [strict_yes_no(each.response.text) == "other" for each in scored]
    return [*found, share_figure("neither yes nor no", unread)]


def _pope_figure(name: str, parts: Sequence[Sequence[Scored]], part: str = "") -> Figure:
    """The mean over parts; its interval is the bootstrap's, within each part."""
    counts = [_pope_counts(own) for own in parts]  # true and false positives, true and false negatives
    value = sum(_POPE_FIGURES[name](PopeScores(*own)) for own in counts) / len(counts)
    random = np.random.RandomState(0)
    drawn = [random.multinomial(sum(own), np.asarray(own) / sum(own), size=_RESAMPLES) for own in counts]
    means = [
        sum(_POPE_FIGURES[name](PopeScores(*map(int, own[i]))) for own in drawn) / len(drawn) for i in range(_RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    label = f"{name}: {part}" if part else name
    return Figure(label, value, sum(map(sum, counts)), float(low), float(high))


def _pope_counts(scored: Sequence[Scored]) -> tuple[int, int, int, int]:
    said = [(parse_pope(each.response.text), each.question.answers[0]) for each in scored]
    return (
        said.count(("yes", "yes")),
        said.count(("yes", "no")),
        said.count(("no", "no")),
        said.count(("no", "yes")),
    )


def _pope_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """JSON Lines of question and answer, a file for each part, as POPE's evaluate.py reads them."""
    files: list[Path] = []
    for part in POPE_PARTS:
        own = [each for each in scored if each.question.facts["part"] == part]
        if own:
            files.append(folder / f"coco_pope_{part}_answers.json")
            with whole_file(files[-1]) as file:
                for each in own:
                    line = json.dumps({"question": each.question.text, "answer": each.response.text})
                    file.write(f"{line}\n".encode())
    return files


POPE = BenchmarkSpec(
    name="pope",
    title="POPE",
    about="is the object in the picture? 3 x 3,000 questions on COCO, for random, popular and adversarial objects",
    metric="accuracy and F1, the mean of the three files",
    paper="API",
    needs=(
        *(Needed(f"coco_pope_{part}.json", f"POPE's questions on COCO, {part}") for part in POPE_PARTS),
        Needed("val2014", "COCO's val2014 images"),
    ),
    parts=POPE_PARTS,
    read=_read_pope,
    score=_pope_score,
    figures=_pope_figures,
    category=lambda question: str(question.facts["part"]),
    official=_pope_official,
)


# ---------------------------------------------------------------------------------------------------------- MME


def _mme_score(question: Question, response: Response) -> Verdict:
    return Verdict(float(parse_mme(response.text) == question.answers[0].lower()))


def _mme_figures(scored: Sequence[Scored]) -> list[Figure]:
    """The share of right answers, then the official scores: of a task at most 200, of both sums 2,000 and 800.

    Scores count whole images; where one of an image's two questions does not count, the other is left out of them.
    """
    found = [mean_figure("matching accuracy", [each.value for each in scored])]
    images: dict[str, dict[str, list[float]]] = {}
    for each in scored:
        task, image = str(each.question.facts["task"]), str(each.question.facts["image"])
        images.setdefault(task, {}).setdefault(image, []).append(each.value)
    points = {
        task: [100 * (sum(pair) / 2 + pair[0] * pair[1]) for pair in own.values() if len(pair) == 2]
        for task, own in images.items()
    }
    points = {task: values for task, values in points.items() if values}
    for name, tasks, most in (("perception", PERCEPTION, 2000), ("cognition", COGNITION, 800)):
        own = {task: points[task] for task in tasks if task in points}
        if own:
            total = sum(sum(values) / len(values) for values in own.values())
            found.append(Figure(f"{name} score (of {most})", total, sum(2 * len(values) for values in own.values())))
    for task in (*PERCEPTION, *COGNITION):
        if values := points.get(task):
            low, high = bootstrap_interval(values)
            found.append(Figure(f"{task} score (of 200)", sum(values) / len(values), 2 * len(values), low, high))
    other = [parse_mme(each.response.text) == "other" for each in scored]
    return [*found, share_figure("neither yes nor no", other)]


def _mme_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """A file for each task, as MME's calculation.py reads them: picture, question, right answer, prediction."""
    files: list[Path] = []
    for task in (*PERCEPTION, *COGNITION):
        own = [each for each in scored if each.question.facts["task"] == task]
        if not own:
            continue
        files.append(folder / f"{task}.txt")
        with whole_file(files[-1]) as file:
            for each in own:
                fields = (
                    str(each.question.facts["image"]),
                    each.question.text,
                    each.question.answers[0],
                    each.response.text,
                )
                file.write(("\t".join(re.sub(r"[\t\r\n]", " ", field) for field in fields) + "\n").encode())
    return files


MME = BenchmarkSpec(
    name="mme",
    title="MME",
    about="2,374 yes/no questions in 14 tasks, two on each image",
    metric="matching accuracy; the official scores of each task, perception and cognition",
    paper="API",
    needs=tuple(Needed(task, f"MME_Benchmark_release_version's folder {task}") for task in (*PERCEPTION, *COGNITION)),
    parts=(*PERCEPTION, *COGNITION),
    read=lambda data, parts: read_mme(data, parts).questions,
    score=_mme_score,
    figures=_mme_figures,
    category=lambda question: str(question.facts["task"]),
    official=_mme_official,
)
