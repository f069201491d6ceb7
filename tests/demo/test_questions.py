"""Questions about scenes: their answers are true of the scene, and they are fair."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from api_graph.demo.questions import KINDS, UNANSWERABLE, AskedScene, all_texts, ask, asked_scenes, plural
from api_graph.demo.scenes import COLOURS, VALIDATION_SEEDS, SceneObject, scene
from api_graph.demo.shapes import SHAPES

SINGULAR = {plural(shape): shape for shape in SHAPES} | {shape: shape for shape in SHAPES}


def named(asked: AskedScene) -> tuple[str | None, str | None, list[SceneObject]]:
    """The colour and the shape that a question names, read from its words, and the objects that have them."""
    words = re.findall(r"\w+", asked.question.text.lower())
    colour = next((w for w in words if w in COLOURS), None)
    shape = next((SINGULAR[w] for w in words if w in SINGULAR), None)
    matching = [o for o in asked.scene.objects if colour in (None, o.colour) and shape in (None, o.shape)]
    return colour, shape, matching


@pytest.mark.parametrize("kind", ["colour", "shape"])
def test_a_colour_or_shape_is_that_of_the_only_object_named(kind: str) -> None:
    for asked in asked_scenes(VALIDATION_SEEDS, kind, 100):
        colour, shape, matching = named(asked)
        assert (colour is None) == (kind == "colour") and (shape is None) == (kind == "shape")
        assert [asked.question.target] == matching
        assert asked.question.answer == getattr(matching[0], kind)


def test_what_exists_exists_and_half_of_it_does_not() -> None:
    every = asked_scenes(VALIDATION_SEEDS, "exists", 300)
    for asked in every:
        matching = named(asked)[2]
        assert asked.question.answer == ("yes" if matching else "no")
        assert asked.question.target is (matching[0] if len(matching) == 1 else None)
    # 300 draws of ½: six standard deviations are 52.
    assert abs(Counter(a.question.answer for a in every)["yes"] - 150) < 52


def test_counts_are_counts() -> None:
    for asked in asked_scenes(VALIDATION_SEEDS, "count", 100):
        assert asked.question.answer == str(len(named(asked)[2]))


def test_sides_are_sides() -> None:
    for asked in asked_scenes(VALIDATION_SEEDS, "side", 100):
        target = asked.question.target
        assert target is not None and [target] == named(asked)[2]
        width, height = asked.scene.image.size
        x, y = (target.box[0] + target.box[2]) / 2 / width, (target.box[1] + target.box[3]) / 2 / height
        across = "left" in asked.question.text.lower()
        expected = ("left" if x < 0.5 else "right") if across else ("top" if y < 0.5 else "bottom")
        assert asked.question.answer == expected


def test_what_cannot_be_answered_names_nothing_that_is_there() -> None:
    for asked in asked_scenes(VALIDATION_SEEDS, UNANSWERABLE, 100):
        assert named(asked)[2] == [] and asked.question.answer == UNANSWERABLE and asked.question.target is None


def test_a_description_names_every_object_from_left_to_right() -> None:
    for asked in asked_scenes(VALIDATION_SEEDS, "describe", 20):
        names = asked.question.answer.split(", ")
        assert sorted(names) == sorted(o.name for o in asked.scene.objects)
        left = {o.name: o.box[0] + o.box[2] for o in asked.scene.unique_objects()}
        positions = [left[name] for name in names if name in left]
        assert positions == sorted(positions)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_question_and_all_its_words_are_listed(kind: str) -> None:
    first, second = (asked_scenes(VALIDATION_SEEDS, kind, 20) for _ in range(2))
    assert [a.question.text for a in first] == [a.question.text for a in second]
    known = {word for text in all_texts() for word in re.findall(r"\w+", text.lower())}
    used = {word for a in first for word in re.findall(r"\w+", f"{a.question.text} {a.question.answer}".lower())}
    assert used <= known


def test_a_scene_that_does_not_allow_a_question_gives_none() -> None:
    pair = [o for o in scene(VALIDATION_SEEDS[0], (1, 1)).objects] * 2
    assert ask(np.random.RandomState(0), pair, (160, 160), "colour") is None


def test_plain_questions_have_one_phrasing() -> None:
    objects = scene(VALIDATION_SEEDS[0], (1, 1)).objects
    asked = [ask(np.random.RandomState(seed), objects, (160, 160), "colour", plain=True) for seed in range(20)]
    assert {q.text for q in asked if q} == {f"What colour is the {objects[0].shape}?"}


def test_targeted_questions_are_about_one_object() -> None:
    assert all(a.question.target for a in asked_scenes(VALIDATION_SEEDS, "exists", 30, targeted=True))
