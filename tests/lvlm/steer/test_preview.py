"""The picture of a fovea: each token's rectangle by hand, tiles and the whole apart; and foveas for many pictures."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import api_graph
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout import TokenLayout, View
from api_graph.lvlm.steer import Fovea, Foveas, Steering, as_foveas, settings_with, strength_of
from api_graph.lvlm.steer.preview import _panel, _side_by_side, fovea_panels
from api_graph.regions import Boxes
from api_graph.settings import shipped_graphs
from api_graph.sockets import Attribution
from tests.lvlm.asked import picture, tiny

ORANGE = torch.tensor([1.0, 0.55, 0.0])


def view(left: float, top: float, right: float, bottom: float, grid: tuple[int, int], first: int = 0) -> View:
    columns = torch.arange(first, first + grid[0] * grid[1])
    return View(columns, grid, Geometry(40, 20, left, top, right, bottom))


def pointed(colour: Tensor, weight: float) -> Tensor:
    """What a pixel of weight w becomes: from .4 to all of its light, and .3 of orange for w = 1."""
    return colour * (0.4 + 0.6 * weight) * (1 - 0.3 * weight) + ORANGE * 0.3 * weight


def test_each_token_has_its_rectangle_its_light_and_its_line() -> None:
    """2 × 3 tokens over the left 30 of 40 pixels: the rest is not seen."""
    image = torch.rand(20, 40, 3, generator=torch.Generator().manual_seed(0))
    one = view(0, 0, 30, 20, (2, 3))
    weights = torch.tensor([1.0, 0.0, 0.25, 0.0, 0.5, 0.0])
    found = _panel(image, TokenLayout((40, 20), (one,)), [one], weights, "")
    assert found.text == "2 × 3 tokens: 1 of weight 1, 3 of weight 0, 2 between, mean 0.292"
    for y, x, weight in [(5, 5, 1.0), (5, 15, 0.0), (5, 25, 0.25), (15, 5, 0.0), (15, 15, 0.5)]:
        assert torch.allclose(found.image[y, x], pointed(image[y, x], weight), atol=1e-6)
    assert torch.allclose(found.image[5, 35], image[5, 35] * 0.12)
    for y, x in [(5, 10), (10, 5), (10, 25)]:  # where a cell begins a line is a third lighter
        weight = float(weights.view(2, 3)[y // 10, x // 10])
        own = pointed(image[y, x], weight)
        assert torch.allclose(found.image[y, x], own + 0.35 * (1 - own), atol=1e-6)
    assert torch.allclose(found.image[0, 0], pointed(image[0, 0], 1.0), atol=1e-6)  # none along the picture's edge


def test_a_picture_without_a_fovea_keeps_its_colours() -> None:
    image = torch.rand(20, 40, 3)
    one = view(0, 0, 40, 20, (4, 10))  # cells of 4 pixels: no lines
    found = _panel(image, TokenLayout((40, 20), (one,)), [one], torch.full((40,), float("nan")), "image 2, ")
    assert torch.equal(found.image, image) and found.text == "image 2, 4 × 10 tokens: not steered"


def test_tiles_lie_together_and_the_whole_by_itself() -> None:
    left, right, whole = view(0, 0, 20, 20, (2, 2)), view(20, 0, 40, 20, (2, 2), 4), view(0, 0, 40, 20, (2, 2), 8)
    assert [len(group) for group in _side_by_side([left, right, whole])] == [2, 1]
    assert [len(group) for group in _side_by_side([whole, left, right])] == [1, 2]
    image, layout = torch.ones(20, 40, 3), TokenLayout((40, 20), (whole, left, right))
    weights = torch.cat([torch.zeros(4), torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.zeros(4)])  # in the prompt's order
    found = _panel(image, layout, [left, right], weights, "")
    assert found.text == "2 parts of 2 × 2 tokens: 2 of weight 1, 6 of weight 0, 0 between, mean 0.250"
    assert torch.allclose(found.image[15, 35], pointed(torch.ones(3), 1.0))
    assert torch.allclose(found.image[15, 15], pointed(torch.ones(3), 0.0))


@pytest.mark.parametrize(
    ("family", "panels"), [("llava", 1), ("llava_next", 2), ("idefics3", 2), ("qwen2_5_vl", 1), ("gemma3", 1)]
)
def test_a_real_model(family: str, panels: int) -> None:
    """Every panel is brightest, and orange, within the box."""
    grey, fovea = Image.new("RGB", (120, 80), (128, 128, 128)), Foveas(as_foveas([[0, 0, 30, 80]]))
    shown = fovea_panels(tiny(family), [grey], fovea)
    assert len(shown) == panels
    for panel in shown:
        assert panel.image.shape == (80, 120, 3) and panel.image.min() >= 0 and panel.image.max() <= 1
        orange = panel.image[..., 0] - panel.image[..., 2] > 0.15
        assert orange.any() and not orange[:, 75:].any()
        assert re.search(r": [1-9]\d* of weight 1, [1-9]\d* of weight 0, 0 between", panel.text)


def test_several_pictures_are_numbered() -> None:
    shown = fovea_panels(tiny("llava"), [picture(), picture()], Foveas((None, Fovea(None))))
    assert [panel.text.split(":")[0] for panel in shown] == ["image 1, 6 × 6 tokens", "image 2, 6 × 6 tokens"]
    assert shown[0].text.endswith("not steered")
    assert shown[1].text.endswith("36 of weight 1, 0 of weight 0, 0 between, mean 1.000")


@pytest.mark.parametrize(
    ("pictures", "foveas", "message"),
    [
        ([], Foveas(()), "image: there is no picture"),
        ([picture()], Foveas((None, Fovea(None))), r"fovea: there are more foveas \(2\) than pictures \(1\)"),
        ([picture()], Foveas(as_foveas([[500, 0, 600, 9]])), "fovea: box 1 lies outside the image of 120×80 pixels"),
    ],
)
def test_what_cannot_be_shown(pictures: Any, foveas: Foveas, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        fovea_panels(tiny("llava"), pictures, foveas)


# ------------------------------------------------------------- foveas of many pictures, tours


def test_one_region_is_for_all_pictures_and_several_are_each_for_one() -> None:
    boxes = [Boxes(torch.tensor([[i, 0, i + 5.0, 9]], dtype=torch.float64), (40, 20)) for i in range(2)]
    masks = torch.rand(2, 4, 8)
    maps = Attribution(masks, (Geometry.whole(40, 20),) * 2)
    for regions in (boxes, masks, maps):
        assert len(Foveas.on_each(regions, 2, input="boxes").items) == 2
        with pytest.raises(BadInput, match="mask: there are 2 for 3 images"):
            Foveas.on_each(regions, 3, input="mask")
    one, other = Foveas.on_each(masks, 2, input="mask").items
    assert one is not None and other is not None
    assert torch.equal(one.region, masks[0]) and torch.equal(other.region, masks[1])  # pyright: ignore
    assert Foveas.on_each(boxes[:1], 3, input="boxes").items[2].region.tolist() == [[0, 0, 5, 9]]  # pyright: ignore
    assert [item.region for item in Foveas.on_each(None, 2, input="boxes").items] == [None, None]  # pyright: ignore


def test_a_tour_goes_from_box_to_box_and_from_picture_to_picture() -> None:
    foveas = as_foveas([[[0, 0, 5, 5], [5, 5, 9, 9]], None, torch.eye(3), [[1, 1, 2, 2]]])
    tour = Steering.tour(foveas, 7, mode="boost")
    regions = [
        (start, [None if one is None else one.region.tolist() for one in own])  # pyright: ignore
        for start, own in tour.targets
    ]
    assert tour.mode == "boost" and regions == [
        (0, [[[0, 0, 5, 5]]]),
        (7, [[[5, 5, 9, 9]]]),
        (14, [None, None, torch.eye(3).tolist()]),
        (21, [None, None, None, [[1, 1, 2, 2]]]),
    ]
    assert Steering.tour([None], 7).targets == ((0, ()),)


def test_the_steering_of_each_picture_by_itself() -> None:
    one, other = Fovea(None), Fovea(torch.eye(3))
    both = Steering((one, other), strength=2.0, schedule=((5, (other,)),))
    first, second, third = both.of_each(3)
    assert (first.foveas, first.schedule) == ((one,), ((5, (other,)),))
    assert (second.foveas, second.schedule) == ((other,), ((5, ()),))
    assert (third.foveas, third.strength) == ((), 2.0)
    with pytest.raises(BadInput, match=r"fovea: there are more foveas \(2\) than pictures \(1\)"):
        both.of_each(1)


def test_the_demo_model_looks_at_one_box_after_the_other() -> None:
    """The colours that it says are those of the boxes, in the order of the tour."""
    demo = api_graph.load_lvlm("demo", "cpu")
    seen = [
        api_graph.lvlm_attribution(
            shipped_graphs() / "api_graph_example.png",
            "Describe the picture.",
            demo,
            fovea=Steering.tour(as_foveas([[354, 165, 432, 243], [209, 52, 283, 129]]), 2),
            steps=range(step, step + 1),
        )
        for step in (0, 3)
    ]
    columns = [float((one.map.sum(0) * torch.arange(one.map.shape[1])).sum() / one.map.sum()) for one in seen]
    assert columns[0] > columns[1]


# ------------------------------------------------------------- texts of the nodes


def test_a_strength_as_text() -> None:
    assert [strength_of(text) for text in ("auto", " Auto ", "", "5", "-2.5", "0")] == [None, None, None, 5, -2.5, 0]
    with pytest.raises(BadInput, match=r"strength: this is no number \(got 'strong'\)"):
        strength_of("strong")


def test_a_preset_and_own_settings_do_not_mix() -> None:
    own: Any = {"mode": "boost", "strength": 3.0, "layers": "1", "heads": "2", "rows": "all"}
    assert settings_with("custom", own) == own
    plain: Any = {"mode": "boost_suppress", "strength": None, "layers": "all", "heads": "all", "rows": "last"}
    assert settings_with("VAR", plain) == api_graph.steer_preset("VAR")
    assert settings_with("Gaze Heads", plain | {"heads": "2"}) == {
        **api_graph.steer_preset("Gaze Heads"),
        "heads": "2",
    }
    for name, value in own.items():
        with pytest.raises(BadInput, match=rf"^{name}: the preset VAR sets it to .* Leave it at .*, or choose custom"):
            settings_with("VAR", plain | {name: value})
