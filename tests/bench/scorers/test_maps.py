"""Maps against masks: by hand, and the precision against a walk over every threshold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench.scorers import average_precision, segmentation_scores
from api_graph.errors import BadInput


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20))
def test_average_precision_over_every_threshold(rows: list[tuple[int, bool]]) -> None:
    scores, truth = torch.tensor([float(s) for s, _ in rows]), torch.tensor([t for _, t in rows])
    area = recalled = 0.0
    for threshold in sorted({s for s, _ in rows}, reverse=True):
        chosen = scores >= threshold
        hits = int((chosen & truth).sum())
        recall = hits / max(int(truth.sum()), 1)
        area += hits / int(chosen.sum()) * (recall - recalled)
        recalled = recall
    assert average_precision(scores, truth) == pytest.approx(area)


def test_a_map_that_is_the_mask() -> None:
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1:3, 1:3] = True
    scores = segmentation_scores([(mask.float(), mask)])
    assert (scores.pixel_accuracy, scores.mean_iou, scores.mean_average_precision) == (1.0, 1.0, 1.0)


def test_counts_are_summed_over_images() -> None:
    """The second map is high at one pixel of four, and wrong: 6 of 8 right, foreground 2 of 4, background 4 of 6."""
    first, second = torch.tensor([[1.0, 1.0, -5.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    truth = torch.tensor([[True, True, False, False]]), torch.tensor([[True, False, False, False]])
    scores = segmentation_scores([(first, truth[0]), (second, truth[1])])
    assert scores.pixel_accuracy == 6 / 8
    assert scores.mean_iou == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert scores.images == 2


def test_what_is_refused() -> None:
    mask = torch.ones(2, 2, dtype=torch.bool)
    for pairs in ([], [(torch.zeros(2, 3), mask)], [(torch.full((2, 2), torch.nan), mask)]):
        with pytest.raises(BadInput):
            segmentation_scores(pairs)
