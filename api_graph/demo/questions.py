"""Questions about a scene with their true answers: what the demo LVLM is trained and judged on.

A question about a colour or a shape names one object alone: nobody can tell the colour of "the star" of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from api_graph.demo.scenes import COLOURS, Scene, SceneObject, scene
from api_graph.demo.shapes import SHAPES

UNANSWERABLE = "unanswerable"


@dataclass(frozen=True, eq=False)
class Question:
    """A question, its answer, and the one object that it is about (None for one about all, or about none)."""

    text: str
    answer: str
    kind: str
    target: SceneObject | None = None


def ask(
    rng: np.random.RandomState, objects: Sequence[SceneObject], size: tuple[int, int], kind: str, *, plain: bool = False
) -> Question | None:
    """A question of one of `KINDS` about the objects of a scene of `size` (width, height) pixels.

    None where the scene does not allow one. `plain`: the kind's first phrasing, never another.
    """
    if kind == "side":
        return _side(rng, objects, size, plain)
    return _MAKERS[kind](rng, objects, plain)


def _colour(rng: np.random.RandomState, objects: Sequence[SceneObject], plain: bool) -> Question | None:
    target = _only_one(rng, objects, "shape")
    if target is None:
        return None
    return Question(_phrase(rng, _COLOUR, plain).format(target.shape), target.colour, "colour", target)


def _shape(rng: np.random.RandomState, objects: Sequence[SceneObject], plain: bool) -> Question | None:
    target = _only_one(rng, objects, "colour")
    if target is None:
        return None
    return Question(_phrase(rng, _SHAPE, plain).format(target.colour, _thing(rng)), target.shape, "shape", target)


def _exists(rng: np.random.RandomState, objects: Sequence[SceneObject], plain: bool) -> Question | None:
    form = ("pair", "pair", "pair", "shape", "colour")[rng.randint(5)]
    text = _phrase(rng, _EXISTS, plain)
    if rng.rand() < 0.5:
        target = _one_of(rng, objects)
        name = {"pair": target.name, "shape": target.shape, "colour": f"{target.colour} {_thing(rng)}"}[form]
        alone = sum(_matches(o, target, form) for o in objects) == 1
        return Question(text.format(name), "yes", "exists", target if alone else None)
    absent = _absent(rng, objects, form)
    return Question(text.format(absent), "no", "exists") if absent else None


def _count(rng: np.random.RandomState, objects: Sequence[SceneObject], plain: bool) -> Question:
    text = _phrase(rng, _COUNT, plain)
    # Half of the questions ask for what at least two objects share, where there is such a thing.
    pool = [o for o in objects if sum(o.shape == other.shape for other in objects) > 1]
    draw = rng.rand()
    if draw < 0.3:
        return Question(text.format(_thing(rng) + "s"), str(len(objects)), "count")
    if draw < 0.75:
        shape = _one_of(rng, pool).shape if pool and rng.rand() < 0.5 else _one_of(rng, SHAPES)
        return Question(text.format(plural(shape)), str(sum(o.shape == shape for o in objects)), "count")
    colour = _one_of(rng, objects).colour if rng.rand() < 0.7 else _one_of(rng, tuple(COLOURS))
    number = sum(o.colour == colour for o in objects)
    return Question(text.format(f"{colour} {_thing(rng)}s"), str(number), "count")


def _side(
    rng: np.random.RandomState, objects: Sequence[SceneObject], size: tuple[int, int], plain: bool
) -> Question | None:
    target = _only_one(rng, objects, "name")
    if target is None:
        return None
    axis = rng.randint(2)
    centre = (target.box[axis] + target.box[axis + 2]) / (2 * size[axis])
    if abs(centre - 0.5) < 0.08:
        return None
    text = _phrase(rng, _SIDE[axis], plain).format(target.name)
    return Question(text, (("left", "right"), ("top", "bottom"))[axis][int(centre > 0.5)], "side", target)


def _describe(rng: np.random.RandomState, objects: Sequence[SceneObject], plain: bool) -> Question:
    ordered = sorted(objects, key=lambda o: o.box[0] + o.box[2])
    return Question(_phrase(rng, _DESCRIBE, plain), ", ".join(o.name for o in ordered), "describe")


def _unanswerable(rng: np.random.RandomState, objects: Sequence[SceneObject], plain: bool) -> Question:
    if rng.rand() < 0.5:
        missing = _one_of(rng, [s for s in SHAPES if all(o.shape != s for o in objects)])
        return Question(_phrase(rng, _COLOUR, plain).format(missing), UNANSWERABLE, UNANSWERABLE)
    missing = _one_of(rng, [c for c in COLOURS if all(o.colour != c for o in objects)])
    return Question(_phrase(rng, _SHAPE, plain).format(missing, _thing(rng)), UNANSWERABLE, UNANSWERABLE)


def plural(shape: str) -> str:
    """ "crosses", "circles"."""
    return shape + ("es" if shape.endswith("s") else "s")


def _only_one(rng: np.random.RandomState, objects: Sequence[SceneObject], attribute: str) -> SceneObject | None:
    """An object that no other one shares the attribute with."""
    values = [getattr(o, attribute) for o in objects]
    alone = [o for o in objects if values.count(getattr(o, attribute)) == 1]
    return _one_of(rng, alone) if alone else None


def _matches(one: SceneObject, other: SceneObject, form: str) -> bool:
    return getattr(one, "name" if form == "pair" else form) == getattr(other, "name" if form == "pair" else form)


def _absent(rng: np.random.RandomState, objects: Sequence[SceneObject], form: str) -> str | None:
    """What is not there; of the pairs, half are of a colour and a shape that both are."""
    shapes, colours = {o.shape for o in objects}, {o.colour for o in objects}
    if form == "shape":
        return _one_of(rng, [s for s in SHAPES if s not in shapes])
    if form == "colour":
        return f"{_one_of(rng, [c for c in COLOURS if c not in colours])} {_thing(rng)}"
    names = {o.name for o in objects}
    there = 2 if rng.rand() < 0.5 else 1
    absent = [
        f"{colour} {shape}"
        for colour in COLOURS
        for shape in SHAPES
        if (colour in colours) + (shape in shapes) == there and f"{colour} {shape}" not in names
    ]
    return _one_of(rng, absent) if absent else None


def _phrase(rng: np.random.RandomState, phrases: Sequence[str], plain: bool) -> str:
    return phrases[0] if plain else _one_of(rng, phrases)


def _thing(rng: np.random.RandomState) -> str:
    return _one_of(rng, ("thing", "object"))


def _one_of(rng: np.random.RandomState, options: Sequence):
    return options[rng.randint(len(options))]


# fmt: off
_COLOUR = (
    "What colour is the {}?", "What color is the {}?", "What is the colour of the {}?", "What is the color of the {}?",
    "Which colour does the {} have?", "The {}: what colour is it?", "Tell me the colour of the {} in the picture.",
)
_SHAPE = (
    "What shape is the {} {}?", "What is the shape of the {} {}?", "Which shape does the {} {} have?",
    "The {} {}: what shape is it?", "What is the {} {} in the picture?",
)
_EXISTS = (
    "Is there a {}?", "Is there a {} in the image?", "Do you see a {}?", "Can you see a {} in the picture?",
    "A {}: is there one?", "Does the image show a {}?",
)
_COUNT = (
    "How many {}?", "How many {} are there?", "How many {} do you see in the picture?", "Count the {} in the image.",
    "What is the number of {}?",
)
_SIDE = (
    ("Left or right: where is the {}?", "Is the {} on the left or on the right?"),
    ("Top or bottom: where is the {}?", "Is the {} at the top or at the bottom?"),
)
_DESCRIBE = ("Describe the picture.", "Describe the image.", "What is in the picture?", "What do you see?")
# fmt: on
_MAKERS: dict[str, Callable[[np.random.RandomState, Sequence[SceneObject], bool], Question | None]] = {
    "colour": _colour,
    "shape": _shape,
    "exists": _exists,
    "count": _count,
    "describe": _describe,
    UNANSWERABLE: _unanswerable,
}
KINDS = (*_MAKERS, "side")


def all_texts() -> list[str]:
    """Texts that hold every word of the questions and their answers."""
    phrases = [*_COLOUR, *_SHAPE, *_EXISTS, *_COUNT, *_SIDE[0], *_SIDE[1], *_DESCRIBE]
    words = [*COLOURS, *SHAPES, *map(plural, SHAPES), "thing", "things", "object", "objects", "left", "right"]
    return [*phrases, *words, "top", "bottom", "yes", "no", ",", *"012345", UNANSWERABLE]


@dataclass(frozen=True, eq=False)
class AskedScene:
    """A scene with a question about it."""

    scene: Scene
    question: Question


def asked_scenes(
    seeds: Iterable[int],
    kind: str,
    count: int,
    *,
    objects: tuple[int, int] = (2, 5),
    clutter: tuple[int, int] = (0, 10),
    targeted: bool = False,
) -> list[AskedScene]:
    """The first `count` scenes of `seeds` that allow a question of this kind; `targeted`: about one object."""
    asked: list[AskedScene] = []
    for seed in seeds:
        if len(asked) == count:
            break
        picture = scene(seed, objects, clutter=clutter)
        question = ask(np.random.RandomState(seed), picture.objects, picture.image.size, kind)
        if question and (question.target or not targeted):
            asked.append(AskedScene(picture, question))
    return asked
