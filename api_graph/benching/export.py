"""Answers as others score them: in the official tool's format, and in VLMEvalKit's. No model is needed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from api_graph.bench.declare import BenchmarkSpec, Scored
from api_graph.bench.scores import ItemScore
from api_graph.benching.folder import Bench, GraphRun
from api_graph.benching.scoring import answered_rows
from api_graph.benching.table import read_table
from api_graph.errors import BadInput
from api_graph.table.output import whole_file

FOLDER = "export"

Format = Literal["official", "vlmevalkit"]


def formats_of(spec: BenchmarkSpec) -> list[Format]:
    """The formats in which a benchmark's answers can be written."""
    official: list[Format] = ["official"] if spec.official is not None else []
    return [*official, "vlmevalkit"] if spec.answer == "text" else official


def export_graphs(
    spec: BenchmarkSpec, bench: Bench, out: Path, graphs: Sequence[str] = (), format: Format | None = None
) -> list[Path]:
    """Write the answers of graphs of a benchmark's folder, of all by default. Gives the files. Raises BadInput."""
    formats = formats_of(spec)
    if not formats or (format is not None and format not in formats):
        hint = f"There is: {', '.join(formats) or 'none'}."
        raise BadInput(f"{spec.title} has no such format", input="--format", value=format or "all", hint=hint)
    for name in graphs:
        if name not in bench.graphs:
            hint = f"There are: {', '.join(bench.graphs)}."
            raise BadInput("no graph of that name was run here", input="--graph", value=name, hint=hint)
    wanted: list[Format] = [format] if format is not None else formats
    return [
        file for name in graphs or bench.graphs for file in export_graph(spec, bench, bench.graphs[name], out, wanted)
    ]


def export_graph(spec: BenchmarkSpec, bench: Bench, run: GraphRun, out: Path, wanted: Sequence[Format]) -> list[Path]:
    """Write a graph's answers into OUT/export/GRAPH/FORMAT/. Gives the files.

    An item that failed or was refused has an empty answer. Raises BadInput for items that have not been run: official
    tools want all.
    """
    questions = read_table(out)
    answered = answered_rows(spec, run, out / run.name, questions)
    if len(answered) < len(questions):
        problem = f"{run.name}: {len(questions) - len(answered):,} of {len(questions):,} items are not finished"
        raise BadInput(problem, input="DIR", value=str(out), hint="Run the benchmark again, with the same --out.")
    unscored = [
        ItemScore(each.question.id, each.row, None, None, each.response.text, each.question.answers, each.status)
        for each in answered
    ]
    scored = [Scored(each.question, each.response, score) for each, score in zip(answered, unscored, strict=True)]
    files: list[Path] = []
    for format in wanted:
        folder = out / FOLDER / run.name / format
        folder.mkdir(parents=True, exist_ok=True)
        if format == "vlmevalkit":
            files.append(_vlmevalkit(spec, bench, run, scored, folder))
        elif spec.official is not None:
            files += spec.official(scored, folder)
    return files


def _vlmevalkit(spec: BenchmarkSpec, bench: Bench, run: GraphRun, scored: Sequence[Scored], folder: Path) -> Path:
    """A prediction file of VLMEvalKit, MODEL_DATASET.tsv: the set's own columns but the picture, and `prediction`."""
    data = Path(bench.data)
    name = spec.vlmevalkit or (data.stem if data.suffix == ".tsv" else spec.name)
    letters = sorted({letter for each in scored for letter in each.question.choices})
    facts = list(dict.fromkeys(name for each in scored for name in each.question.facts))
    names = list(dict.fromkeys(["index", "question", *letters, "answer", *facts, "prediction"]))
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(names)
    for each in scored:
        cells = {
            **{name: _cell(value) for name, value in each.question.facts.items()},
            **each.question.choices,
            "index": each.question.id,
            "question": each.question.text,
            "answer": each.question.answers[0] if len(each.question.answers) == 1 else _cell(each.question.answers),
            "prediction": each.response.text,
        }
        table.writerow([cells.get(name, "") for name in names])
    path = folder / f"{re.sub(r'[^-.0-9A-Za-z=+]', '-', run.name)}_{name}.tsv"
    with whole_file(path) as file:
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))
    return path


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return str([str(each) for each in value])
    return str(value)
