"""Results folders as runs leave them: of `map`, and of benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from api_graph.bench.scores import ItemScore, write_scores
from tests.table.conftest import manifest, record, write_journal


class Runs:
    """Makes results folders in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, name: str, rows: Sequence[Mapping[str, Any]], **changed: Any) -> Path:
        """A folder of `map`. A row has `values` and `results`, and whatever else its record is to have."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        plain = {"values": {}, "outputs": {}, "texts": {}, "files": {}, "results": {}}
        write_journal(folder, [record(number, **{**plain, **row}) for number, row in enumerate(rows)])
        manifest(**changed).write(folder)
        return folder

    def numbers(self, name: str, numbers: Sequence[object], title: str = "Figures", output: str = "mass") -> Path:
        """A folder of `map` whose rows have one number each."""
        rows = [{"values": {"item": f"i{n}"}, "results": {title: {output: number}}} for n, number in enumerate(numbers)]
        return self.run(name, rows)

    def answers(self, name: str, answers: Sequence[str], truths: Sequence[object], **columns: Sequence[object]) -> Path:
        """A folder of `map` whose rows have a text each, and the right one in the column `truth`."""
        more = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        rows = [
            {
                "values": {"query": f"question {n}", "truth": truth, **(more[n] if more else {})},
                "results": {"Answer": {"text": answer}},
                "texts": {"9": [answer]},
            }
            for n, (answer, truth) in enumerate(zip(answers, truths, strict=True))
        ]
        return self.run(name, rows)

    def scored(
        self, name: str, scores: Mapping[str, float | None], categories: Mapping[str, str] | None = None, **more: Any
    ) -> Path:
        """A graph's folder of a benchmark, with the score of each item."""
        rows = [{"values": {"item": item}, "results": {"Answer": {"text": "a"}}} for item in scores]
        folder = self.run(name, rows)
        found = [
            ItemScore(item, row, score, (categories or {}).get(item), "a", more.get("truth", "b"))
            for row, (item, score) in enumerate(scores.items())
        ]
        write_scores(folder, found)
        return folder

    def benchmark(self, name: str, graphs: Sequence[str]) -> Path:
        """The folder of a benchmark that has these graphs."""
        (self.root / name).mkdir(exist_ok=True)
        document = {"format": 1, "benchmark": "pope", "graphs": {graph: {} for graph in graphs}}
        (self.root / name / "bench.json").write_text(json.dumps(document), "utf-8")
        return self.root / name


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)
