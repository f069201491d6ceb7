"""Heatmaps of asked scenes: oracles know the object, controls do not, and all lie in [0, 1] over the image."""

from __future__ import annotations

import pytest
import torch

from api_graph.bench.scenes.heatmaps import (
    BLANK,
    CONTROLS,
    METHODS,
    another_object,
    as_heatmap,
    centre_heatmaps,
    clip_heatmaps,
    head_by_lot,
    of_the_next,
    oracle_cut,
    oracle_map,
    uniform_of,
)
from api_graph.bench.scenes.setting import Setting
from api_graph.demo.questions import AskedScene
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution

COUNT = 4


@pytest.fixture(scope="module")
def asked() -> list[AskedScene]:
    return Setting().asked("colour", COUNT, "harder", targeted=True)


@pytest.mark.parametrize("name", [*METHODS, *CONTROLS])
def test_each_is_a_heatmap_of_its_scene(name: str, setting: Setting, asked: list[AskedScene]) -> None:
    found = {**METHODS, **CONTROLS}[name](setting, asked)
    assert [tuple(h.shape) for h in found] == [(1, 160, 160)] * COUNT
    assert all(h.dtype == torch.float32 and 0 <= float(h.min()) <= float(h.max()) <= 1 for h in found)
    again = {**METHODS, **CONTROLS}[name](setting, asked)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))


def test_oracles_are_high_in_the_box_alone(setting: Setting, asked: list[AskedScene]) -> None:
    cuts, maps = oracle_cut(setting, asked), oracle_map(setting, asked)
    for a, cut, spread in zip(asked, cuts, maps, strict=True):
        assert a.question.target is not None
        left, top, right, bottom = a.question.target.box
        assert float(cut.sum()) == float(cut[:, top:bottom, left:right].sum()) == (right - left) * (bottom - top)
        assert float(spread[:, (top + bottom) // 2, (left + right) // 2]) > 0.99
        far = torch.ones(160, 160, dtype=torch.bool)  # two cells of 16 pixels, and half a one
        far[max(top - 40, 0) : bottom + 40, max(left - 40, 0) : right + 40] = False
        assert float(spread[0][far].max() if far.any() else 0) < 0.01


def test_a_cell_is_passed_on_to_its_neighbours() -> None:
    values = torch.zeros(1, 10, 10)
    values[0, 4, 6] = 3.0
    heatmap = as_heatmap(Attribution(values, (Geometry.whole(160, 160),)))
    assert float(heatmap[0, 16 * 3 + 8 : 16 * 5 + 8, 16 * 5 + 8 : 16 * 7 + 8].min()) > 0.99
    assert float(heatmap[0, :24].max()) < 1e-6 and float(heatmap[0, :, :56].max()) < 1e-6


def test_the_query_decides_what_the_clip_points_at(setting: Setting, asked: list[AskedScene]) -> None:
    """Of another object: the map is higher on that one, on most scenes. A blank question names none."""
    misled = 0
    for a, own, other in zip(
        asked, clip_heatmaps(setting, asked), clip_heatmaps(setting, asked, query=another_object), strict=True
    ):
        target = a.question.target
        assert target is not None
        named = next(o for o in a.scene.objects if o is not target)
        assert named.name in another_object(a) or another_object(a).endswith(named.name)
        misled += bool(own[0][target.mask].mean() > other[0][target.mask].mean())
    assert misled >= COUNT - 1
    assert BLANK.strip()


def test_controls_of_a_map(setting: Setting, asked: list[AskedScene]) -> None:
    maps = clip_heatmaps(setting, asked)
    assert of_the_next(maps) == [*maps[1:], maps[0]]
    for one, flat in zip(maps, uniform_of(maps), strict=True):
        assert float(flat.min()) == float(flat.max()) == pytest.approx(float(one.mean()))
    assert all(
        torch.equal(a, b)
        for a, b in zip(CONTROLS["Ψcls of the next scene"](setting, asked), of_the_next(maps), strict=True)
    )


def test_the_centre_is_a_gaussian(setting: Setting, asked: list[AskedScene]) -> None:
    """1 in the middle, e^(−1/2) a quarter of the side away from it, e^(−4) in the corners."""
    (first, *_) = centre_heatmaps(setting, asked)
    assert float(first[0, 79, 80]) == pytest.approx(1, abs=1e-3)
    assert float(first[0, 79, 40]) == pytest.approx(0.6065, abs=0.01)
    assert float(first[0, 0, 159]) == pytest.approx(0.0183, abs=1e-4)


def test_heads_are_drawn_for_each_scene(setting: Setting, asked: list[AskedScene]) -> None:
    """The first scene's head does not hang on how many scenes there are."""
    assert torch.equal(head_by_lot(setting, asked)[0], head_by_lot(setting, asked[:2])[0])
