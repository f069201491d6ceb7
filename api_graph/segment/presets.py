"""With which thresholds published code looks for masks."""

from __future__ import annotations

from typing import Any

AUTOMATIC: dict[str, dict[str, Any]] = {
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
"""Arguments of `segment`, by name."""
