"""Smart crop and Paste back: rectangles worked out by hand, and that what is put back untouched changes nothing."""

from __future__ import annotations

from dataclasses import astuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels.placement import Placement, paste_back, smart_crop
from api_graph.regions import Boxes


def picture(width: int = 100, height: int = 60) -> Tensor:
    """Each pixel says where it lies: red x, green y."""
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([x / width, y / height, torch.zeros_like(x)], dim=-1)[None]


def boxes(*rows: tuple[float, ...], size: tuple[int, int] = (100, 60)) -> Boxes:
    return Boxes(torch.tensor(rows, dtype=torch.float64), size)


def rectangle(box: tuple[float, ...], **values: object) -> tuple[int, ...]:
    (crop,) = smart_crop(picture(), boxes(box), **values)  # pyright: ignore[reportArgumentType]
    where = crop.placement
    assert crop.image.shape == (1, where.bottom - where.top, where.right - where.left, 3)
    assert crop.mask.shape == crop.image.shape[:3]
    return astuple(where)[:4]


@pytest.mark.parametrize(
    ("box", "values", "expected"),
    [
        ((40, 20, 60, 30), {"margin": 0.0}, (40, 20, 60, 30)),
        ((40, 20, 60, 30), {"margin": 0.1}, (38, 18, 62, 32)),  # 2 pixels: a tenth of the longer side
        ((40, 20, 60, 30), {"margin": 0.0, "aspect": "1:1"}, (40, 15, 60, 35)),
        ((40, 20, 60, 30), {"margin": 0.0, "aspect": "4:1"}, (30, 20, 70, 30)),
        ((40, 20, 60, 30), {"margin": 0.0, "multiple": 8}, (38, 17, 62, 33)),  # 20×10 becomes 24×16
        ((40, 20, 60, 30), {"margin": 0.0, "multiple": 20, "aspect": "1:1"}, (40, 15, 60, 35)),
        ((0, 0, 10, 10), {"margin": 0.5}, (0, 0, 20, 20)),  # moved into the image
        ((90, 50, 100, 60), {"margin": 0.5}, (80, 40, 100, 60)),
        ((0, 0, 100, 60), {"margin": 0.0, "multiple": 64}, (-14, -2, 114, 62)),  # 128×64 around 100×60
        ((40.2, 20.2, 41.1, 20.4), {"margin": 0.0}, (40, 20, 41, 21)),
    ],
)
def test_where_a_crop_lies(box: tuple[float, ...], values: dict[str, object], expected: tuple[int, ...]) -> None:
    assert rectangle(box, **values) == expected


def test_a_crop_holds_the_pixels_of_its_place() -> None:
    (crop,) = smart_crop(picture(), boxes((40, 20, 60, 30)), margin=0.0)
    assert torch.equal(crop.image, picture()[:, 20:30, 40:60])
    assert bool((crop.mask == 1).all())


def test_beyond_the_image_its_edge_is_repeated_and_the_mask_is_empty() -> None:
    (crop,) = smart_crop(picture(), boxes((0, 0, 100, 60)), margin=0.0, multiple=64)
    assert torch.equal(crop.image[:, 2:62, 14:114], picture())
    assert torch.equal(crop.image[0, 30, :14], picture()[0, 28, :1].expand(14, 3))
    assert crop.mask.sum() == 100 * 60


def test_a_mask_is_cut_out_likewise() -> None:
    mask = torch.rand(1, 60, 100)
    (crop,) = smart_crop(picture(), boxes((40, 20, 60, 30)), mask, margin=0.1)
    assert torch.equal(crop.mask, mask[:, 18:32, 38:62])


@given(
    st.tuples(st.floats(0, 80), st.floats(0, 45), st.floats(0.5, 60), st.floats(0.5, 40)),
    st.floats(0, 2),
    st.sampled_from(["keep", "1:1", "16:9", "1:3"]),
    st.sampled_from([1, 8, 16, 64]),
)
def test_a_crop_holds_its_box_and_goes_back_unchanged(
    box: tuple[float, ...], margin: float, aspect: str, multiple: int
) -> None:
    x, y, w, h = box
    corners = (x, y, min(x + w, 100.0), min(y + h, 60.0))
    (crop,) = smart_crop(picture(), boxes(corners), margin=margin, aspect=aspect, multiple=multiple)
    where = crop.placement
    assert where.left <= corners[0] + 0.5 and where.right >= corners[2] - 0.5
    assert where.top <= corners[1] + 0.5 and where.bottom >= corners[3] - 0.5
    assert (where.right - where.left) % multiple == (where.bottom - where.top) % multiple == 0
    assert torch.equal(paste_back(picture(), [crop.image], [where]), picture())
    soft = paste_back(picture(), [crop.image], [where], [crop.mask], feather=3)
    assert torch.allclose(soft, picture(), atol=1e-6)


def test_a_larger_crop_is_resized_to_its_place() -> None:
    where = Placement(40, 20, 60, 30, 100, 60)
    pasted = paste_back(torch.zeros(1, 60, 100, 3), [torch.ones(1, 64, 128, 3)], [where])
    assert pasted[..., 0].nonzero().tolist() == [[0, y, x] for y in range(20, 30) for x in range(40, 60)]


def test_a_crop_fades_in_from_its_borders_but_not_from_the_images() -> None:
    where = Placement(0, 20, 10, 30, 100, 60)
    pasted = paste_back(torch.zeros(1, 60, 100, 3), [torch.ones(1, 10, 10, 3)], [where], feather=4)[0, ..., 0]
    assert pasted[25, :10].tolist() == [1, 1, 1, 1, 1, 1, 0.875, 0.625, 0.375, 0.125]
    assert pasted[20:30, 0].tolist() == [0.125, 0.375, 0.625, 0.875, 1, 1, 0.875, 0.625, 0.375, 0.125]


def test_a_mask_says_how_much_is_put_back() -> None:
    where = Placement(40, 20, 42, 21, 100, 60)
    pasted = paste_back(torch.zeros(1, 60, 100, 3), [torch.ones(1, 1, 2, 3)], [where], [torch.tensor([[[0.25, 1.0]]])])
    assert pasted[0, 20, 40:42, 0].tolist() == [0.25, 1.0]


def test_several_go_back_in_turn() -> None:
    places = [Placement(0, 0, 4, 4, 100, 60), Placement(2, 2, 6, 6, 100, 60)]
    pasted = paste_back(torch.zeros(1, 60, 100, 3), [torch.full((1, 4, 4, 3), v) for v in (0.25, 0.5)], places)
    assert pasted[0, :6, :6, 0].diagonal().tolist() == [0.25, 0.25, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"aspect": "wide"}, "aspect"),
        ({"aspect": "1:0"}, "aspect"),
        ({"aspect": "1:1000"}, "aspect"),
        ({"margin": -1.0}, "margin"),
        ({"multiple": 0}, "multiple"),
        ({"boxes": boxes((0, 0, 5, 5), size=(50, 60))}, "boxes"),
        ({"boxes": boxes((200, 0, 205, 5))}, "boxes"),
        ({"image": torch.cat([picture(), picture()])}, "image"),
    ],
)
def test_crops_that_are_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput) as refused:
        smart_crop(**{"image": picture(), "boxes": boxes((40, 20, 60, 30)), **values})  # pyright: ignore[reportArgumentType]
    assert refused.value.input == named


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"crops": []}, "crops"),
        ({"masks": []}, "masks"),
        ({"image": torch.zeros(1, 30, 50, 3)}, "image"),
        ({"crops": [torch.zeros(2, 4, 4, 3)]}, "crops"),
        ({"feather": -1}, "feather"),
    ],
)
def test_crops_that_cannot_go_back(values: dict[str, object], named: str) -> None:
    given = {"image": picture(), "crops": [torch.zeros(1, 4, 4, 3)], "placements": [Placement(0, 0, 4, 4, 100, 60)]}
    with pytest.raises(BadInput) as refused:
        paste_back(**{**given, **values})  # pyright: ignore[reportArgumentType]
    assert refused.value.input == named
