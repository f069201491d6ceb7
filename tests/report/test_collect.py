"""From a run's folder to its summary."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar

import pytest

from api_graph.errors import BadInput
from api_graph.report.collect import Summary, Timing, collect
from api_graph.report.facts import Facts, facts_of, moment
from api_graph.report.journals import JournalFile


def collected(folder: Path) -> Summary:
    return collect(folder, pictures=200, rows=5000)


def test_counts(finished_run: Path) -> None:
    summary = collected(finished_run)
    assert (summary.rows, summary.ok, summary.failed) == (12, 9, 3)
    # 9 × 3 + 3 × 1 steps ran, 12 × 1 came from the cache
    assert (summary.ran, summary.cached, summary.cache_share) == (30, 12, 12 / 42)
    assert summary.timings == {"4": Timing(12 * 0.125, 12), "19": Timing(9 * 0.0625, 9)}
    assert [row.number for row in summary.listed.ordered()] == list(range(12))


def test_facts(finished_run: Path) -> None:
    facts = collected(finished_run).facts
    assert (facts.name, facts.source, facts.count, facts.device) == (
        "api_clip_ask",
        "questions.jsonl",
        12,
        "cuda (H100)",
    )
    assert facts.rate == 12 / 3.0
    assert facts.cached == {"4": 0, "19": 2}
    assert dict(facts.settings)["Set for all rows"] == [("strength", "0.75")]
    assert [facts.title("20"), facts.title("19"), facts.title("77")] == ["Answer", "APQueryLVLM", "77"]
    assert facts.image_columns == ["picture"]


def test_causes(finished_run: Path) -> None:
    causes = collected(finished_run).causes.by_count()
    assert [(cause.where, cause.message, cause.count) for cause in causes] == [
        ("image", "image: there is no such file (got ⟨picture⟩). Put it there.", 2),
        ("APQueryLVLM", "query: it is too long (got ⟨question⟩).", 1),
    ]


@pytest.mark.parametrize("torn", [b"{", b'{"row": 3, "ok": true}', b'{"row": 3, "ok": tr', b"\xff\xfe"])
def test_a_line_without_its_end_is_not_there_yet(made: Any, torn: bytes) -> None:
    summary = collected(made.write([made.record(0)], tail=torn))
    assert (summary.rows, summary.damaged) == (1, 0)


@pytest.mark.parametrize(
    "line", ["{", "[]", "null", '{"row": 1}', '{"row": -1, "ok": true}', '{"row": true, "ok": true}', "[" * 100_000]
)
def test_damaged_lines_are_counted(made: Any, line: str) -> None:
    folder = made.write([made.record(0)], tail=f"{line}\n{json.dumps(made.record(5))}\n".encode())
    summary = collected(folder)
    assert (summary.rows, summary.damaged) == (2, 1)


def test_empty_lines_are_nothing(made: Any) -> None:
    folder = made.write([made.record(0)], tail=f"\n  \n{json.dumps(made.record(5))}\n".encode())
    summary = collected(folder)
    assert (summary.rows, summary.damaged) == (2, 0)


@pytest.mark.parametrize("value", [None, 3, "x", [1], {"a": None}, {"20": 5}, {"20": [None, {"b": 1}]}])
@pytest.mark.parametrize("part", ["values", "outputs", "texts", "files", "steps", "error", "seconds", "ran", "cached"])
def test_a_record_of_another_form_ends_no_report(made: Any, part: str, value: Any) -> None:
    summary = collected(made.write([made.record(0, ok=False, **{part: value}), made.record(1, **{part: value})]))
    assert (summary.rows, summary.failed) == (2, 1)


@pytest.mark.parametrize("value", [None, 3, "x", [1], {"a": None}, {"1": 5}])
@pytest.mark.parametrize(
    "part",
    ["graph", "graph_name", "rows", "set", "columns", "inputs", "versions", "device", "arguments", "started", "totals"],
)
def test_a_manifest_of_another_form_ends_no_report(made: Any, part: str, value: Any) -> None:
    assert collected(made.write([made.record(0)], made.manifest(**{part: value}))).rows == 1


def test_a_manifest_is_not_needed(made: Any) -> None:
    folder = made.write([made.record(0)])
    (folder / "manifest.json").unlink()
    facts = collected(folder).facts
    assert (facts.name, facts.rate, facts.cached, facts.count) == ("", None, None, None)


def test_a_manifest_that_is_not_json(made: Any) -> None:
    folder = made.write([made.record(0)])
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BadInput, match=r"manifest\.json: is not JSON"):
        collected(folder)


def test_a_run_that_goes_on(made: Any) -> None:
    facts = collected(made.write([made.record(0)], made.manifest(finished=None, totals=None))).facts
    assert (facts.finished, facts.rate, facts.cached) == ("", None, None)


def test_shards_are_read_together(made: Any) -> None:
    for index, rows in ((1, (0, 1)), (3, (4, 5)), (10, (18,))):
        made.write([made.record(row) for row in rows], part=f"shards/{index}-of-10")
    (made.folder / "shards" / "2-of-10").mkdir()
    summary = collected(made.folder)
    assert [row.number for row in summary.listed.ordered()] == [0, 1, 4, 5, 18]
    facts = summary.facts
    assert (facts.shards, facts.missing, facts.one_graph) == (3, ["2/10", *(f"{i}/10" for i in range(4, 10))], True)
    assert facts.rate == 36 / 9.0
    assert facts.cached == {"4": 0, "19": 6}
    assert facts.finished == "2026-11-21T07:02:00+00:00"


def test_shards_of_which_one_goes_on(made: Any) -> None:
    made.write([made.record(0)], part="shards/1-of-2")
    going = made.manifest(finished=None, totals=None, fingerprint="0", started="2026-11-21T06:00:00+00:00")
    made.write([made.record(1)], going, part="shards/2-of-2")
    facts = collected(made.folder).facts
    assert (facts.finished, facts.started) == ("", "2026-11-21T06:00:00+00:00")
    assert (facts.rate, facts.cached, facts.missing, facts.one_graph) == (None, None, [], False)


def test_merged_results_stand_for_their_shards(made: Any) -> None:
    made.write([made.record(0)], part="shards/1-of-2")
    assert collected(made.write([made.record(0), made.record(1)])).rows == 2


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (lambda folder: folder.rmdir(), "there is no such folder"),
        (lambda folder: None, "there are no results in it"),
        (lambda folder: (folder / "shards" / "1-of-2").mkdir(parents=True), "there are no results in it"),
        (lambda folder: (folder / "results.jsonl").mkdir(), "there are no results in it"),
        (lambda folder: (folder / "results.jsonl").touch(), "no row has finished yet"),
        (lambda folder: (folder / "results.jsonl").write_text('{"row": 1'), "no row has finished yet"),
    ],
)
def test_no_results(made: Any, prepare: Any, problem: str) -> None:
    prepare(made.folder)
    with pytest.raises(BadInput, match=problem) as caught:
        collected(made.folder)
    assert (caught.value.input, caught.value.value) == ("DIR", str(made.folder))


def test_samples_are_bounded(made: Any) -> None:
    folder = made.write(made.record(row) for row in range(300))
    summary = collect(folder, pictures=5, rows=20)
    assert (summary.rows, len(summary.pictured.ranked()), len(summary.listed.ranked())) == (300, 5, 20)


def test_texts_are_clipped_and_clean(made: Any) -> None:
    record = made.record(
        0,
        values={"q": "x" * 1000, "n": {"a": [1, None]}, "c": "a\0b\u202ec\ud800d\r\ne\rf"},
        texts={"20": ["y" * 1000]},
    )
    (row,) = collected(made.write([record])).listed.ordered()
    assert [len(text) for _, text in (*row.values, *row.texts)][::3] == [160, 400]
    assert dict(row.values)["n"] == '{"a": [1, null]}'
    assert dict(row.values)["c"] == "a\ufffdb\ufffdc\ufffdd\ne\nf"


def test_outputs_stand_in_for_texts(made: Any) -> None:
    record = made.record(0, texts={"20": ["red"]}, outputs={"20": {"text": "red"}, "9": {"kernel": 15, "at": [1, 2]}})
    (row,) = collected(made.write([record])).listed.ordered()
    assert row.texts == [("Answer", "red"), ("9: kernel", "15"), ("9: at", "[1, 2]")]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({"question": "a.png", "picture": "b"}, "b"),
        ({"x": "c.png", "picture": None}, "c.png"),
        ({"x": 7, "y": "plain", "z": "d.JPG"}, "d.JPG"),
        ({"x": "plain"}, "example.png"),
    ],
)
def test_the_image_of_a_row(made: Any, values: dict[str, Any], image: str) -> None:
    (row,) = collected(made.write([made.record(0, values=values)])).listed.ordered()
    assert row.image == image


def test_several_things_that_failed(made: Any) -> None:
    error = {"message": "a", "node": None, "kind": "row", "others": 2}
    (cause,) = collected(made.write([made.record(0, ok=False, error=error)])).causes.by_count()
    assert (cause.where, cause.message) == ("the row itself", "a (and 2 more)")


def test_moments() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
    assert moment("2026-11-21T12:00:00Z") == moment("2026-11-21T13:00:00+01:00") == noon
    assert [moment(text) for text in ("", "yesterday", "0001-01-01T00:00:00+23:00")] == [None, None, None]


VALUES = "Values in the graph; what it leaves out has its default"


class TestSettings:
    """The page names the graph, its models, and every value that the graph states."""

    GRAPH: ClassVar[dict[str, Any]] = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "example.png"}, "_meta": {"title": "image"}},
        "2": {"class_type": "APText", "inputs": {"text": "a ring"}, "_meta": {"title": "query"}},
        "3": {"class_type": "APLoadCLIP", "inputs": {"model": "demo"}, "_meta": {"title": "Load CLIP"}},
        "9": {
            "class_type": "APMeanFilter",
            "inputs": {"heatmap": ["1", 1], "kernel_size": 15},
            "_meta": {"title": "Mean filter"},
        },
    }

    def facts(self, **changes: Any) -> Facts:
        made = {"graph": self.GRAPH, "columns": {}, "bindings": {"photo": ["1", "image"], "id": None}} | changes
        return facts_of([JournalFile(Path("results.jsonl"), made)])

    def test_every_input_by_its_full_name(self) -> None:
        inputs = dict(dict(self.facts().settings)[VALUES])
        expected = {"image.image": "column photo", "query.text": "a ring", "Load CLIP.model": "demo"}
        assert inputs == expected | {"Mean filter.kernel_size": "15"}

    def test_defaults_of_what_the_graph_leaves_out(self) -> None:
        settings = dict(self.facts(defaults={"3": {"device": "auto"}, "9": {}}).settings)
        inputs = dict(settings["Values in the graph, and the defaults of what it leaves out"])
        assert inputs["Load CLIP.device"] == "auto (default)" and inputs["Mean filter.kernel_size"] == "15"

    def test_a_column_under_another_name(self) -> None:
        facts = self.facts(bindings={}, columns={"query": "question"})
        assert dict(dict(facts.settings)[VALUES])["query.text"] == "column question"

    @pytest.mark.parametrize(
        ("bindings", "model", "demo"),
        [
            ({"photo": ["1", "image"]}, "demo", True),
            ({"photo": ["1", "image"]}, "ViT-B-16/openai", False),
            ({"question": ["2", "text"]}, "demo", False),  # all rows are about the example
            ({}, "demo", True),  # version 0.1 did not say which column sets what
        ],
    )
    def test_the_demo_model_says_what_it_knows(self, bindings: dict[str, Any], model: str, demo: bool) -> None:
        graph = self.GRAPH | {"3": {"class_type": "APLoadCLIP", "inputs": {"model": model}}}
        facts = self.facts(graph=graph, bindings=bindings)
        assert (facts.demo, list(facts.models)) == (demo, [model])

    def test_a_damaged_graph_has_none(self) -> None:
        assert VALUES not in dict(self.facts(graph={"1": 3}).settings)
