"""Scenes: the same for a seed, with tight boxes and objects that keep apart."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.demo.queries import CLASSES, plain_query, random_query
from api_graph.demo.scenes import (
    COLOURS,
    GAP,
    TEST_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    Scene,
    SceneObject,
    scene,
    tight_box,
)
from api_graph.demo.shapes import SHAPES, outline, shape_alpha
from api_graph.errors import BadInput

SEEDS = st.integers(0, 2**32 - 1)


def fingerprint(picture: Scene) -> str:
    return hashlib.sha256(picture.image.tobytes()).hexdigest()


def test_a_seed_is_a_scene() -> None:
    assert fingerprint(scene(7)) == fingerprint(scene(7))
    assert [(o.name, o.box) for o in scene(7).objects] == [(o.name, o.box) for o in scene(7).objects]
    assert fingerprint(scene(7)) != fingerprint(scene(8))


def test_the_seed_ranges_never_meet() -> None:
    ranges = sorted((TRAINING_SEEDS, VALIDATION_SEEDS, TEST_SEEDS), key=lambda seeds: seeds.start)
    assert all(before.stop <= after.start for before, after in itertools.pairwise(ranges))


def test_a_box_is_tight_around_its_mask() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[2, 3] = mask[4, 5] = True
    assert tight_box(mask) == (3, 2, 6, 5)


@settings(max_examples=25)
@given(SEEDS, st.integers(80, 240), st.integers(80, 240), st.sampled_from([None, 8, 10]))
def test_objects_lie_inside_and_apart(seed: int, width: int, height: int, lattice: int | None) -> None:
    picture = scene(seed, (2, 5), width=width, height=height, lattice=lattice)
    assert picture.image.size == (width, height)
    assert 2 <= len(picture.objects) <= 5
    for i, one in enumerate(picture.objects):
        left, top, right, bottom = one.box
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        assert one.box == tight_box(one.mask) and one.mask.shape == (height, width)
        for other in picture.objects[:i]:
            assert distance(one.box, other.box) >= GAP


def distance(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> int:
    """Pixels between two boxes, along the axis on which they are further apart."""
    return max(b[0] - a[2], a[0] - b[2], b[1] - a[3], a[1] - b[3])


def test_an_object_has_its_colour() -> None:
    for o in (picture := scene(3)).objects:
        painted = np.asarray(picture.image)[o.mask].astype(float)
        assert np.abs(np.median(painted, axis=0) - COLOURS[o.colour]).max() <= 15


def test_sizes_follow_the_shorter_side() -> None:
    boxes = [o.box for seed in range(30) for o in scene(seed, width=320, height=160).objects if o.size == "small"]
    heights = [bottom - top for _, top, _, bottom in boxes]
    assert 0.22 * 0.9 * 160 * 0.9 <= np.mean(heights) <= 0.22 * 1.1 * 160 * 1.1


def test_clutter_and_emptiness_can_be_asked_for() -> None:
    assert scene(1, (0, 0)).objects == ()
    assert fingerprint(scene(1, clutter=(0, 0))) != fingerprint(scene(1, clutter=(10, 10)))


def test_unique_objects_are_those_without_a_twin() -> None:
    def thing(colour: str, shape: str) -> SceneObject:
        return SceneObject(shape, colour, "small", (0, 0, 1, 1), np.ones((1, 1), dtype=bool))

    red_star, also, blue_star = thing("red", "star"), thing("red", "star"), thing("blue", "star")
    assert Scene(scene(0).image, (red_star, also, blue_star)).unique_objects() == (blue_star,)


@pytest.mark.parametrize("objects", [(0, 6), (3, 2), (-1, 2)])
def test_an_impossible_number_of_objects(objects: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match="number of objects"):
        scene(0, objects)


def test_too_small_a_scene() -> None:
    with pytest.raises(BadInput, match="at least 80"):
        scene(0, width=79)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_outline_fills_its_square(shape: str) -> None:
    points = outline(shape)
    np.testing.assert_allclose(points.min(axis=0), -1)
    np.testing.assert_allclose(points.max(axis=0), 1)


@pytest.mark.parametrize(
    ("shape", "share"),
    [("square", 1.0), ("triangle", 0.5), ("diamond", 0.5), ("circle", np.pi / 4), ("ring", np.pi / 4 * 0.75)],
)
def test_a_shape_covers_its_area(shape: str, share: float) -> None:
    covered = np.asarray(shape_alpha(shape, 100)).sum() / 255
    assert covered == pytest.approx(share * 100 * 100, rel=0.02)


def test_shapes_are_antialiased() -> None:
    grey = np.asarray(shape_alpha("circle", 40))
    assert ((grey > 0) & (grey < 255)).any()


def test_there_are_eighty_classes() -> None:
    assert len(set(CLASSES)) == 8 * 8 + 8 + 8
    assert plain_query("red", "circle") == "a red circle"
    assert plain_query(None, "circle") == "a circle"
    assert plain_query("red", None) == "something red"


@given(SEEDS, st.sampled_from(CLASSES))
def test_a_query_names_what_it_means_and_nothing_else(seed: int, meaning: tuple[str | None, str | None]) -> None:
    words = random_query(np.random.RandomState(seed), *meaning).split()
    named = {word for word in words if word in COLOURS} | {s for s in SHAPES for w in words if w.startswith(s)}
    assert named == {word for word in meaning if word}
