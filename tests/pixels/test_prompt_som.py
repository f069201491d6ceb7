"""Set of mark: which number a mask gets, where it stands, and that numbers keep clear of each other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels.prompts import named_mark, preset, set_of_mark
from api_graph.pixels.prompts.som import _names, draw_label, label_box, label_boxes

GREY = torch.full((1, 80, 120, 3), 0.5)
X, Y = torch.arange(120) + 0.5, torch.arange(80)[:, None] + 0.5


def disc(x: float, y: float, radius: float) -> torch.Tensor:
    return (((X - x) ** 2 + (Y - y) ** 2) < radius**2).float()


def changed_box(image: torch.Tensor) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what changed."""
    rows, columns = (image != GREY).any(-1)[0].nonzero(as_tuple=True)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_a_mark_stands_in_the_middle_of_a_disc():
    marked = set_of_mark(GREY, disc(40, 30, 20)[None], opacity=0.0, thickness=0.0, font_size=8.0, unit="pixels")
    left, top, right, bottom = changed_box(marked.image)
    assert abs((left + right) / 2 - 40) <= 1 and abs((top + bottom) / 2 - 30) <= 1
    assert (right - left, bottom - top) == (12, 12)  # 8 pixels high, and a quarter of that around


def test_a_label_is_white_on_black_by_hand():
    options = {"opacity": 0.0, "thickness": 0.0, "font_size": 20.0, "unit": "pixels"}
    image = set_of_mark(GREY, disc(40, 30, 25)[None], label_opacity=0.8, **options).image
    left, top, right, bottom = changed_box(image)
    label = image[0, top:bottom, left:right]
    assert float(label.min()) == pytest.approx(0.1)  # 0.2 · 0.5
    assert float(label.max()) == 1.0
    assert (label[0] == label[0, 0]).all() and label[0, 0, 0] == pytest.approx(0.1)  # the padding has no letters
    assert (label.amax(-1) == label.amin(-1)).all()


def test_numbers_go_by_area_the_largest_first():
    masks = torch.stack([disc(20, 20, 8), disc(80, 40, 30), disc(20, 60, 12)])
    marked = set_of_mark(GREY, masks)
    assert marked.labels == ("1", "2", "3")
    assert torch.equal(marked.masks, masks[[1, 2, 0]])
    assert torch.equal(set_of_mark(GREY, masks, order="given").masks, masks)


def test_equal_areas_keep_their_order():
    masks = torch.stack([disc(20, 20, 8), disc(60, 20, 8), disc(90, 20, 8)])
    assert torch.equal(set_of_mark(GREY, masks).masks, masks)


def test_small_masks_are_left_out():
    masks = torch.stack([disc(20, 20, 1.5), disc(80, 40, 30)])
    assert set_of_mark(GREY, masks, min_area=10).labels == ("1",)
    assert set_of_mark(GREY, masks, min_area=1).labels == ("1", "2")
    with pytest.raises(BadInput, match="min_area: every mask is smaller"):
        set_of_mark(GREY, masks[:1])


def test_letters():
    assert _names(28, "letters")[:3] == ["a", "b", "c"]
    assert _names(28, "letters")[25:] == ["z", "aa", "ab"]
    assert _names(3, "numbers") == ["1", "2", "3"]
    assert set_of_mark(GREY, disc(40, 30, 20)[None], labels="letters").labels == ("a",)


def test_a_mark_leaves_the_smaller_mask_inside_to_its_own():
    """A disc of 8 in the middle of one of 35: the large one's mark stands in the ring between."""
    large, small = disc(60, 40, 35), disc(60, 40, 8)
    labels = [draw_label(text, 6.0, 1.5) for text in ("1", "2")]
    first, second = label_boxes(torch.stack([large, small]).bool(), labels)
    assert first is not None and second is not None
    x, y = (first[0] + first[2]) / 2 - 60, (first[1] + first[3]) / 2 - 40
    assert abs((x * x + y * y) ** 0.5 - 21.5) <= 1.5  # halfway from 8 to 35
    assert abs((second[0] + second[2]) / 2 - 60) <= 1 and abs((second[1] + second[3]) / 2 - 40) <= 1


def test_a_mask_that_smaller_ones_cover_is_marked_all_the_same():
    left, right = torch.zeros(80, 120), torch.zeros(80, 120)
    left[20:60, 20:60], right[20:60, 60:100] = 1, 1
    marked = set_of_mark(GREY, torch.stack([left, right, left + right]))
    assert marked.labels == ("1", "2", "3")


def test_a_mask_without_room_is_marked_beside():
    """The label is wider than the whole of a mask at the corner: it stands on the image, as near as it can."""
    depth = torch.zeros(40, 50)
    depth[0:3, 0:3] = 1
    assert label_box((12, 12), depth, []) == (0, 0, 12, 12)
    assert label_box((12, 12), depth, [(0, 0, 12, 12)]) in ((12, 0, 24, 12), (0, 12, 12, 24))
    assert label_box((60, 12), depth, []) is None


def test_an_image_too_full_is_said():
    """A label of 72×72 pixels finds its place on 120×80, a second one does not; the smaller mask chooses first."""
    masks = torch.stack([disc(20, 20, 15), disc(80, 40, 30)])
    with pytest.warns(ApiGraphWarning, match="no room for the marks 1. Use fewer masks or a smaller font"):
        set_of_mark(GREY, masks, font_size=48.0, unit="pixels")


def test_each_mask_has_its_colour_and_outline():
    options = {"font_size": 6.0, "unit": "pixels", "opacity": 0.5}
    masks = torch.stack([disc(30, 40, 25), disc(90, 40, 20)])
    image = set_of_mark(GREY, masks, thickness=1.0, **options).image[0]
    assert image[40, 10].tolist() != image[40, 105].tolist()
    assert (image[2:6] == 0.5).all()
    for column, mask in ((10, masks[0]), (105, masks[1])):
        tint = image[40, column]
        pure = 2 * tint - 0.5  # half the colour, half the grey
        edge = int(mask[40].nonzero()[0 if column == 10 else -1])
        torch.testing.assert_close(image[40, edge], pure)


def test_soms_letters_are_18_pixels_of_640():
    image = torch.full((1, 640, 640, 3), 0.5)
    mask = torch.ones(1, 640, 640)
    marked = set_of_mark(image, mask, **{**preset("set_of_mark", "som"), "opacity": 0.0, "thickness": 0.0}).image
    rows = (marked != 0.5).any(-1)[0].any(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 27  # 18, and a quarter of that above and below


discs = st.lists(st.tuples(st.floats(0, 120), st.floats(0, 80), st.floats(3, 30)), min_size=1, max_size=12)


@settings(max_examples=40)
@given(discs, st.floats(6, 9))
def test_marks_never_overlap_and_stay_on_the_image(shapes, font_size):
    masks = torch.stack([disc(*shape) for shape in shapes]).bool()
    masks = masks[masks.flatten(1).any(1)]
    labels = [draw_label(str(i + 1), font_size, font_size / 4) for i in range(len(masks))]
    boxes = [box for box in label_boxes(masks, labels) if box is not None]
    assert len(boxes) == len(masks)
    covered = torch.zeros(80, 120)
    for left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= 120 and bottom <= 80
        covered[top:bottom, left:right] += 1
    assert covered.max() <= 1


@given(discs)
@settings(max_examples=20)
def test_the_same_masks_in_another_order_are_marked_alike(shapes):
    masks = torch.stack([disc(*shape) for shape in shapes]).bool()
    masks = masks[masks.flatten(1).any(1)]
    areas = masks.flatten(1).sum(1).tolist()
    if not areas or len(set(areas)) < len(areas):
        return
    options = {"min_area": 1, "font_size": 6.0, "unit": "pixels"}
    one, other = set_of_mark(GREY, masks.float(), **options), set_of_mark(GREY, masks.flip(0).float(), **options)
    assert torch.equal(one.image, other.image)


def test_one_image_at_a_time_and_other_refusals():
    with pytest.raises(BadInput, match="image: marks go on one image at a time"):
        set_of_mark(GREY.expand(2, -1, -1, -1), disc(40, 30, 20)[None])
    with pytest.raises(BadInput, match="labels: unknown labels"):
        set_of_mark(GREY, disc(40, 30, 20)[None], labels="runes")
    with pytest.raises(BadInput, match="order: unknown order"):
        set_of_mark(GREY, disc(40, 30, 20)[None], order="random")
    with pytest.raises(BadInput, match="font_size: the number is out of range"):
        set_of_mark(GREY, disc(40, 30, 20)[None], font_size=-1.0)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("3", 2),
        ("3.", 2),
        ("[3]", 2),
        ("It is number 3, left of the star.", 2),
        ("The one marked [ 2 ], not 1 or 3", 1),
        ("mark-1", 0),
        ("3 or 3", 2),
        ("[1, 2]", None),
        ("1 and 2", None),
        ("4", None),
        ("", None),
        ("-1", None),
        ("\u22121", None),
        ("1.5", None),
        ("13", None),
        ("the third", None),
        ("[4], so 3", None),
        ("3, not []", 2),
    ],
)
def test_the_mark_that_an_answer_names(answer: str, named: int | None) -> None:
    assert named_mark(answer, ["1", "2", "3"]) == named


def test_a_letter_is_a_mark_only_where_it_is_all_that_is_said() -> None:
    letters = ["a", "b"]
    assert named_mark("a", letters) == named_mark("A.", letters) == named_mark("it is [a]", letters) == 0
    assert named_mark("a star", letters) is None and named_mark("a b", letters) is None
