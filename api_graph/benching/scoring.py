"""Scores a graph's results: what was answered, against the truth in the benchmark's table. No model is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.bench.declare import BenchmarkSpec, Response, Scored
from api_graph.bench.readers.questions import Question
from api_graph.bench.scores import Figure, ItemScore, Status, write_figures, write_scores
from api_graph.bench.tables import FigureTable
from api_graph.benching.answers import Answering, answering, response_of
from api_graph.benching.folder import Bench, GraphRun
from api_graph.benching.judge import Judge, replies_of
from api_graph.benching.table import read_table
from api_graph.errors import BadInput
from api_graph.table.journal import NAME as JOURNAL
from api_graph.table.manifest import Manifest, read_manifest
from api_graph.table.output import whole_file
from api_graph.table.results import read_results


@dataclass(frozen=True)
class Answered:
    """What a graph gave for one item of the table."""

    question: Question
    row: int
    response: Response
    status: Status


@dataclass(frozen=True)
class ScoredGraph:
    """One graph's scores, in the table's order, and the figures of them. `unfinished` items have no row yet."""

    run: GraphRun
    scored: Sequence[Scored]
    figures: Sequence[Figure]
    unfinished: int


def score_graph(spec: BenchmarkSpec, bench: Bench, run: GraphRun, out: Path, judge: Judge | None) -> ScoredGraph:
    """Score a graph's results, and write scores.jsonl and figures.json into its subfolder.

    Raises BadInput for results that cannot be read, and for answers that want a judge where there is none.
    """
    folder, questions = out / run.name, read_table(out)
    answered = answered_rows(spec, run, folder, questions)

    def counts(each: Answered) -> bool:
        return bench.on_failure == "empty" or each.status not in ("failed", "refused")

    replies: Mapping[str, tuple[str, ...]] = {}
    if spec.judging is not None:
        asked = [(each.question, each.response.text) for each in answered if counts(each)]
        replies = replies_of(spec.judging, asked, folder, judge, Path(bench.data))
    scored = [_scored(spec, each, replies, counts=counts(each)) for each in answered]
    figures = figures_of(spec, scored)
    write_scores(folder, [each.score for each in scored])
    write_figures(folder, figures)
    return ScoredGraph(run, scored, figures, len(questions) - len(answered))


def score_all(spec: BenchmarkSpec, bench: Bench, out: Path, judge: Judge | None) -> list[ScoredGraph]:
    """Score all graphs of a benchmark's folder that have results, and write its tables: scores.md, .csv and .tex."""
    runs = [run for run in bench.graphs.values() if (out / run.name / JOURNAL).is_file()]
    scored = [score_graph(spec, bench, run, out, judge) for run in runs]
    table = figure_table(spec, scored)
    for ending, text in (("md", table.markdown()), ("csv", table.csv()), ("tex", table.tex())):
        with whole_file(out / f"scores.{ending}") as file:
            file.write(text.encode())
    return scored


def figure_table(spec: BenchmarkSpec, scored: Sequence[ScoredGraph]) -> FigureTable:
    """The graphs' figures side by side."""
    return FigureTable(spec.title, {graph.run.name: graph.figures for graph in scored})


def answered_rows(spec: BenchmarkSpec, run: GraphRun, folder: Path, questions: Sequence[Question]) -> list[Answered]:
    """The finished items, in the table's order. Raises BadInput."""
    answer = _answering(spec, run, folder)
    places = {question.id: place for place, question in enumerate(questions)}
    found: dict[int, Answered] = {}
    for row in read_results(folder):
        place = places.get(str(row.values.get("item")))
        if place is None:  # of another --limit or --part
            continue
        response, status = response_of(row, answer, spec.answer)
        found[place] = Answered(questions[place], place, response, status)
    return [found[place] for place in sorted(found)]


def _answering(spec: BenchmarkSpec, run: GraphRun, folder: Path) -> Answering:
    manifest = existing_manifest(folder)
    return answering(manifest.graph, manifest.results, spec.answer, run.answer)


def existing_manifest(folder: Path) -> Manifest:
    """The manifest of a graph's subfolder. Raises BadInput where there is none."""
    manifest = read_manifest(folder)
    if manifest is None:
        problem = f"no graph has been run in {folder.name}"
        raise BadInput(problem, input="DIR", value=str(folder), hint="Run the benchmark again.")
    return manifest


def _scored(spec: BenchmarkSpec, each: Answered, replies: Mapping[str, tuple[str, ...]], *, counts: bool) -> Scored:
    question, response, status = each.question, each.response, each.status
    response = Response(response.text, response.values, response.results, replies.get(question.id, ()))
    score = None
    if counts:
        verdict = spec.score(question, response)
        score = verdict.score
        status = "drawn" if verdict.drawn and status == "ok" else status
    truth = question.answers[0] if len(question.answers) == 1 else question.answers
    category = spec.category(question)
    item = ItemScore(question.id, each.row, score, category, response.text, truth, status)
    return Scored(question, response, item)


def figures_of(spec: BenchmarkSpec, scored: Sequence[Scored]) -> list[Figure]:
    """The benchmark's figures of the items that count, and then the shares of those that failed, or were refused or
    drawn.
    """
    counting = [each for each in scored if each.score.score is not None]
    figures = list(spec.figures(counting)) if counting else []
    for status in ("failed", "refused", "drawn"):
        has = [each.score.status == status for each in scored]
        if has and (any(has) or status != "drawn"):
            figures.append(Figure(status, sum(has) / len(has), len(has)))
    return figures
