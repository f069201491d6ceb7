"""`api-graph plot`: a run with a grid, from the command to the picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Cli


@pytest.fixture
def swept(cli: Cli, tmp_path: Path) -> Path:
    """A run over two rows and a grid of texts, of which one is right."""
    lines = [{"item": item, "truth": truth} for item, truth in (("q1", "yes"), ("q2", "no"))]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    graph = {
        "0": {"class_type": "APText", "inputs": {"text": "?"}, "_meta": {"title": "truth"}},
        "1": {"class_type": "APText", "inputs": {"text": "?"}, "_meta": {"title": "said"}},
        "2": {"class_type": "APShowText", "inputs": {"value": ["1", 0]}, "_meta": {"title": "Answer"}},
        "3": {"class_type": "APShowText", "inputs": {"value": ["0", 0]}, "_meta": {"title": "Right"}},
    }
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    assert cli("map", "graph.json", "rows.jsonl", "--out", "out", "--grid", "said=yes,no,maybe").code == 0
    return tmp_path


def test_scores_and_a_file(cli: Cli, swept: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs api-graph[plots]")
    answer = cli("plot", "out", "--figure", "Answer", "--truth", "truth")
    assert answer.code == 0, answer.err
    lines = [line.split() for line in answer.out.splitlines()]
    assert lines[0] == ["said", "rows", "Answer.text", "95", "%", "interval"]
    assert [line[:3] for line in lines[1:4]] == [["yes", "2", "50"], ["no", "2", "50"], ["maybe", "2", "0"]]
    assert lines[-1] == [str(Path("out", "plot.pdf"))] and (swept / "out" / "plot.pdf").read_bytes()[:5] == b"%PDF-"
    document = json.loads(cli("plot", "out", "--figure", "Answer", "--truth", "truth", "--json", "--out", "p.png").out)
    assert [score["mean"] for score in document["scores"]] == [0.5, 0.5, 0.0] and (swept / "p.png").is_file()
    assert cli("plot", "out", "--figure", "Answer", "--truth", "truth", "--at", "said=no").code == 2


def test_a_wrong_folder(cli: Cli, swept: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs api-graph[plots]")
    answer = cli("plot", "nowhere")
    assert (answer.code, len(answer.errors)) == (2, 1) and "no such folder" in answer.err
