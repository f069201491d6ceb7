"""Metrics, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.tasks.classification import classified, report
from api_graph.tasks.metrics import iou, per_class_mean, refers_to, top_k, worst_group
from api_graph.tasks.pointcloud.classification import fused

BOX = torch.tensor([[0.0, 0.0, 10.0, 10.0]])


def test_iou() -> None:
    others = torch.tensor([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [3, 3, 3, 3]]).float()
    assert iou(BOX, others).tolist() == [[1, pytest.approx(50 / 150), 0, 0.04, 0]]
    assert iou(others[4:], others[4:]).tolist() == [[0]]


def test_a_hit_needs_more_than_half() -> None:
    half = torch.tensor([[0.0, 0.0, 10.0, 5.0], [0.0, 0.0, 10.0, 5.01]])
    assert refers_to(half, BOX).tolist() == [False, True]
    assert refers_to(BOX, torch.cat([half[:1], BOX])).tolist() == [True]  # any target will do


def test_what_is_no_box_and_no_share() -> None:
    bad = torch.tensor([[0.0, 0.0, float("nan"), 10.0]])
    for call in (lambda: iou(bad, BOX), lambda: iou(BOX, bad), lambda: iou(BOX, BOX[0]), lambda: iou(BOX[:, :3], BOX)):
        with pytest.raises(BadInput, match=r"finite boxes \(N, 4\) are needed"):
            call()
    turned = torch.tensor([[10.0, 10.0, 0.0, 0.0]])  # nothing lies in it: 0, and no area of its own
    assert iou(turned, BOX).tolist() == [[0]] and iou(turned, turned).tolist() == [[0]]
    with pytest.raises(BadInput, match="threshold: a threshold is a share"):
        refers_to(BOX, BOX, 50)
    with pytest.raises(BadInput, match="there is no target"):
        refers_to(BOX, BOX[:0])


def test_a_score_that_is_nan_is_no_hit() -> None:
    """Nothing is above NaN: its class would be the best one of every row."""
    scores = SCORES.clone()
    scores[1, 2] = float("nan")
    for target in (0, 2):
        with pytest.raises(BadInput, match=r"scores: a score is NaN \(got 'row 1'\)"):
            top_k(scores, torch.tensor([1, target, 2]))
    with pytest.raises(BadInput, match="a score is NaN"):
        report(scores, torch.tensor([1, 0, 2]))


def test_a_classification_of_scores_that_are_none_is_refused() -> None:
    features, classes = torch.tensor([[1.0, 0.0], [float("nan"), 1.0]]), torch.eye(2)
    with pytest.raises(BadInput, match="a score is NaN or infinite"):
        classified(features, classes, ("a", "b"), 100.0)
    assert classified(features[:1], classes, ("a", "b"), 100.0).names == ["a"]
    with pytest.raises(BadInput, match="a score is NaN or infinite"):
        fused(features[None], classes, ("a", "b"), 100.0)
    with pytest.raises(BadInput, match="2 finite weights are needed, one not 0"):
        fused(torch.eye(2)[None], classes, ("a", "b"), 100.0, [0, 0])


def test_rows_without_a_group_are_in_none() -> None:
    found = report(SCORES, torch.tensor([1, 0, 2]), ["land", "", "water"])
    assert found.groups == {"land": 1.0, "water": 0.0} and found.worst == ("water", 0.0) and found.count == 3


SCORES = torch.tensor([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0], [0.0, -1.0, 0.0]])


def test_top_k_takes_the_first_of_equals() -> None:
    assert top_k(SCORES, torch.tensor([1, 0, 2])).tolist() == [True, True, False]
    assert top_k(SCORES, torch.tensor([2, 1, 2]), 2).tolist() == [True, True, True]
    assert top_k(SCORES, torch.tensor([0, 2, 1]), 2).tolist() == [False, False, False]
    assert top_k(SCORES, torch.tensor([0, 2, 1]), 5).all()


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0, 3))
def test_exactly_k_of_the_classes_are_among_the_k_best(scores: list[int], k: int) -> None:
    rows = torch.tensor([scores] * 4).float()
    assert int(top_k(rows, torch.arange(4), k + 1).sum()) == k + 1


def test_per_class_mean_and_worst_group() -> None:
    hits = torch.tensor([True, True, False, True])
    targets = torch.tensor([0, 0, 0, 2])  # class 0: 2 of 3, class 2: 1 of 1
    assert per_class_mean(hits, targets) == pytest.approx((2 / 3 + 1) / 2)
    assert worst_group(hits, ["a", "b", "b", "c"]) == ("b", 0.5)
    assert worst_group(~hits, ["a", "b", "b", "a"]) == ("a", 0.0)  # the first of equals


def test_report() -> None:
    found = report(SCORES, torch.tensor([1, 0, 2]), ["land", "land", "water"])
    assert (found.count, found.top5, found.worst) == (3, 1.0, ("water", 0.0))
    assert found.top1 == pytest.approx(2 / 3)
    assert found.groups == {"land": 1.0, "water": 0.0}
    assert report(SCORES, torch.tensor([1, 0, 2])).worst is None


@pytest.mark.parametrize("targets", [[0, 1], [0, 1, 3], [0, 1, -1]])
def test_targets_that_do_not_fit(targets: list[int]) -> None:
    with pytest.raises(BadInput, match="targets"):
        top_k(SCORES, torch.tensor(targets))
    with pytest.raises(BadInput):
        per_class_mean(torch.tensor([]), torch.tensor([]))
    with pytest.raises(BadInput):
        top_k(SCORES, torch.tensor([0, 1, 2]), 0)
