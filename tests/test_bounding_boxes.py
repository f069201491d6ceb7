"""ComfyUI's boxes, in every shape in which its nodes hand them on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bounding_boxes import bounding_boxes, boxes_of_all, boxes_of_each
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.regions import Boxes

SIZE = (640, 480)
A = {"x": 10, "y": 20, "width": 30, "height": 40}
B = {"x": 1.5, "y": 2.25, "width": 100, "height": 50.5, "label": "a cup", "score": 0.75}
A_ROW, B_ROW = [10, 20, 40, 60], [1.5, 2.25, 101.5, 52.75]


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        (A, [A_ROW]),
        ([A], [A_ROW]),
        ([A, B], [A_ROW, B_ROW]),
        ([[A, B]], [A_ROW, B_ROW]),
        ([[B]], [B_ROW]),
        (((B,),), [B_ROW]),
        ([], []),
        ([[]], []),
        ({**A, "metadata": {"name": "x"}, "label": None}, [A_ROW]),
        ([{key: torch.tensor(value) for key, value in A.items()}], [A_ROW]),
        ([{key: np.float32(value) for key, value in A.items()}], [A_ROW]),
        ({**A, "x": -5, "width": 2000}, [[0, 20, 640, 60]]),
    ],
)
def test_every_shape(shape: Any, rows: list[list[float]]) -> None:
    boxes = boxes_of_all(shape, SIZE)
    assert boxes.values.tolist() == rows and boxes.size == SIZE
    for images in (1, 3):
        assert [each.values.tolist() for each in boxes_of_each(shape, SIZE, images)] == [rows] * images


def test_labels_and_scores_come_along() -> None:
    boxes = boxes_of_all([A, B, {**A, "label": 7}], SIZE)
    assert boxes.labels == (None, "a cup", "7") and boxes.scores == (None, 0.75, None)
    assert boxes_of_all(A, SIZE).labels == () and boxes_of_all(A, SIZE).scores == ()
    assert boxes.pick([1]).labels == ("a cup",) and boxes.pick([2, 0]).scores == (None, None)


def test_each_image_has_its_own() -> None:
    shape = [[A], [B, A], []]
    assert [len(boxes) for boxes in boxes_of_each(shape, SIZE, 3)] == [1, 2, 0]
    paired = boxes_of_all([[A], [B]], SIZE, 2, one_each=True)
    assert paired.values.tolist() == [A_ROW, B_ROW] and paired.labels == (None, "a cup")
    assert bounding_boxes(paired, one_each=True) == [[A], [B]]


@pytest.mark.parametrize(
    ("shape", "images", "one_each", "said"),
    [
        ([A, 3], 1, False, "boxes: box 2 is no box"),
        ([A, [B]], 1, False, "boxes: item 1 is no list, and others are lists"),
        ([[A], {"x": 1}], 1, False, "boxes: item 2 is no list"),
        ("10 20 30 40", 1, False, "boxes: box 1 is no box"),
        ({"x": 1, "y": 2}, 1, False, "boxes: box 1 has no width and no height"),
        ([[A], [{**A, "width": "3"}]], 2, False, "boxes: width of image 2, box 1 is no finite number"),
        ({**A, "x": float("nan")}, 1, False, "boxes: x of box 1 is no finite number"),
        ({**A, "x": True}, 1, False, "boxes: x of box 1 is no finite number"),
        ({**A, "height": -1}, 1, False, "boxes: box 1 has a negative width or height"),
        ({**A, "score": "high"}, 1, False, "boxes: the score of box 1 is no finite number"),
        ({**A, "label": ["cup"]}, 1, False, "boxes: the label of box 1 is no text"),
        ([A, {**A, "x": 900}], 1, False, "boxes: box 2 lies outside the image of 640×480 pixels"),
        ([[A], [B]], 1, False, "boxes: these are the boxes of 2 images, and there is 1 image"),
        ([[A], [B]], 3, True, "boxes: these are the boxes of 2 images, and there are 3 images"),
        ([[A], [B]], 2, False, 'Choose "box i on image i" as the pairing'),
        ([[A], [B, B]], 2, True, "boxes: image 2 has 2 boxes, and box i goes on image i"),
        ([[A], []], 2, True, "boxes: image 2 has 0 boxes"),
    ],
)
def test_what_is_wrong_is_named(shape: Any, images: int, one_each: bool, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        boxes_of_all(shape, SIZE, images, one_each=one_each)
    assert said in str(caught.value)


def test_shares_of_the_sides_are_suspected() -> None:
    with pytest.warns(ApiGraphWarning, match="look like fractions"):
        boxes_of_all({"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}, SIZE)


def test_a_text_of_json_is_what_was_written() -> None:
    written = bounding_boxes(boxes_of_all([A, B], SIZE))
    assert json.dumps(written) == json.dumps([[A, {**B, "width": 100}]])


# ------------------------------------------------------------------------------------------ round trips

WHOLE = st.integers(0, 200)
QUARTERS = st.integers(0, 800).map(lambda n: n / 4)  # exact in binary, and so are their sums and differences
DICTS = st.builds(
    lambda x, y, width, height, told: {"x": x, "y": y, "width": width, "height": height, **told},
    *[st.one_of(WHOLE, QUARTERS)] * 4,
    st.fixed_dictionaries({}, optional={"label": st.text(max_size=5), "score": st.floats(0, 1)}),
)


@given(st.lists(DICTS, max_size=4))
@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
def test_a_round_trip_loses_nothing(dicts: list[dict[str, Any]]) -> None:
    for shape in ([dicts], dicts):
        assert bounding_boxes(boxes_of_all(shape, SIZE, clip=False)) == [dicts]
    for one in dicts[:1]:
        assert bounding_boxes(boxes_of_all(one, SIZE)) == [[one]]


@given(st.lists(st.lists(DICTS, max_size=3), min_size=2, max_size=4))
@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
def test_nor_does_one_of_several_images(frames: list[list[dict[str, Any]]]) -> None:
    each = boxes_of_each(frames, SIZE, len(frames))
    assert [bounding_boxes(boxes)[0] for boxes in each] == frames


@given(st.lists(DICTS, max_size=4))
@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
def test_nor_does_storage(dicts: list[dict[str, Any]]) -> None:
    boxes = boxes_of_all(dicts, SIZE)
    tensors, meta = boxes.to_storage()
    again = Boxes.from_storage(tensors, json.loads(json.dumps(meta)))
    assert bounding_boxes(again) == bounding_boxes(boxes) and again.size == SIZE


def test_boxes_stored_before_labels_were_are_read() -> None:
    values = torch.tensor([A_ROW], dtype=torch.float64)
    assert Boxes.from_storage({"values": values}, [640, 480]).labels == ()


def test_labels_of_other_boxes_are_refused() -> None:
    with pytest.raises(BadInput, match="there are 1 boxes and 2 labels"):
        Boxes(torch.tensor([A_ROW], dtype=torch.float64), SIZE, ("a", "b"))
