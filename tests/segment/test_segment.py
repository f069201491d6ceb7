"""Masks from tiny random SAMs: as transformers' own pipeline finds them, on the image where it is, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from api_graph.errors import BadInput
from api_graph.pixels.read import to_tensor
from api_graph.segment import Segmenter, load_segmenter, segment
from api_graph.segment.automatic import Candidates, Thresholds
from tests.segment.tiny_models import save_sam, save_sam2

torch.set_num_threads(1)


@pytest.fixture(scope="module", params=["sam", "sam2"])
def segmenter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    folder = tmp_path_factory.mktemp(request.param)
    return load_segmenter(str({"sam": save_sam, "sam2": save_sam2}[request.param](folder)), device="cpu")


def picture(width: int = 64, height: int = 64) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


LOOSE: dict[str, Any] = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "points_per_side": 4}


def by_pipeline(segmenter: Segmenter, image: Image.Image, **thresholds: Any) -> list[torch.Tensor]:
    from transformers import pipeline
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    image_processor = segmenter.processor.image_processor
    pipe = pipeline("mask-generation", model=segmenter.model, image_processor=image_processor, device="cpu")  # type: ignore[call-overload]
    try:
        found = pipe(image, **thresholds)
    except StopIteration:
        pytest.skip("the pipeline of this transformers ends before it begins")
    finally:
        logging.set_verbosity(level)
    return [torch.as_tensor(mask) for mask in found["masks"]]


@pytest.mark.parametrize(
    ("iou", "stability", "offset", "nms"),
    [(0.0, 0.0, 1.0, 0.7), (0.2, 0.0, 0.1, 0.9), (0.0, 0.3, 0.05, 0.97), (0.0, 0.0, 1.0, 1.0)],
)
def test_the_same_masks_as_transformers_own_pipeline(segmenter, iou, stability, offset, nms):
    image = picture()
    expected = by_pipeline(
        segmenter,
        image,
        points_per_crop=4,
        points_per_batch=5,
        pred_iou_thresh=iou,
        stability_score_thresh=stability,
        stability_score_offset=offset,
        crops_nms_thresh=nms,
    )
    masks = segment(
        segmenter,
        to_tensor(image)[0],
        points_per_side=4,
        points_per_batch=7,
        pred_iou_thresh=iou,
        stability_score_thresh=stability,
        stability_score_offset=offset,
        nms_thresh=nms,
    )
    assert masks.dtype == torch.float32 and set(masks.unique().tolist()) <= {0.0, 1.0}
    found = {mask.bool().numpy().tobytes() for mask in masks}
    assert found == {mask.bool().numpy().tobytes() for mask in expected if mask.any()}


def test_masks_lie_on_the_image_whatever_its_size(segmenter):
    masks = segment(segmenter, to_tensor(picture(80, 50))[0], **LOOSE)
    assert masks.shape[1:] == (50, 80) and masks.flatten(1).any(1).all()


def test_points_reach_the_whole_of_an_image_that_is_not_square(segmenter, monkeypatch):
    """In the model's pixels: SAM brings 80×50 to 64×40 and pads, SAM 2 squashes it to 64×64."""
    asked = []
    forward = type(segmenter.model).forward

    def spy(self, *args, input_points=None, **kwargs):
        asked.append(input_points)
        return forward(self, *args, input_points=input_points, **kwargs)

    monkeypatch.setattr(type(segmenter.model), "forward", spy)
    segment(segmenter, to_tensor(picture(80, 50))[0], **LOOSE)
    points = torch.cat(asked, dim=1)[0, :, 0]  # (P, 2)
    height = 40 if type(segmenter.model).__name__ == "SamModel" else 64
    x, y = torch.tensor([8.0, 24, 40, 56]), torch.tensor([1.0, 3, 5, 7]) * height / 8
    expected = torch.stack([x.repeat(4), y.repeat_interleave(4)], dim=1)
    torch.testing.assert_close(points, expected.to(points))


def test_one_mask_per_box_in_their_order(segmenter):
    image = to_tensor(picture(80, 50))[0]
    boxes = torch.tensor([[5.0, 5, 40, 40], [30, 10, 78, 45], [0, 0, 80, 50]])
    masks = segment(segmenter, image, boxes=boxes)
    assert masks.shape == (3, 50, 80)
    assert torch.equal(segment(segmenter, image, boxes=boxes, points_per_batch=2), masks)
    assert torch.equal(segment(segmenter, image, boxes=boxes.flip(0)), masks.flip(0))


def test_boxes_as_the_model_is_asked_by_hand(segmenter):
    """The model's own forward pass on the processor's inputs, in one piece."""
    image, boxes = picture(80, 50), [[5.0, 5.0, 40.0, 40.0], [30.0, 10.0, 78.0, 45.0]]
    inputs = segmenter.processor(images=[image], input_boxes=[boxes], return_tensors="pt")
    sizes = [inputs.pop(name) for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
    inputs = {name: x.float() if x.is_floating_point() else x for name, x in inputs.items()}
    with torch.no_grad():
        logits = segmenter.model(**inputs, multimask_output=False).pred_masks
    if type(segmenter.model).__name__ == "Sam2Model":  # what it was squashed to says nothing new
        sizes = sizes[:1]
    expected = segmenter.processor.image_processor.post_process_masks(logits, *sizes)[0][:, 0]
    assert torch.equal(segment(segmenter, to_tensor(image)[0], boxes=boxes).bool(), expected)


def test_half_precision_and_inference_mode(segmenter):
    with torch.inference_mode():
        half = load_segmenter(segmenter.name, device="cpu", dtype="bfloat16")
        assert half.dtype == torch.bfloat16
        assert segment(half, to_tensor(picture())[0], **LOOSE).shape[1:] == (64, 64)
        assert segment(half, to_tensor(picture())[0], boxes=[[0, 0, 30, 30]]).shape == (1, 64, 64)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"points_per_side": 0}, "points_per_side: the number is out of range"),
        ({"points_per_batch": 0}, "points_per_batch: the number is out of range"),
        ({"pred_iou_thresh": 2.0}, "pred_iou_thresh: the number is out of range"),
        ({"nms_thresh": -1.0}, "nms_thresh: the number is out of range"),
        ({"boxes": [[80, 0, 90, 9]]}, "boxes: box 1 lies outside the image"),
        ({**LOOSE, "min_area": 10**6}, "no mask passes the thresholds .*Lower pred_iou_thresh"),
    ],
)
def test_refusals(segmenter, options, problem):
    with pytest.raises(BadInput, match=problem):
        segment(segmenter, to_tensor(picture())[0], **options)


def test_one_image_at_a_time(segmenter):
    with pytest.raises(BadInput, match="image: images are segmented one at a time"):
        segment(segmenter, torch.rand(2, 8, 8, 3))


class FullSize:
    """An encoded image whose masks are in full size already."""

    def full_size(self, logits: torch.Tensor) -> torch.Tensor:
        return logits


def squares(*spans: tuple[int, int]) -> torch.Tensor:
    """Logits (P, 1, 10, 10): 4 on a square over those rows and columns, -4 elsewhere."""
    logits = torch.full((len(spans), 1, 10, 10), -4.0)
    for one, (start, stop) in zip(logits, spans, strict=True):
        one[0, start:stop, start:stop] = 4.0
    return logits


def kept(logits: torch.Tensor, scores: list[float], **thresholds: float) -> list[float]:
    """The areas of the masks that are kept."""
    defaults = {"pred_iou": 0.5, "stability": 0.5, "stability_offset": 1.0, "mask": 0.0, "nms": 0.5, "min_area": 0}
    candidates = Candidates(Thresholds(**{**defaults, **thresholds}))  # type: ignore[arg-type]
    candidates.add(FullSize(), logits, torch.tensor(scores)[:, None])  # type: ignore[arg-type]
    return (candidates.best() > 0).flatten(1).sum(1).tolist()


def test_thresholds_by_hand():
    logits = squares((0, 4), (4, 9), (6, 8))
    assert kept(logits, [0.9, 0.6, 0.8]) == [16, 4, 25]
    assert kept(logits, [0.9, 0.4, 0.8]) == [16, 4]
    assert kept(logits, [0.9, 0.6, 0.8], min_area=5) == [16, 25]


def test_overlapping_masks_leave_the_surest():
    """Boxes of first to last pixel: 7² / (2 · 8² − 7²) = 0.62 for the first two."""
    logits = squares((0, 9), (1, 10), (0, 3))
    assert kept(logits, [0.6, 0.9, 0.7]) == [81, 9]
    assert kept(logits, [0.6, 0.9, 0.7], nms=0.7) == [81, 9, 81]


def test_stability_by_hand():
    """A square of 16 sure pixels with a rim of 20 at 0.5: cut at +1 and −1 its IoU is 16 / 36."""
    logits = squares((2, 6))
    rim = torch.zeros(10, 10, dtype=torch.bool)
    rim[1:7, 1:7] = True
    logits[0, 0][rim & (logits[0, 0] < 0)] = 0.5
    assert kept(logits, [0.9], stability=0.44) == [36]
    with pytest.raises(BadInput, match="no mask passes"):
        kept(logits, [0.9], stability=0.45)
    assert kept(logits, [0.9], stability=0.9, stability_offset=0.1) == [36]
