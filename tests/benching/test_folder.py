"""A benchmark's folder: its table and what was run, written, read back, and damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api_graph.bench.declare import Response
from api_graph.bench.kinds.options import MMMU, TSV
from api_graph.bench.kinds.short_answers import TEXTVQA
from api_graph.bench.readers.questions import Question
from api_graph.benching.folder import Bench, GraphRun, read_bench
from api_graph.benching.plan import graph_choices, settings_by_graph
from api_graph.benching.registry import benchmarks
from api_graph.benching.table import read_table, write_table
from tests.benching.sets import SETS, png
from tests.tasks.files import complaint

RUN = GraphRun("plain", "lvlm_ask", {"a": 1}, {"suffix.prompt": "prompt"}, "Answer", {"m": {"device": "auto"}}, 4, True)
BENCH = Bench("pope", {"plain": RUN}, ("random",), 20, "data", "empty", "judge/m", {"python": "3"})


@pytest.mark.parametrize("name", SETS)
def test_a_table_scores_as_the_set_itself(tmp_path: Path, name: str) -> None:
    """What scores an item comes back from the table: the same verdict, category and figures."""
    spec = benchmarks()[name]
    SETS[name](tmp_path / "data")
    questions = list(spec.read(tmp_path / "data", spec.parts))
    (tmp_path / "out").mkdir()
    write_table(spec, questions, tmp_path / "data", tmp_path / "out")
    back = read_table(tmp_path / "out")
    assert [replace(question, images=()) for question in questions] == back
    for before, after in zip(questions, back, strict=True):
        response = Response("B", replies=("1.0",))
        assert spec.score(before, response) == spec.score(after, response)
        assert spec.category(before) == spec.category(after)
    rows = [json.loads(line) for line in (tmp_path / "out" / "table.jsonl").read_text().splitlines()]
    assert len({row["item"] for row in rows}) == len(rows)
    for row in rows:
        found = [folder / row["image"] for folder in (tmp_path / "out", tmp_path / "data")]
        assert any(path.is_file() for path in found) and not Path(row["image"]).is_absolute()


def test_pictures_inside_a_table_are_written_once(tmp_path: Path) -> None:
    questions = [Question(str(i), (png(i % 2), png(2)), "?", "?", ("x",)) for i in range(4)]
    write_table(MMMU, [replace(q, facts={"subject": "Art"}) for q in questions], tmp_path, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "table.jsonl").read_text().splitlines()]
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 3
    assert rows[0]["image"] == rows[2]["image"] != rows[1]["image"] and rows[0]["image_2"] == rows[1]["image_2"]
    assert (tmp_path / "out" / rows[0]["image"]).read_bytes() == png(0)
    bad = [Question("7", (b"no picture at all",), "?", "?")]
    assert "the picture of item 7 is none that can be read" in complaint(write_table, TSV, bad, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("item", None, "line 2, field 'item': it is missing"),
        ("query", 3, "line 2, field 'query': a text is needed"),
        ("truth", "x", "line 2, field 'truth': a list is needed"),
        ("truth", [1], "line 2, field 'truth[0]': a text is needed"),
        ("choices", [], "line 2, field 'choices': an object is needed"),
        ("facts", None, "line 2, field 'facts': it is missing"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, field: str, value: Any, said: str) -> None:
    SETS["textvqa"](tmp_path)
    path = write_table(TEXTVQA, TEXTVQA.read(tmp_path, ()), tmp_path, tmp_path)
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), field: value})
    path.write_text("\n".join(lines))
    assert said in complaint(read_table, tmp_path)
    assert "there is no table.jsonl in it" in complaint(read_table, tmp_path / "other")


def test_what_was_run_comes_back(tmp_path: Path) -> None:
    assert read_bench(tmp_path) is None
    BENCH.write(tmp_path)
    assert read_bench(tmp_path) == BENCH
    again = BENCH.with_graph(replace(RUN, answer="Said", retried=False))
    assert again.graphs["plain"].retried and again.graphs["plain"].answer == "Said"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "field 'format': it is not of format 1"),
        ({"on_failure": "ignore"}, "field 'on_failure': it is error or empty"),
        ({"graphs": []}, "field 'graphs': an object is needed"),
        ({"graphs": {"../up": {}}}, "field 'graphs.../up': this is no name of a subfolder"),
        ({"graphs": {"a": {"graph": 3}}}, "field 'graphs.a.graph': a text is needed"),
        ({"limit": 0}, "field 'limit': the number is not within"),
        ({"benchmark": None}, "field 'benchmark': it is missing"),
        ({"versions": "1"}, "field 'versions': an object is needed"),
    ],
)
def test_a_damaged_bench_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    BENCH.write(tmp_path)
    document = json.loads((tmp_path / "bench.json").read_text())
    (tmp_path / "bench.json").write_text(json.dumps({**document, **change}))
    assert said in complaint(read_bench, tmp_path)


def test_graphs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.json").touch()
    choices = graph_choices(["lvlm_ask", "x/y/own.json", "k7=own.json", "a=b.json"])
    assert [(choice.name, choice.source) for choice in choices] == [
        ("lvlm_ask", "lvlm_ask"),
        ("own", "x/y/own.json"),
        ("k7", "own.json"),
        ("a=b", "a=b.json"),
    ]
    assert "two graphs have one name" in complaint(graph_choices, ["a.json", "b/a.json"])
    assert "this can be no subfolder" in complaint(graph_choices, ["pictures"])


def test_settings_are_for_all_graphs_or_for_one() -> None:
    settings = {"k": "1", "b:k": "2", "b:Load: CLIP.model": "x", "c:d": "3"}
    assert settings_by_graph(settings, ["a", "b"]) == {
        "a": {"k": "1", "c:d": "3"},
        "b": {"k": "2", "Load: CLIP.model": "x", "c:d": "3"},
    }
