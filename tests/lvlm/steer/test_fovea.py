"""The weight of each image token: by hand on small grids, and by exact geometry in every family."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm import Request
from api_graph.lvlm.layout import TokenLayout, View, merge, token_layouts
from api_graph.lvlm.prompt import build_prompt
from api_graph.lvlm.steer import Fovea, Foveas, as_foveas
from api_graph.regions import Boxes
from api_graph.sockets import Attribution
from tests.lvlm.asked import picture, tiny
from tests.lvlm.families import FAMILIES


def one_view(grid: tuple[int, int], area: Geometry, first: int = 10) -> TokenLayout:
    """Tokens from position `first` on, row by row."""
    columns = torch.arange(first, first + grid[0] * grid[1])
    return TokenLayout((area.width, area.height), (View(columns, grid, area),))


def weights(given: Any, layout: TokenLayout) -> Tensor:
    (fovea,) = as_foveas(given)
    assert fovea is not None
    return fovea.weights(layout)


FOUR = one_view((2, 2), Geometry.whole(40, 20))  # cells of 20 × 10 pixels


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([[0, 0, 20, 10]], [1, 0, 0, 0]),
        ([[0, 0, 20.5, 10]], [1, 1, 0, 0]),  # it reaches half a pixel into the next cell
        ([[19, 9, 21, 11]], [1, 1, 1, 1]),  # smaller than a cell, in all four
        ([[5, 5, 6, 6], [30, 12, 31, 13]], [1, 0, 0, 1]),
        ([[-50, -50, 500, 10]], [1, 1, 0, 0]),  # cut at the picture's edge
    ],
)
def test_tokens_that_a_box_reaches(boxes: list[list[float]], expected: list[float]) -> None:
    assert weights(boxes, FOUR).tolist() == expected
    assert weights(Boxes(torch.tensor(boxes, dtype=torch.float64), (40, 20)), FOUR).tolist() == expected


def test_a_mask_gives_its_largest_value_in_each_cell() -> None:
    mask = torch.zeros(20, 40)
    mask[3, 19], mask[12, 21], mask[13, 22] = 0.5, 0.25, 0.75
    assert weights(mask, FOUR).tolist() == [0.5, 0, 0, 0.75]
    assert weights(mask.numpy(), FOUR).tolist() == [0.5, 0, 0, 0.75]
    halved = torch.zeros(10, 20)  # half the picture's size
    halved[1, 9] = 1
    assert weights(halved, FOUR).tolist() == [1, 0, 0, 0]


def test_a_map_gives_its_value_at_the_middle_of_each_cell() -> None:
    """From 0 to 1, linearly between the middles of the map's own cells, 0 beyond the map."""
    own = Attribution(torch.tensor([[[-1.0, 0.0], [1.0, 3.0]]]), (Geometry.whole(40, 20),))
    assert weights(own, FOUR).tolist() == [0, 0.25, 0.5, 1]
    fine = one_view((1, 4), Geometry(40, 20, 0, 0, 40, 10))
    # Middles at x = 5, 15, 25, 35; the map's own at 10 and 30; all in the middle of its first row.
    assert weights(own, fine).tolist() == pytest.approx([0, 0.0625, 0.1875, 0.25])
    part = Attribution(torch.tensor([[[1.0, 2.0]]]), (Geometry(40, 20, 20, 0, 40, 20),))  # it saw the right half
    assert weights(part, FOUR).tolist() == pytest.approx([0, 0.5, 0, 0.5])
    assert weights(part, one_view((1, 4), Geometry.whole(40, 20))).tolist() == [0, 0, 0, 1]


def test_tokens_that_a_map_does_not_lie_on_have_no_weight() -> None:
    """A CLIP that saw the right half, or the lower, gives nothing to the rest."""
    values = torch.tensor([[[1.0, 0.5]]])
    right = Attribution(values, (Geometry(40, 20, 20, 0, 40, 20),))
    assert weights(right, one_view((1, 4), Geometry.whole(40, 20))).tolist() == [0, 0, 1, 0]
    lower = Attribution(values.mT, (Geometry(40, 20, 0, 10, 40, 20),))
    assert weights(lower, one_view((4, 1), Geometry.whole(40, 20))).tolist() == [0, 0, 1, 0]


def test_a_map_of_the_picture_in_another_size_is_scaled() -> None:
    own = Attribution(torch.tensor([[[0.0, 1.0], [2.0, 4.0]]]), (Geometry.whole(400, 200),))
    assert weights(own, FOUR).tolist() == [0, 0.25, 0.5, 1]
    other = Attribution(torch.ones(1, 2, 2), (Geometry.whole(200, 200),))
    with pytest.raises(BadInput, match="fovea: the map is of a picture of 200×200 pixels, and this one has 40×20"):
        weights(other, FOUR)


def test_all_of_the_image() -> None:
    assert weights("image", FOUR).tolist() == [1, 1, 1, 1]


def test_tokens_come_in_the_order_of_the_prompt() -> None:
    """The second view lies before the first in the prompt."""
    area = Geometry.whole(40, 20)
    layout = TokenLayout((40, 20), (View(torch.tensor([7, 8]), (1, 2), area), View(torch.tensor([3, 5]), (2, 1), area)))
    assert layout.columns.tolist() == [3, 5, 7, 8]
    assert weights([[0, 0, 10, 5]], layout).tolist() == [1, 0, 1, 0]
    assert weights([[30, 15, 40, 20]], layout).tolist() == [0, 1, 0, 1]


# --------------------------------------------------------------- every family


@pytest.mark.parametrize("family", FAMILIES)
def test_tiles_and_thumbnails_have_weights_of_their_own(family: str) -> None:
    """In each view exactly the tokens whose rectangle the box reaches count; merged, the map stands on the box."""
    model, image = tiny(family), picture(150, 90)
    prompt = build_prompt(model, [Request("Where?", (image,))])
    ((layout,),) = token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)
    left, top, right, bottom = box = [70, 20, 90, 50]
    found = weights([box], layout)
    by_column = dict(zip(layout.columns.tolist(), found.tolist(), strict=True))
    for view in layout.views:
        xs, ys = view.area.cell_edges(view.grid)
        cells = iter(view.columns.tolist())
        for y0, y1 in itertools.pairwise(ys):
            for x0, x1 in itertools.pairwise(xs):
                reached = min(x1, right) - max(x0, left) > 1e-6 and min(y1, bottom) - max(y0, top) > 1e-6
                assert by_column[next(cells)] == float(reached)
    assert 0 < found.sum() < len(found)
    values, area = merge(layout, found)
    xs, ys = area.cell_edges((values.shape[0], values.shape[1]))
    y, x = divmod(int(values.argmax()), values.shape[1])
    assert xs[x] < right and xs[x + 1] > left and ys[y] < bottom and ys[y + 1] > top


@given(
    box=st.tuples(*[st.integers(0, 38)] * 2, *[st.integers(1, 40)] * 2).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
)
def test_a_box_and_its_mask_are_one_fovea(box: tuple[int, int, int, int], rows: int, columns: int) -> None:
    layout = one_view((rows, columns), Geometry.whole(40, 40))
    mask = torch.zeros(40, 40)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    assert torch.equal(weights([list(box)], layout), weights(mask, layout))


@given(values=st.lists(st.floats(0, 1, width=16), min_size=6, max_size=6))
def test_weights_lie_within_0_and_1(values: list[float]) -> None:
    mask = torch.tensor(values).reshape(2, 3)
    own = [mask] if mask.any() else []
    if mask.min() < mask.max():
        own.append(Attribution(5 * mask[None] - 2, (Geometry.whole(40, 20),)))  # pyright: ignore
    for fovea in own:
        found = Fovea(fovea).weights(one_view((3, 2), Geometry.whole(40, 20)))
        assert found.min() >= 0 and found.max() <= 1


# ------------------------------------------------------------- what is given


def test_one_fovea_and_a_list_of_them() -> None:
    mask, own = torch.ones(4, 4), Attribution(torch.eye(2)[None], (Geometry.whole(40, 20),))
    kinds = lambda given: [None if f is None else type(f.region).__name__ for f in as_foveas(given)]  # noqa: E731
    assert kinds([[1, 2, 3, 4], [1, 2, 3, 5]]) == ["Tensor"]  # boxes of one picture
    assert kinds([[[1, 2, 3, 4]], None, mask, own, "image"]) == ["Tensor", None, "Tensor", "Attribution", "NoneType"]
    assert kinds([np.array([1, 2, 3, 4])]) == ["Tensor"]
    assert kinds(torch.ones(3, 4, 4)) == ["Tensor"] * 3
    assert kinds(Attribution.joined([own, own])) == ["Attribution"] * 2
    assert kinds(Foveas((None, Fovea(None)))) == [None, "NoneType"]
    assert kinds([mask, mask]) == ["Tensor"] * 2


def test_each_box_by_itself() -> None:
    (fovea,) = as_foveas([[0, 0, 10, 5], [30, 15, 40, 20]])
    assert fovea is not None
    assert [part.weights(FOUR).tolist() for part in fovea.parts()] == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert len(Fovea(torch.ones(2, 2)).parts()) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([[5, 5, 5, 9]], "fovea: a box has no area"),
        ([[9, 5, 2, 9]], "fovea: a box has no area"),
        ([], "fovea: this is no fovea"),
        ("picture", "fovea: this is no fovea"),
        ([1, 2, 3, 4], "fovea: this is no fovea"),
        (7, "fovea: this is no fovea"),
        (torch.ones(4), r"fovea: a mask has the shape \(H, W\)"),
        (torch.full((2, 2), 255.0), "fovea: a mask has values from 0 to 1"),
        (torch.full((2, 2), float("nan")), "fovea: a mask has values from 0 to 1"),
        (Boxes(torch.zeros(0, 4, dtype=torch.float64), (40, 20)), "fovea: there is no box"),
    ],
)
def test_what_is_no_fovea(wrong: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        as_foveas(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([[50, 50, 60, 60]], "lies outside the image of 40×20"),
        (torch.zeros(20, 40), "fovea: no image token shows any of it"),
        (Attribution(torch.ones(1, 2, 2), (Geometry.whole(40, 20),)), "fovea: the map has one value everywhere"),
        (Attribution(torch.tensor([[[0.0, torch.nan]]]), (Geometry.whole(40, 20),)), "fovea: the map holds NaN"),
        (Boxes(torch.tensor([[0.0, 0, 5, 5]]).double(), (80, 20)), "fovea: the boxes are of a picture of 80×20"),
    ],
)
def test_foveas_that_do_not_fit_the_picture(wrong: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        weights(wrong, FOUR)


def test_what_the_model_does_not_see_is_no_fovea() -> None:
    """A centre crop leaves the left of a wide picture out."""
    with pytest.raises(BadInput, match="preprocessing cuts"):
        weights([[0, 0, 5, 20]], one_view((2, 2), Geometry(40, 20, 10, 0, 30, 20)))


def test_a_mask_of_other_proportions_is_stretched_with_a_warning() -> None:
    with pytest.warns(ApiGraphWarning, match=r"mask \(8×8 pixels\) has other proportions than the picture \(40×20\)"):
        assert weights(torch.eye(8), FOUR).tolist() == [1, 0, 0, 1]
