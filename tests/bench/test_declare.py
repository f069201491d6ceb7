"""Declarations of benchmarks, and the figures that most of them make."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_graph.bench.declare import Response, Scored, by_category, mean_of_groups
from api_graph.bench.kinds.options import HR_BENCH_4K, MMMU, MMVP, REAL_WORLD_QA
from api_graph.bench.kinds.yes_no import MME, POPE
from api_graph.bench.readers.questions import Question
from api_graph.bench.scorers import mme_scores, pope_scores
from api_graph.bench.scores import ItemScore
from api_graph.benching.registry import benchmark, benchmarks
from api_graph.errors import BadInput
from tests.tasks.files import complaint

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "evaluation"


def scored(score: float, category: str | None = None, **facts: str) -> Scored:
    question = Question(f"{category}{score}{facts}", (), "?", "?", ("yes",), facts=facts)
    return Scored(question, Response("yes"), ItemScore(question.id, 0, score, category, "yes", "yes"))


def test_names_are_no_commands_and_words_of_a_shell() -> None:
    from api_graph.cli.app import _bench

    commands = {command.name for command in _bench.registered_commands}
    assert commands >= {"run", "list", "score"} and not commands & set(benchmarks())
    assert all(name == spec.name and name.replace("-", "").isalnum() for name, spec in benchmarks().items())


def test_a_name_that_is_none() -> None:
    assert "Did you mean mm-vet?" in complaint(benchmark, "mmvet")
    assert "bench list" in complaint(benchmark, "imagenet")


def test_parts_are_those_of_the_benchmark_in_its_order() -> None:
    assert POPE.chosen_parts([]) == ("random", "popular", "adversarial")
    assert POPE.chosen_parts(["adversarial", "random"]) == ("random", "adversarial")
    assert "There are: random, popular, adversarial" in complaint(POPE.chosen_parts, ["all"])
    assert "it has no parts" in complaint(MMMU.chosen_parts, ["val"])


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    assert [needed.path for needed in MMVP.missing(tmp_path)] == ["Questions.csv", "MMVP Images"]
    (tmp_path / "Art").mkdir()
    assert len(MMMU.missing(tmp_path)) == 1
    (tmp_path / "Art" / "validation-0.parquet").touch()
    assert MMMU.missing(tmp_path) == []


def test_means_by_category() -> None:
    found = by_category("accuracy", [scored(1, "b"), scored(0, "a"), scored(0.5, "b"), scored(1)])
    assert [(figure.name, figure.value, figure.n) for figure in found] == [
        ("accuracy", 0.625, 4),
        ("accuracy: b", 0.75, 2),
        ("accuracy: a", 0.0, 1),
    ]


def test_a_mean_of_groups_weighs_groups_alike() -> None:
    figure = mean_of_groups("m", [[1.0, 1.0, 0.0, 0.0], [1.0]])
    assert (figure.value, figure.n) == (0.75, 5)
    # Only the first group varies: its mean of four halves is 0.5 ± 0.25, and the whole half of that.
    assert figure.low == pytest.approx(0.5) and figure.high == pytest.approx(1.0)
    with pytest.raises(BadInput, match="each group needs a score"):
        mean_of_groups("m", [[1.0], []])


def test_hr_bench_weighs_its_rotations_alike() -> None:
    items = [scored(1, "single", cycle_category="0")] * 3 + [scored(0, "cross", cycle_category="1")]
    found = {figure.name: figure.value for figure in HR_BENCH_4K.figures(items)}
    assert found == {"accuracy": 0.5, "accuracy: single": 1.0, "accuracy: cross": 0.0}


def test_pairs_that_are_not_whole_are_left_out() -> None:
    def row(number: int, score: float) -> Scored:
        question = Question(str(number), (), "?", "?", ("A",), {"A": "x", "B": "y"}, {"row": number})
        return Scored(question, Response("A" if score else "B"), ItemScore(str(number), 0, score, None, "", "A"))

    found = {f.name: (f.value, f.n) for f in MMVP.figures([row(1, 1), row(2, 1), row(3, 1), row(99, 0), row(100, 0)])}
    assert found["pair accuracy"] == (0.5, 2) and found["accuracy"] == (0.6, 5)
    assert found["pair accuracy, four labels corrected"] == (1.0, 2), "both labels are swapped, and both were B"
    tasks = [("a.jpg", 1.0), ("a.jpg", 1.0), ("b.jpg", 1.0)]
    mme = MME.figures([scored(value, "color", task="color", image=image) for image, value in tasks])
    assert {f.name: f.value for f in mme}["color score (of 200)"] == 200


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("B", 1),
        ("(b)", 1),
        ("b. blue", 1),
        ("blue", 1),
        ("Blue.", 1),
        ("The answer is B", 1),
        ("A", 0),
        ("", 0),
        ("?", 0),
    ],
)
def test_letters_are_read_in_many_forms(response: str, right: float) -> None:
    question = Question("1", (), "?", "?", ("B",), {"A": "red", "B": "blue"})
    assert REAL_WORLD_QA.score(question, Response(response)).score == right


def test_words_where_there_are_no_options() -> None:
    question = Question("1", (), "?", "?", ("3",))
    assert REAL_WORLD_QA.score(question, Response("Three.")).score == 1
    assert REAL_WORLD_QA.score(Question("1", (), "?", "?"), Response("3")).score is None


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the real outputs are not here")
def test_real_answers_get_the_official_scores(tmp_path: Path) -> None:
    """LaVIN's answers to MME, and POPE's by its script; the figures are those of the pure scorers, too."""
    import json

    items: list[Scored] = []
    rows: list[dict[str, str]] = []
    for path in sorted((GOLDEN / "mme_lavin").glob("*.txt")):
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            image, asked, truth, said = line.split("\t")
            question = Question(
                f"{path.stem}{number}", (), asked, asked, (truth,), facts={"task": path.stem, "image": image}
            )
            score = MME.score(question, Response(said)).score
            items.append(
                Scored(question, Response(said), ItemScore(question.id, number, score, path.stem, said, truth))
            )
            rows.append({"task": path.stem, "image": image, "answer": truth, "prediction": said})
    found = {figure.name: figure.value for figure in MME.figures(items)}
    official = mme_scores(rows)
    assert found["perception score (of 2000)"] == pytest.approx(963.61, abs=5e-3)
    assert found["cognition score (of 800)"] == pytest.approx(249.64, abs=5e-3)
    assert found["matching accuracy"] == pytest.approx(official.matching_accuracy)
    for task, scores in official.tasks.items():
        assert found[f"{task} score (of 200)"] == pytest.approx(scores.score)

    asked = [json.loads(line) for line in (GOLDEN / "pope_random_questions.json").read_text("utf-8").splitlines()]
    said = [json.loads(line) for line in (GOLDEN / "pope_random_answers.jsonl").read_text("utf-8").splitlines()]
    official_pope = json.loads((GOLDEN / "pope_random_scores.json").read_text("utf-8"))
    pope: list[Scored] = []
    for question_row, answer_row in zip(asked, said, strict=True):
        question = Question(
            str(question_row["question_id"]), (), "?", "?", (question_row["label"],), facts={"part": "random"}
        )
        score = POPE.score(question, Response(answer_row["answer"])).score
        pope.append(
            Scored(question, Response(answer_row["answer"]), ItemScore(question.id, 0, score, "random", "", ""))
        )
    figures = {figure.name: figure.value for figure in POPE.figures(pope)}
    for ours, theirs in (
        ("accuracy", "Accuracy"),
        ("precision", "Precision"),
        ("recall", "Recall"),
        ("F1", "F1 score"),
    ):
        assert figures[ours] == pytest.approx(official_pope[theirs])
    pairs = [{"label": q["label"], "prediction": a["answer"]} for q, a in zip(asked, said, strict=True)]
    assert figures["yes ratio"] == pytest.approx(pope_scores(pairs).yes_ratio)
