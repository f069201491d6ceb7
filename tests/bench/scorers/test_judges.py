"""What judges say: by hand."""

from __future__ import annotations

import math

import pytest

from api_graph.bench.scorers import (
    FAILED_REVIEW,
    llava_bench_scores,
    mm_vet_scores,
    parse_llava_bench_review,
    parse_mm_vet_score,
)
from api_graph.errors import BadInput


@pytest.mark.parametrize(
    ("review", "expected"),
    [("8 7.5\nBoth ...", (8.0, 7.5)), ("8,7", (8.0, 7.0)), ("8  7", FAILED_REVIEW), ("8 seven", FAILED_REVIEW)],
)
def test_a_review(review: str, expected: tuple[float, float]) -> None:
    assert parse_llava_bench_review(review) == expected


def test_failed_reviews_stay_in_the_official_means() -> None:
    rows = [("conv", "8 6\n"), ("conv", "10 9\n"), ("detail", "neither")]
    scores = llava_bench_scores({"category": category, "review": review} for category, review in rows)
    assert scores["conv"].score == round(100 * 15 / 18, 1)
    assert scores["all"].score == round(100 * 14 / 17, 1) and scores["all"].without_failed == scores["conv"].score
    assert (scores["all"].failed, scores["all"].reviews) == (1, 3)
    assert scores["detail"].score == 100.0 and scores["detail"].without_failed is None
    assert math.isnan(llava_bench_scores([{"category": "c", "review": "0 5"}])["all"].score)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("0.5", 0.5), ("1.0 |", 1.0), ("Correctness: 0.5", None), ("1.5", None), ("nan", None), ("", None)],
)
def test_a_judges_number(reply: str, expected: float | None) -> None:
    assert parse_mm_vet_score(reply) == expected


def test_mm_vet_by_capability() -> None:
    rows = [(["ocr", "math"], 0.5), (["ocr"], 1.0), (["math"], None)]
    scores = mm_vet_scores({"capability": capability, "score": score} for capability, score in rows)
    assert scores == pytest.approx({"total": 50.0, "ocr": 75.0, "math": 25.0, "ocr,math": 50.0})
    with pytest.raises(BadInput):
        mm_vet_scores([{"capability": ["ocr"], "score": 2.0}])
