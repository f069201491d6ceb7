"""Maps against the true masks of objects, as ImageNet-Segmentation scores them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.tasks.metrics import iou as iou
from api_graph.tasks.metrics import per_class_mean as per_class_mean
from api_graph.tasks.metrics import refers_to as refers_to
from api_graph.tasks.metrics import top_k as top_k
from api_graph.tasks.metrics import worst_group as worst_group


@dataclass(frozen=True)
class SegmentationScores:
    """Means over the pixels of all images (`pixel_accuracy`, `mean_iou` of the two classes), and over images (mAP)."""

    pixel_accuracy: float
    mean_iou: float
    mean_average_precision: float
    images: int


def segmentation_scores(pairs: Iterable[tuple[Tensor, Tensor]]) -> SegmentationScores:
    """Heatmaps (H, W) with true masks (H, W), bool: each map is cut off at 0, brought into [0, 1], and cut at its mean.

    The counts of both classes are summed over all images before they are divided, as the published code does. Raises
    BadInput where a map and its mask differ in size, for a map that is not finite, and where there are none.
    """
    right = labelled = 0
    shared, joined = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    precisions: list[float] = []
    for heatmap, mask in pairs:
        if heatmap.shape != mask.shape or heatmap.ndim != 2:
            raise BadInput(
                "a map and its mask have one shape (H, W)",
                input="pairs",
                value=(tuple(heatmap.shape), tuple(mask.shape)),
            )
        if not bool(torch.isfinite(heatmap).all()):
            raise BadInput("the map holds NaN or infinite values", input="pairs")
        values, truth = _unit(heatmap.double()), mask.bool()
        inside = values > values.mean()
        right += int((inside == truth).sum())
        labelled += truth.numel()
        for index, (found, true) in enumerate(((~inside, ~truth), (inside, truth))):
            shared[index] += int((found & true).sum())
            joined[index] += int((found | true).sum())
        precisions.append(average_precision(values.flatten(), truth.flatten()))
    if not precisions:
        raise BadInput("there is nothing to score", input="pairs")
    ratio = torch.where(joined > 0, shared / joined.clamp(min=1), torch.zeros_like(joined))
    return SegmentationScores(right / labelled, float(ratio.mean()), sum(precisions) / len(precisions), len(precisions))


def average_precision(scores: Tensor, truth: Tensor) -> float:
    """The area under precision over recall of scores (n,) for what is true (n,), in steps; equal scores at once.

    0 where nothing is true.
    """
    positives = int(truth.sum())
    if positives == 0:
        return 0.0
    order = scores.argsort(descending=True, stable=True)
    hits = truth[order].double().cumsum(0)
    ordered = scores[order]
    ends = torch.ones_like(ordered, dtype=torch.bool)  # where the next score is another one
    ends[:-1] = ordered[1:] != ordered[:-1]
    hits, found = hits[ends], (torch.arange(len(scores), device=scores.device) + 1)[ends]
    recall = hits / positives
    steps = torch.diff(recall, prepend=torch.zeros(1, dtype=recall.dtype, device=recall.device))
    return float((hits / found * steps).sum())


def _unit(values: Tensor) -> Tensor:
    values = values.clamp(min=0)
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else torch.zeros_like(values)
