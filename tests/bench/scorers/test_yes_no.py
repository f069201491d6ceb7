"""POPE and MME by hand, and against counts of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench.scorers import mme_scores, parse_mme, parse_pope, pope_scores, strict_yes_no
from api_graph.errors import BadInput

RESPONSES = st.sampled_from(["Yes", "No", "no.", "NO", "", "Yes, not at all", "Not sure", "I do not know", "yes."])


@given(st.lists(st.tuples(st.sampled_from(["yes", "no"]), RESPONSES), min_size=1))
def test_pope_counts(rows: list[tuple[str, str]]) -> None:
    scores = pope_scores({"label": label, "prediction": response} for label, response in rows)
    said = [
        (label == "yes", not {"No", "no", "not"} & set(r.split(".")[0].replace(",", "").split(" ")))
        for label, r in rows
    ]
    right = sum(a == b for a, b in said) / len(said)
    assert scores.accuracy == pytest.approx(right) and scores.count == len(rows)
    assert scores.yes_ratio == pytest.approx(sum(b for _, b in said) / len(said))
    hits, claims, there = sum(a and b for a, b in said), sum(b for _, b in said), sum(a for a, _ in said)
    assert scores.f1 == pytest.approx(2 * hits / (claims + there) if claims + there else 0.0)


def test_readings_differ() -> None:
    assert (parse_pope("NO"), parse_mme("NO"), strict_yes_no("NO.")) == ("yes", "no", "no")
    assert (parse_pope("Maybe"), parse_mme("Maybe"), strict_yes_no("Yes, a dog")) == ("yes", "other", "other")


def item(image: str, answer: str, prediction: str, task: str = "color") -> dict[str, object]:
    return {"task": task, "image": image, "answer": answer, "prediction": prediction}


def test_mme_by_hand() -> None:
    rows = [item("1", "Yes", "Yes"), item("1", "No", "No"), item("2", "Yes", "yes, it is"), item("2", "No", "perhaps")]
    scores = mme_scores([*rows, item("3", "Yes", "no", "OCR"), item("3", "No", "no", "OCR")])
    assert scores.tasks["color"].score == 100 * (3 / 4 + 1 / 2) and scores.tasks["color"].other == 1
    assert scores.perception == 125 + 50 and scores.cognition == 0
    assert scores.matching_accuracy == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([item("1", "Yes", "Yes")], "image"),
        ([item("1", "Yes", "Yes"), item("2", "No", "No")], "image"),
        ([item("1", "Yes", "Yes", "colour")], "task"),
        ([item("1", "Perhaps", "Yes"), item("1", "No", "No")], "label"),
        ([], "items"),
    ],
)
def test_what_mme_refuses(rows: list[dict[str, object]], named: str) -> None:
    with pytest.raises(BadInput) as refused:
        mme_scores(rows)
    assert refused.value.input == named


def test_what_pope_refuses() -> None:
    for rows in ([], [{"label": "maybe", "prediction": "yes"}]):
        with pytest.raises(BadInput):
            pope_scores(rows)
