"""Real models' answers with the official code's scores, where the folder with them is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.bench.scorers import (
    mme_scores,
    normalize_vqa,
    open_answer_correct,
    parse_llava_bench_review,
    parse_mme,
    parse_multiple_choice,
    parse_open,
    parse_pope,
    pope_scores,
    vqa_accuracy,
)

SHARED = Path(__file__).parents[4] / "shared"
GOLDEN = SHARED / "golden" / "evaluation"
VECTORS = SHARED / "spec" / "vectors" / "metric_vectors.json"

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden answers are not here")
needs_vectors = pytest.mark.skipif(not VECTORS.is_file(), reason="the golden vectors are not here")


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").rstrip("\n").split("\n")


@needs_golden
def test_mmmu_reads_what_the_official_parser_reads() -> None:
    items = json.loads((GOLDEN / "mmmu_qwen_vl.json").read_text("utf-8"))["items"]
    drawn = 0
    for item in items:
        response, answer = item["response"], item["answer"]
        if item["type"] != "multiple-choice":
            assert open_answer_correct(response, answer) == item["correct"], item["id"]
            assert {str(form) for form in parse_open(response)} == {str(form) for form in item["parsed"]}, item["id"]
            continue
        parsed = parse_multiple_choice(response, list(item["choices"]), item["choices"])
        if item["random"]:
            drawn += 1
            assert parsed is None, item["id"]
        else:
            assert parsed == item["parsed"] and (parsed == answer) == item["correct"], item["id"]
    assert len(items) == 900 and drawn > 0


@needs_golden
def test_mme_of_lavin() -> None:
    expected = json.loads((GOLDEN / "mme_lavin" / "scores.json").read_text("utf-8"))
    items: list[dict[str, object]] = []
    for task in expected["tasks"]:
        for line in lines_of(GOLDEN / "mme_lavin" / f"{task}.txt"):
            image, _, answer, prediction = line.split("\t")
            items.append({"task": task, "image": image, "answer": answer, "prediction": prediction})
    scores = mme_scores(items)
    assert {name: task.score for name, task in scores.tasks.items()} == pytest.approx(expected["tasks"], abs=1e-9)
    assert scores.perception == pytest.approx(expected["perception"])
    assert scores.cognition == pytest.approx(expected["cognition"])


@needs_golden
def test_pope() -> None:
    questions = [json.loads(line) for line in lines_of(GOLDEN / "pope_random_questions.json")]
    answers = [json.loads(line) for line in lines_of(GOLDEN / "pope_random_answers.jsonl")]
    expected = json.loads((GOLDEN / "pope_random_scores.json").read_text("utf-8"))
    pairs = zip(questions, answers, strict=True)
    scores = pope_scores({"label": question["label"], "prediction": answer["answer"]} for question, answer in pairs)
    found = {
        "TP": scores.true_positives,
        "FP": scores.false_positives,
        "TN": scores.true_negatives,
        "FN": scores.false_negatives,
        "Accuracy": scores.accuracy,
        "Precision": scores.precision,
        "Recall": scores.recall,
        "F1 score": scores.f1,
        "Yes ratio": scores.yes_ratio,
    }
    assert found == pytest.approx(expected)


@needs_vectors
def test_the_vectors() -> None:
    vectors: dict[str, Any] = json.loads(VECTORS.read_text("utf-8"))
    for text, expected in vectors["vqa_normalise"]:
        assert normalize_vqa(text) == expected, text
    for prediction, answers, expected in vectors["vqa_accuracy_leave_one_out"]:
        assert vqa_accuracy(prediction, answers) == pytest.approx(expected)
    options = vectors["mmmu_multi_index2ans"]
    for response, expected in vectors["mmmu_multi"]:
        assert (parse_multiple_choice(response, list(options), options) or "RANDOM") == expected, response
    for response, answer, expected in vectors["mmmu_open"]:
        assert open_answer_correct(response, answer) == expected, response
    for response, expected in vectors["pope_parse"]:
        assert parse_pope(response) == expected, response
    for response, expected in vectors["mme_parse"]:
        assert parse_mme(response) == expected, response
    for review, expected in vectors["llava_bench_parse"]:
        assert list(parse_llava_bench_review(review)) == expected, review
