"""SEGS of the Impact Pack, read and written without it."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.regions import Boxes
from api_graph.segs import SEG, read_segs, write_segs

FIELDS = ["cropped_image", "cropped_mask", "confidence", "crop_region", "bbox", "label", "control_net_wrapper"]
Theirs: Any = namedtuple("SEG", FIELDS, defaults=[None])  # as that pack declares it

IMAGE = torch.rand(1, 60, 80, 3, generator=torch.Generator().manual_seed(0))


def one(**others: Any) -> tuple[tuple[int, int], list[Any]]:
    mask = np.zeros((20, 30), np.float32)
    mask[5:15, 5:25] = 0.5
    values = {
        "cropped_image": None,
        "cropped_mask": mask,
        "confidence": np.float32(0.75),
        "crop_region": [10, 20, 40, 40],
        "bbox": np.array([15.0, 25.0, 35.0, 35.0]),
        "label": "cup",
        **others,
    }
    return (60, 80), [Theirs(**values)]


def test_ours_has_the_fields_of_theirs() -> None:
    assert SEG._fields == Theirs._fields and SEG._field_defaults == Theirs._field_defaults


def test_a_mask_lies_where_its_crop_lies() -> None:
    boxes, masks = read_segs(one())
    assert boxes.values.tolist() == [[15, 25, 35, 35]] and boxes.size == (80, 60)
    assert boxes.labels == ("cup",) and boxes.scores == (0.75,)
    assert masks.shape == (1, 60, 80) and float(masks.sum()) == 0.5 * 10 * 20
    assert bool((masks[0, 25:35, 15:35] == 0.5).all())


def test_what_a_region_may_leave_out() -> None:
    boxes, masks = read_segs(one(cropped_mask=None, label="", confidence=None))
    assert boxes.labels == () and boxes.scores == ()
    assert bool((masks[0, 25:35, 15:35] == 1).all()) and float(masks.sum()) == 200
    boxes, masks = read_segs(((60, 80), []))
    assert len(boxes) == 0 and masks.shape == (0, 60, 80)


def test_a_crop_beyond_the_image_is_cut() -> None:
    mask = np.ones((20, 30), np.float32)
    _, masks = read_segs(one(crop_region=[-10, 50, 20, 70], cropped_mask=mask))
    assert float(masks.sum()) == 20 * 10 and bool((masks[0, 50:, :20] == 1).all())


@pytest.mark.parametrize(
    ("segs", "said"),
    [
        (None, "segs: these are no SEGS"),
        ([], "segs: these are no SEGS"),
        (("a", []), "segs: they do not say how large"),
        (((60, 80), [3]), "segs: region 1 is no SEG"),
        (one(bbox=[1, 2, 3]), "segs: the box of region 1 has 3 numbers, not 4"),
        (one(bbox=[5, 2, 3, 4]), "segs: the box of region 1 has a negative width"),
        (one(crop_region=None), "segs: the crop of region 1 is not four numbers"),
        (one(crop_region=[10, 20, 41, 40]), "segs: the mask of region 1 has not the size of its crop, 31×20"),
        (one(confidence="high"), "segs: the confidence of region 1 is no number"),
        (one(confidence=float("nan")), "segs: the confidence of region 1 is not finite"),
    ],
)
def test_what_is_wrong_is_named(segs: Any, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_segs(segs)
    assert said in str(caught.value)


def test_a_crop_is_larger_than_its_box_and_lies_in_the_image() -> None:
    values = torch.tensor([[30, 20, 50, 30], [0, 0, 20, 10], [70, 55, 80, 60]], dtype=torch.float64)
    size, (middle, corner, last) = write_segs(Boxes(values, (80, 60)), IMAGE, crop_factor=2)
    assert size == (60, 80)
    assert middle.crop_region == [20, 15, 60, 35] and middle.bbox == [30, 20, 50, 30]
    assert corner.crop_region == [0, 0, 40, 20] and last.crop_region == [
        60,
        49,
        80,
        60,
    ]  # 5 pixels high: rounded outward
    assert torch.equal(middle.cropped_image, IMAGE[:, 15:35, 20:60])
    assert middle.cropped_mask.shape == (20, 40) and middle.cropped_mask.sum() == 200
    assert middle.confidence == 1.0 and middle.label == "" and middle.control_net_wrapper is None


EDGES = st.tuples(st.integers(0, 79), st.integers(0, 59), st.integers(1, 40), st.integers(1, 40))


@given(st.lists(EDGES, min_size=1, max_size=3), st.integers(0, 99), st.floats(1, 4), st.booleans())
def test_a_round_trip_loses_nothing(edges: list[Any], seed: int, factor: float, told: bool) -> None:
    rows = [[x, y, min(x + width, 80), min(y + height, 60)] for x, y, width, height in edges]
    labels, scores = (("cup",) * len(rows), (0.25,) * len(rows)) if told else ((), ())
    boxes = Boxes(torch.tensor(rows, dtype=torch.float64), (80, 60), labels, scores)
    masks = torch.rand(len(rows), 60, 80, generator=torch.Generator().manual_seed(seed))
    masks = masks * (masks > 0.999)  # here and there, far outside the boxes too
    again = read_segs(write_segs(boxes, IMAGE, masks, crop_factor=factor))
    assert torch.equal(again.masks, masks) and torch.equal(again.boxes.values, boxes.values)
    assert again.boxes.labels == labels and again.boxes.scores == (scores or (1.0,) * len(rows))
