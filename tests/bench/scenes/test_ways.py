"""Ways of pointing: what each does to the picture inside and outside the place."""

from __future__ import annotations

import numpy as np
import pytest

from api_graph.bench.scenes.steering import pairs
from api_graph.bench.scenes.table import Part
from api_graph.bench.scenes.ways import PLAIN, WAYS, Place, Way
from api_graph.demo.scenes import COLOURS, TEST_SEEDS, scene
from api_graph.lvlm import Contrast

SCENE = scene(TEST_SEEDS[0])
TARGET = SCENE.objects[0]
PLACE = Place.of(SCENE, TARGET)
BY_NAME = {way.name: way for way in WAYS}


def drawn(way: Way, place: Place = PLACE) -> np.ndarray:
    request = way.request("What is it?", place)
    assert request.question == "What is it?"
    (image,) = request.images
    return np.asarray(image).astype(int)


def inside() -> np.ndarray:
    left, top, right, bottom = TARGET.box
    found = np.zeros((160, 160), dtype=bool)
    found[top:bottom, left:right] = True
    return found


def test_names_differ() -> None:
    assert len({PLAIN.name, *BY_NAME}) == 1 + len(WAYS)


def test_the_place_of_an_object() -> None:
    assert PLACE.box.tolist() == [list(TARGET.box)]
    assert np.array_equal(PLACE.inside()[0].numpy() == 1, inside())
    assert PLACE.mask is not None
    assert np.array_equal(PLACE.mask[0].numpy() == 1, TARGET.mask)


def test_not_pointed_at_all() -> None:
    assert np.array_equal(drawn(PLAIN), np.asarray(SCENE.image))


@pytest.mark.parametrize(
    ("name", "share"), [("dimmed outside to ½", 0.5), ("dimmed outside to ¼", 0.25), ("black outside", 0)]
)
def test_dimming_keeps_the_inside(name: str, share: float) -> None:
    found, before = drawn(BY_NAME[name]), np.asarray(SCENE.image).astype(int)
    assert np.array_equal(found[inside()], before[inside()])
    assert np.abs(found[~inside()] - share * before[~inside()]).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("name", ["grey outside", "no colours outside", "blur outside"])
def test_weakening_keeps_the_middle_and_changes_the_outside(name: str) -> None:
    found, before = drawn(BY_NAME[name]), np.asarray(SCENE.image).astype(int)
    left, top, right, bottom = TARGET.box
    middle = (slice(top + 1, bottom - 1), slice(left + 1, right - 1))
    assert np.array_equal(found[middle], before[middle])
    assert np.abs(found - before)[~inside()].mean() > 1
    if name == "no colours outside":
        outside = found[~inside()]
        assert np.array_equal(outside.min(-1), outside.max(-1))


def test_crops() -> None:
    left, top, right, bottom = TARGET.box
    assert np.array_equal(drawn(BY_NAME["crop"]), np.asarray(SCENE.image)[top:bottom, left:right])
    twice = drawn(BY_NAME["crop × 2"]).shape
    assert twice[0] <= 2 * (bottom - top) + 1 and twice[1] <= 2 * (right - left) + 1
    assert twice[0] > bottom - top and twice[1] > right - left


@pytest.mark.parametrize("name", ["red circle", "red box", "red shade", "keypoint"])
def test_what_is_drawn_is_drawn_at_the_box(name: str) -> None:
    changed = np.abs(drawn(BY_NAME[name]) - np.asarray(SCENE.image)).sum(-1) > 0
    rows, columns = np.where(changed)
    left, top, right, bottom = TARGET.box
    assert changed.any()
    assert left - 3 <= columns.min() <= columns.max() <= right + 3
    assert top - 3 <= rows.min() <= rows.max() <= bottom + 3


def test_by_mask_follows_the_object_and_by_box_without_one() -> None:
    """FGVP paints the mask half green: what it paints is the object, or the whole box where no mask is known."""
    assert {way.name for way in WAYS if way.by_mask} == {"FGVP, reverse blur", "FGVP, mask"}
    before = np.asarray(SCENE.image).astype(int)
    for place, mask in ((PLACE, TARGET.mask), (Place(PLACE.image, PLACE.box), inside())):
        found = drawn(BY_NAME["FGVP, mask"], place)
        half = before * 0.5 + np.array([0, 127.5, 0])
        agree = np.abs(found - half).max(-1) <= 1
        assert agree[mask].mean() > 0.8  # all but a red contour, where the preset draws one
        assert not agree[~mask].any() or agree[~mask].mean() < 0.02


def test_a_fovea_is_the_box_and_changes_no_pixel() -> None:
    foveas = {name: way for name, way in BY_NAME.items() if name.startswith("fovea, ")}
    modes = {"boost", "suppress", "boost_suppress", "proportional", "scale", "redistribute"}
    assert set(foveas) == {f"fovea, {mode}" for mode in modes}
    for name, way in foveas.items():
        assert np.array_equal(drawn(way), np.asarray(SCENE.image))
        steering = way.request("What is it?", PLACE).steering
        assert steering is not None and steering.mode == name.removeprefix("fovea, ")
        (fovea,) = steering.foveas
        assert fovea is not None and fovea.boxes and fovea.region.tolist() == [list(TARGET.box)]  # pyright: ignore


def test_a_weak_fovea_by_contrast_is_the_same_fovea() -> None:
    weak = {name: way for name, way in BY_NAME.items() if name.startswith("weak fovea")}
    against = [None, "no_fovea", "complement", "no_image", "noised_image"]
    assert list(weak) == ["weak fovea", *(f"weak fovea, contrast: {one}" for one in against[1:])]
    for one, way in zip(against, weak.values(), strict=True):
        request = way.request("What is it?", PLACE)
        assert request.contrast == (one and Contrast(one))  # pyright: ignore[reportArgumentType]
        assert request.steering is not None and (request.steering.mode, request.steering.amount) == (
            "boost_suppress",
            1,
        )
        (fovea,) = request.steering.foveas
        assert fovea is not None and fovea.region.tolist() == [list(TARGET.box)]  # pyright: ignore
        assert np.array_equal(np.asarray(request.images[0]), np.asarray(SCENE.image))


def test_pairs_are_twins_of_one_shape_in_two_colours() -> None:
    found = pairs(TEST_SEEDS, 4)
    assert len(found) == 8
    for one, turned in zip(found[::2], found[1::2], strict=True):
        assert (one.pointed, one.other) == (turned.other, turned.pointed) and one.scene is turned.scene
        assert one.pointed.shape == one.other.shape and one.pointed.colour != one.other.colour
        assert sum(o.shape == one.pointed.shape for o in one.scene.objects) == 2
        assert one.question == f"What colour is the {one.pointed.shape}?"


def test_steering_table(all_parts: list[Part]) -> None:
    """Where nothing points, both twins get the same answer: as many are obeyed as are not."""
    part = {part.name: part for part in all_parts}["steering"]
    assert [row.name for row in part.rows] == [PLAIN.name, *BY_NAME]
    plain = {figure.name: figure.value for figure in part.rows[0].figures}
    assert plain["obeyed"] == plain["the other"] <= 0.5
    assert plain["right, at its object"] == plain["right, at another"]
    for row in part.rows:
        figures = {figure.name: figure for figure in row.figures}
        assert list(figures) == list(part.columns)
        assert (figures["obeyed"].n, figures["right, at another"].n) == (6, 3)
        shares = [figures[name].value for name in ("obeyed", "the other", "broken")]
        assert sum(shares) <= 1
        sound = [score.answer.lower() in (*COLOURS, "unanswerable") for score in row.scores]
        assert figures["broken"].value == pytest.approx(1 - sum(sound) / 6)
        assert figures["obeyed"].value == sum(one.score or 0 for one in row.scores) / 6
    obeyed = {row.name: row.figures[0].value for row in part.rows}
    assert obeyed["blur outside"] > obeyed[PLAIN.name]
    assert obeyed["fovea, boost_suppress"] == 1
