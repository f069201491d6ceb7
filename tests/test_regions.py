"""Boxes as people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import api_graph
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.regions import Boxes, boxes_around, read_boxes, touches

SIZE = (640, 480)


def read(*arguments: Any, **options: Any) -> list[list[float]]:
    return read_boxes(*arguments, **options).values.tolist()


def test_every_format_names_the_same_box() -> None:
    expected = [[64.0, 48.0, 320.0, 144.0]]
    assert read("64, 48, 320, 144", SIZE) == expected
    assert read("64 48 256 96", SIZE, "xywh") == expected
    assert read("0.1 0.1 0.5 0.3", SIZE, "normalized") == expected


def test_a_text_has_one_box_per_line() -> None:
    text = "# the dog\n[1, 2, 3, 4]\n\n  (5; 6; 7.5; 8)\n"
    assert read(text, SIZE) == [[1, 2, 3, 4], [5, 6, 7.5, 8]]


def test_what_stands_behind_a_hash_names_the_boxes_of_its_line() -> None:
    boxes = read_boxes("# 9 9 9 9\n1 2 3 4 #  the ring # of gold \n5,6,7,8 #\n[1 2 3 4] [5 6 7 8]# stars", SIZE)
    assert boxes.values.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert boxes.labels == ("the ring # of gold", None, "stars", "stars")
    assert read_boxes("1 2 3 4 #\n# a note", SIZE).labels == ()
    assert read_boxes("[[1, 2, 3, 4]]", SIZE).labels == ()


@pytest.mark.parametrize(
    "text",
    [
        "[[10,20,100,200],[30,40,50,60]]",
        "[[10, 20, 100, 200], [30, 40, 50, 60]]\n",
        "[\n [\n  10,\n  20,\n  100,\n  200\n ],\n [30, 40, 50, 60]\n]",
        "[10,20,100,200],[30,40,50,60]",
        "[10 20 100 200] [30 40 50 60]",
        "((10, 20, 100, 200); (30, 40, 50, 60))",
        "[[10,20,100,200],\n [30,40,50,60]]",
        "[10,20,100,200]\n[30,40,50,60]",
        "[[10,20],[100,200]]\n[30,40,50,60]",
    ],
)
def test_several_boxes_on_a_line(text: str) -> None:
    assert read(text, SIZE) == [[10, 20, 100, 200], [30, 40, 50, 60]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[10,20,100,200],[30,40,50]]", "box 2 has 3 numbers, not 4"),
        ("[[10,20,100,200],[30,40,50,null]]", "box 2 is not four numbers"),
        ("[[[10,20,100,200]]]", "box 1 is not four numbers"),
        ("[10,20,100,200] [30,40,50]", "line 1 has 7 numbers, not 4"),
        ("1 2 3 4\n[10,20,5,200] [30,40,50,60]", "line 2, box 1 has a negative width"),
        ("[10,20,100,200] [30,40,50,dog]", "line 1, box 2 is not four numbers"),
        ("10 20 100 200 30 40 50 60", "line 1 has 8 numbers, not 4"),
    ],
)
def test_one_of_several_is_named(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read_boxes(text, SIZE)


@pytest.mark.parametrize("format", ["xyxy", "xywh"])
@pytest.mark.parametrize("boxes", ["0.1 0.2 0.5 0.6", "0 0 1 1\n0.1 0.2 0.5 0.6", [(0.1, 0.2, 0.5, 0.6)]])
def test_fractions_as_pixels_are_warned_of(boxes: Any, format: Any) -> None:
    with pytest.warns(ApiGraphWarning, match=r"^0\.1 0\.2 0\.5 0\.6 look like fractions of the picture"):
        read_boxes(boxes, SIZE, format)


@pytest.mark.parametrize("form", ["list", "array", "tensor"])
def test_every_function_that_takes_boxes_warns_of_fractions(form: str) -> None:
    rows = [(0.1, 0.2, 0.5, 0.6)]
    given: Any = {"list": rows, "array": np.array(rows), "tensor": torch.tensor(rows, dtype=torch.float64)}[form]
    picture, clip = np.zeros((80, 80, 3), np.uint8), api_graph.load_clip()
    calls: list[Callable[[], object]] = [
        lambda: api_graph.choose_box(picture, given, "a ring", clip),
        lambda: api_graph.classify(picture, ["a ring"], clip, boxes=given),
        lambda: api_graph.classify([picture, picture], ["a ring"], clip, boxes=[given, given]),
        lambda: api_graph.foveal_mask(given[0], (80, 80), (4, 4)),
    ]
    if form == "list":  # an array is a mask
        lvlm = api_graph.load_lvlm()
        calls += [
            lambda: api_graph.Steering.of(given),
            lambda: api_graph.Steering.of([None, given]),
            lambda: api_graph.Steering.of("image", schedule=[(3, given)]),
            lambda: api_graph.Steering.of(Boxes(torch.tensor(rows, dtype=torch.float64), (80, 80))),
            lambda: api_graph.ask(picture, "What?", lvlm, fovea=given, max_tokens=1),
            lambda: api_graph.lvlm_attribution(picture, "What?", lvlm, fovea=given, max_tokens=1),
            lambda: api_graph.choose_box(picture, Boxes(torch.tensor(rows).double(), (80, 80)), "a ring", clip),
        ]
    for call in calls:
        with pytest.warns(ApiGraphWarning, match=r"^0\.1 0\.2 0\.5 0\.6 look like fractions of the picture: ") as told:
            call()
        assert len({str(warning.message) for warning in told}) == 1


def test_boxes_of_each_image_are_told_from_boxes() -> None:
    """In every form: of one image or all, or a list of them for each."""
    picture, clip = np.zeros((80, 80, 3), np.uint8), api_graph.load_clip()
    one, other = [1, 2, 30, 40], [50, 50, 70, 79]
    all_alike: list[Any] = [[one, other], [np.array(one), np.array(other)], torch.tensor([one, other])]
    all_alike += [np.array([one, other]), [torch.tensor(one), torch.tensor(other)], [np.array(one).tolist(), other]]
    all_alike += [[[*map(np.int64, one)], other], "1 2 30 40\n50 50 70 79"]
    for boxes in all_alike:
        found = api_graph.classify([picture] * 3, ["a ring", "a star"], clip, boxes=boxes)
        assert [region.tolist() for region in found.regions] == [[one, other]] * 3
    each: list[Any] = [[[one], [other]], np.array([[one], [other]]), torch.tensor([[one], [other]])]
    each += [[np.array([one]), torch.tensor([other])], ["1 2 30 40", [other]]]
    for boxes in each:
        found = api_graph.classify([picture] * 2, ["a ring", "a star"], clip, boxes=boxes)
        assert [region.tolist() for region in found.regions] == [[one], [other]]


def test_fractions_of_pixels_are_not(recwarn: pytest.WarningsRecorder) -> None:
    for boxes in ("0.1 0.2 0.5 1.6", "0.1 0.2 0.5 0.6\n1 2 3 4", "0 0 1 1", torch.tensor([[0.1, 0.2, 0.5, 0.6]])):
        read_boxes(boxes, SIZE)
    read_boxes("0.1 0.2 0.5 0.6", SIZE, "normalized")
    assert not recwarn.list


@pytest.mark.parametrize("rows", [[(1, 2, 3, 4)], torch.tensor([[1, 2, 3, 4]]), [["1", "2", "3", "4"]]])
def test_rows_of_numbers(rows: Any) -> None:
    assert read(rows, SIZE) == [[1, 2, 3, 4]]


def test_what_reaches_beyond_the_image_is_cut() -> None:
    assert read("-5 -5 700 500", SIZE) == [[0, 0, 640, 480]]
    assert read("-5 -5 700 500", SIZE, clip=False) == [[-5, -5, 700, 500]]
    assert read("700 0 800 10", SIZE, clip=False) == [[700, 0, 800, 10]]


@pytest.mark.parametrize(
    ("boxes", "options", "message"),
    [
        ("1 2 3 4\n1 2 3", {}, r"boxes: line 2 has 3 numbers, not 4 \(got '1 2 3'\)\. Write left, top, right"),
        ("1 2 3 4\n\n1 2 3 4 5", {}, "line 3 has 5 numbers"),
        ("1 2 3 dog", {}, "line 1 is not four numbers"),
        ("1 2 3 nan", {}, "line 1 has a number that is not finite"),
        ("1 2 3 inf", {}, "line 1 has a number that is not finite"),
        ("1 2 0 4", {}, "line 1 has a negative width or height"),
        ("1 2 3 -4", {"format": "xywh"}, "line 1 has a negative .* Write left, top, width"),
        ("640 0 700 10", {}, "line 1 lies outside the image of 640×480"),
        ("-20 0 0 10", {}, "line 1 lies outside"),
        ("0 480 5 480", {}, "line 1 lies outside"),
        ([[1, 2, 3, 4], [1, 2]], {}, "box 2 has 2 numbers"),
        ([[1, 2, 3, None]], {}, "box 1 is not four numbers"),
        ([3.0, 4.0], {}, "box 1 is not four numbers"),
        ("# nothing", {}, "boxes: there is no box"),
        ([], {}, "boxes: there is no box"),
        ("1 2 3 4", {"format": "yxyx"}, "format: unknown format"),
        ("1 2 3 4", {"size": (0, 5)}, "size: the image is empty"),
    ],
)
def test_bad_boxes_are_named(boxes: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_boxes(boxes, **{"size": SIZE, **options})


@pytest.mark.parametrize("values", [torch.zeros(4).double(), torch.zeros(1, 4), torch.zeros(1, 5).double()])
def test_boxes_are_rows_of_four_in_float64(values: torch.Tensor) -> None:
    with pytest.raises(BadInput, match=r"float64 numbers of shape \(N, 4\)"):
        Boxes(values, SIZE)


def test_boxes_check_their_numbers() -> None:
    with pytest.raises(BadInput, match="box 2 has a negative"):
        Boxes(torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0]]).double(), SIZE)


def test_boxes_can_be_stored() -> None:
    boxes = read_boxes("1 2 3 4\n5 6 7 8", SIZE)
    again = Boxes.from_storage(*boxes.to_storage())
    assert torch.equal(again.values, boxes.values)
    assert again.size == boxes.size
    assert len(again) == 2


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 0, True), (3, 3, True), (10, 10, False), (-1, 0, False), (-1, 1, True), (10, 12, False), (9, 12, True)],
)
def test_what_touches_the_image(low: float, high: float, expected: bool) -> None:
    assert touches(low, high, 10) is expected


@pytest.mark.filterwarnings("ignore:.*look like fractions")
@given(st.lists(st.tuples(*[st.floats(-50, 700)] * 4), min_size=1, max_size=5))
@pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")
def test_clipped_boxes_lie_inside_and_keep_what_was_inside(corners: list[tuple[float, ...]]) -> None:
    boxes = [[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners]
    inside = [box for box in boxes if touches(box[0], box[2], 640) and touches(box[1], box[3], 480)]
    if not inside:
        return
    for before, after in zip(inside, read(inside, SIZE), strict=True):
        assert 0 <= after[0] <= after[2] <= 640 and 0 <= after[1] <= after[3] <= 480
        for axis, length in ((0, 640), (1, 480), (2, 640), (3, 480)):
            assert after[axis] == min(max(before[axis], 0), length)


def test_boxes_around_masks() -> None:
    masks = torch.zeros(2, 5, 8)
    masks[0, 1:3, 2:7] = 1
    masks[1, 4, 0] = 0.6
    masks[1, 0, 7] = 0.4
    boxes = boxes_around(masks)
    assert boxes.values.tolist() == [[2, 1, 7, 3], [0, 4, 1, 5]]
    assert boxes.size == (8, 5)
    assert boxes_around(masks[1:], threshold=0.3).values.tolist() == [[0, 0, 8, 5]]
    with pytest.raises(BadInput, match=r"mask 2 has nothing at or above 0\.7"):
        boxes_around(masks, threshold=0.7)
    with pytest.raises(BadInput, match=r"shape \(N, H, W\)"):
        boxes_around(masks[0, 0])
