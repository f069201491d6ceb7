"""How the tasks are scored."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from api_graph.errors import BadInput

Key = TypeVar("Key", bound=Hashable)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (N, 4) with boxes (M, 4), left, top, right, bottom: (N, M); 0 for empty ones.

    Raises BadInput for boxes of another shape, and for NaN and infinity.
    """
    for name, boxes in (("a", a), ("b", b)):
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not bool(boxes.isfinite().all()):
            raise BadInput("finite boxes (N, 4) are needed", input=name, value=boxes.tolist())
    a, b = a.double().unsqueeze(1), b.double().unsqueeze(0)  # (N, 1, 4), (1, M, 4)
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    shared = sides.clamp(min=0).prod(-1)
    areas = sum((one[..., 2:] - one[..., :2]).clamp(min=0).prod(-1) for one in (a, b))
    joined = areas - shared
    return torch.where(joined > 0, shared / joined, torch.zeros_like(joined))


def refers_to(boxes: Tensor, targets: Tensor, threshold: float = 0.5) -> Tensor:
    """Which boxes (N, 4) are hits: IoU with any target (M, 4) *strictly* above the threshold; bool (N,).

    Raises BadInput for a threshold that is no share, and where there is no target, which no box could hit.
    """
    if not 0 <= threshold <= 1:
        raise BadInput(
            "a threshold is a share", input="threshold", value=threshold, hint="Use one in [0, 1], no per cent."
        )
    if not len(targets):
        raise BadInput("there is no target", input="targets")
    return (iou(boxes, targets) > threshold).any(1)


def top_k(scores: Tensor, targets: Tensor, k: int = 1) -> Tensor:
    """Which rows of scores (n, C) have their target among the k highest: bool (n,).

    Of equal scores the first class counts as the higher one.
    """
    _check(scores, targets)
    if k < 1:
        raise BadInput("it counts from 1", input="k", value=k)
    own = scores.gather(1, targets[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device) < targets[:, None]
    ahead = (scores > own) | ((scores == own) & earlier)
    return ahead.sum(1) < k


def per_class_mean(hits: Tensor, targets: Tensor) -> float:
    """The mean over the classes that occur of the share of hits (n,) among their rows."""
    shares = shares_by(hits, targets.tolist())
    return sum(shares.values()) / len(shares)


def worst_group(hits: Tensor, groups: Sequence[str]) -> tuple[str, float]:
    """The group with the smallest share of hits (n,), the first of equals, and that share."""
    shares = shares_by(hits, groups)
    worst = min(shares, key=lambda group: shares[group])
    return worst, shares[worst]


def shares_by(hits: Tensor, keys: Sequence[Key]) -> dict[Key, float]:
    """The share of hits (n,) among the rows of each key."""
    if len(hits) != len(keys) or not len(keys):
        raise BadInput("a share needs as many keys as rows, and at least one", input="keys", value=len(keys))
    rows: dict[Key, list[float]] = {}
    for hit, key in zip(hits.tolist(), keys, strict=True):
        rows.setdefault(key, []).append(float(hit))
    return {key: sum(values) / len(values) for key, values in rows.items()}


def _check(scores: Tensor, targets: Tensor) -> None:
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise BadInput(
            "scores (n, C) and targets (n,) are needed",
            input="scores",
            value=(tuple(scores.shape), tuple(targets.shape)),
        )
    if bool(scores.isnan().any()):  # which no number is above: its class would count as the best one
        row = int(scores.isnan().any(1).nonzero()[0])
        raise BadInput("a score is NaN", input="scores", value=f"row {row}", hint="Look at the step that made it.")
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < scores.shape[1]:
        raise BadInput(f"targets are 0 to {scores.shape[1] - 1}", input="targets", value=targets.tolist())
