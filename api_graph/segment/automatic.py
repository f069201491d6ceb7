"""SAM's automatic mask generation: which of the masks that a grid of points leads to are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import in_range
from api_graph.segment.model import EncodedImage

_AT_A_TIME = 16  # masks in full size


class Automatic(TypedDict):
    """Arguments of `segment` without boxes, by name."""

    points_per_side: int
    points_per_batch: int
    pred_iou_thresh: float
    stability_score_thresh: float
    stability_score_offset: float
    nms_thresh: float
    min_area: int


AUTOMATIC: dict[str, Automatic] = {
    # SAM's automatic mask generator as it is; SoM's code changes nothing.
    "sam": {
        "points_per_side": 32,
        "points_per_batch": 64,
        "pred_iou_thresh": 0.88,
        "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0,
        "nms_thresh": 0.7,
        "min_area": 0,
    },
    # FGVP's code. Its minimum also removes small holes and islands of a mask, which is not done here.
    "fgvp": {
        "points_per_side": 16,
        "points_per_batch": 256,
        "pred_iou_thresh": 0.86,
        "stability_score_thresh": 0.92,
        "stability_score_offset": 0.7,
        "nms_thresh": 0.7,
        "min_area": 400,
    },
}
"""With which thresholds published code looks for masks."""


@dataclass(frozen=True)
class Thresholds:
    """What a mask must pass; see `segment`. BadInput for numbers out of range."""

    pred_iou: float
    stability: float
    stability_offset: float
    mask: float
    nms: float
    min_area: int

    def __post_init__(self) -> None:
        in_range(self.pred_iou, 0.0, 1.0, "pred_iou_thresh")
        in_range(self.stability, 0.0, 1.0, "stability_score_thresh")
        in_range(self.stability_offset, 0.0, 100.0, "stability_score_offset")
        in_range(self.nms, 0.0, 1.0, "nms_thresh")
        in_range(self.min_area, 0, 2**53, "min_area")


@dataclass
class Candidates:
    """The masks found so far that pass the thresholds, in low resolution: in full size they are large."""

    thresholds: Thresholds
    logits: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)
    boxes: list[Tensor] = field(default_factory=list)

    def add(self, encoded: EncodedImage, logits: Tensor, scores: Tensor) -> None:
        """Keep the masks that pass, of logits (P, M, h, w) with predicted IoUs (P, M)."""
        logits, scores = logits.flatten(0, 1), scores.flatten()  # (P·M, h, w), (P·M,)
        promising = _passes(scores, self.thresholds.pred_iou)
        logits, scores = logits[promising], scores[promising]
        for some, their_scores in zip(logits.split(_AT_A_TIME), scores.split(_AT_A_TIME), strict=True):
            full = encoded.full_size(some)
            masks = full > self.thresholds.mask
            stability = _stability(full, self.thresholds.mask, self.thresholds.stability_offset)
            large = masks.flatten(1).sum(1) >= max(1, self.thresholds.min_area)
            kept = _passes(stability, self.thresholds.stability) & large
            self.logits.append(some[kept])
            self.scores.append(their_scores[kept])
            self.boxes.append(_bounding_boxes(masks[kept]))

    def best(self) -> Tensor:
        """Logits (N, h, w), highest predicted IoU first; no two masks have boxes that overlap too much.

        Raises BadInput if no mask has passed the thresholds.
        """
        from torchvision.ops import nms

        if not any(len(some) for some in self.logits):
            raise BadInput(
                "no mask passes the thresholds",
                input="pred_iou_thresh",
                value=self.thresholds.pred_iou,
                hint="Lower pred_iou_thresh, stability_score_thresh or min_area, or ask with boxes.",
            )
        kept = nms(torch.cat(self.boxes), torch.cat(self.scores), self.thresholds.nms)
        return torch.cat(self.logits)[kept]


def _passes(scores: Tensor, threshold: float) -> Tensor:
    return (scores > threshold) | (threshold == 0)


def _stability(logits: Tensor, threshold: float, offset: float) -> Tensor:
    """(N,): IoU of each mask cut at threshold + offset and at threshold - offset. The first lies inside the second."""
    inner = (logits > threshold + offset).flatten(1).sum(1)
    outer = (logits > threshold - offset).flatten(1).sum(1)
    return inner / outer.clamp(min=1)


def _bounding_boxes(masks: Tensor) -> Tensor:
    """(N, 4) float32: first column and row, last column and row of each mask (N, H, W). No mask may be empty."""
    if not len(masks):
        return torch.zeros(0, 4, device=masks.device)
    columns, rows = masks.any(1).int(), masks.any(2).int()  # (N, W), (N, H)
    first = [x.argmax(1) for x in (columns, rows)]
    last = [x.shape[1] - 1 - x.flip(1).argmax(1) for x in (columns, rows)]
    return torch.stack([*first, *last], dim=1).float()
