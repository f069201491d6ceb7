"""Masks of one image: of everything in it, or of what lies in given boxes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import in_range
from api_graph.pixels.prompts import BoxesLike, checked_boxes
from api_graph.pixels.read import to_pil
from api_graph.segment.automatic import Candidates, Thresholds
from api_graph.segment.model import EncodedImage, Segmenter


@torch.no_grad()
def segment(
    segmenter: Segmenter,
    image: Tensor,
    *,
    boxes: BoxesLike | None = None,
    points_per_side: int = 32,
    points_per_batch: int = 64,
    pred_iou_thresh: float = 0.88,
    stability_score_thresh: float = 0.95,
    stability_score_offset: float = 1.0,
    mask_threshold: float = 0.0,
    nms_thresh: float = 0.7,
    min_area: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Masks (N, H, W) of 0 and 1, float32 on the image's device, of an image (1, H, W, 3).

    With `boxes` (N, 4), xyxy in pixels, there is one mask for each box, in their order; a mask may be empty.

    Without boxes it is SAM's automatic mask generation (Segment Anything, appendix B). Each point of a grid of
    `points_per_side`² points leads to three masks. A mask is kept if its predicted IoU and its stability (the IoU of
    the mask cut at `mask_threshold` + and - `stability_score_offset`) exceed their thresholds, where 0 keeps all, and
    if it covers `min_area` pixels. Of masks whose bounding boxes have an IoU above `nms_thresh`, only the one with the
    highest predicted IoU is kept. The masks come in the order of their predicted IoU, highest first.

    `points_per_batch` points or boxes go through the model at a time. `progress(done, total)` is told of points.

    Raises BadInput for more than one image, numbers out of range, boxes that do not lie on the image, and if no mask
    passes the thresholds.
    """
    pictures = to_pil(image)
    if len(pictures) != 1:
        raise BadInput("images are segmented one at a time", input="image", value=tuple(image.shape))
    in_range(points_per_batch, 1, 2**31, "points_per_batch")
    picture = pictures[0]
    if boxes is not None:
        corners = checked_boxes(boxes, picture.size).tolist()
        encoded, prompts = EncodedImage.of(segmenter, picture, input_boxes=[corners])
        logits = _of_boxes(encoded, prompts, points_per_batch)
    else:
        thresholds = Thresholds(
            pred_iou_thresh, stability_score_thresh, stability_score_offset, mask_threshold, nms_thresh, min_area
        )
        points = _grid(points_per_side, picture.size)
        ones = torch.ones(len(points), 1, dtype=torch.long)
        encoded, prompts = EncodedImage.of(
            segmenter, picture, input_points=[points[:, None].tolist()], input_labels=[ones.tolist()]
        )
        logits = _of_everything(encoded, prompts, points_per_batch, thresholds, progress)
    return _cut(encoded, logits, mask_threshold).to(image.device)


def _of_boxes(encoded: EncodedImage, prompts: dict[str, Tensor], batch: int) -> Tensor:
    """Logits (N, h, w), one for each box."""
    parts = prompts["input_boxes"].split(batch, dim=1)
    return torch.cat([encoded.predict({"input_boxes": part}, several=False)[0][:, 0] for part in parts])


def _of_everything(
    encoded: EncodedImage,
    prompts: dict[str, Tensor],
    batch: int,
    thresholds: Thresholds,
    progress: Callable[[int, int], None] | None,
) -> Tensor:
    """Logits (N, h, w) of the masks that points lead to and that pass the thresholds, highest predicted IoU first."""
    candidates = Candidates(thresholds)
    count = prompts["input_points"].shape[1]
    for start in range(0, count, batch):
        some = {name: prompt[:, start : start + batch] for name, prompt in prompts.items()}
        candidates.add(encoded, *encoded.predict(some, several=True))
        if progress is not None:
            progress(min(start + batch, count), count)
    return candidates.best()


def _grid(per_side: int, size: tuple[int, int]) -> Tensor:
    """(per_side², 2): x and y, in pixels of an image of `size` = (width, height), of points spread evenly over it."""
    in_range(per_side, 1, 1024, "points_per_side")
    steps = (torch.arange(per_side) + 0.5) / per_side
    y, x = torch.meshgrid(steps * size[1], steps * size[0], indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def _cut(encoded: EncodedImage, logits: Tensor, threshold: float) -> Tensor:
    """Logits (N, h, w) as masks (N, H, W) of 0 and 1. It takes one at a time: a float mask of a photo is large."""
    return torch.cat([(encoded.full_size(one[None]) > threshold).float() for one in logits])
