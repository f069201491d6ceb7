"""What people ask about a scene: phrases for an object, a shape or a colour, from the plain to the chatty."""

from __future__ import annotations

import numpy as np

from api_graph.demo.scenes import COLOURS
from api_graph.demo.shapes import SHAPES

CLASSES: tuple[tuple[str | None, str | None], ...] = tuple(
    (colour, shape) for colour in (*COLOURS, None) for shape in (*SHAPES, None) if colour or shape
)
"""What a phrase can mean, as (colour, shape): 64 pairs, 8 shapes of any colour, 8 colours of any shape."""

# fmt: off
_OPENINGS = (
    "", "", "a photo of", "a picture of", "an image of", "a drawing of", "is there", "are there",
    "where is", "find", "show me", "look at", "point at", "how big is", "how many", "count",
    "do you see", "can you see", "there is", "i see", "this is", "what is next to", "what is left of",
    "what is above", "what is behind", "describe", "focus on", "tell me about",
)
_ARTICLES = ("", "a", "the", "the", "any", "one", "all")
_ENDINGS = (
    "", "", "", "", "in the picture", "in the image", "in this scene", "on the left", "on the right",
    "please", "here",
)
_THINGS = ("thing", "object", "shape", "one", "figure")
_OF_A_COLOUR = (
    "something {}", "anything {}", "what shape is the {} {thing}", "which {thing} is {}", "what is {}",
    "what is the {} {thing}",
)
_OF_A_SHAPE = (
    "what is the colour of the {}", "what is the color of the {}", "what colour is the {}",
    "what color is the {}", "which colour does the {} have", "what {} is that",
)
# fmt: on


def plain_query(colour: str | None, shape: str | None) -> str:
    """The shortest phrase: "a red circle", "a circle", "something red"."""
    if shape is None:
        return f"something {colour}"
    return f"a {colour} {shape}" if colour else f"a {shape}"


def random_query(rng: np.random.RandomState, colour: str | None, shape: str | None) -> str:
    """One of the many ways to ask for a colour, a shape or both; lower case, without punctuation."""
    special = _OF_A_COLOUR if shape is None else _OF_A_SHAPE if colour is None else ()
    if special and rng.rand() < 0.4:
        return _one_of(rng, special).format(colour or shape, thing=_one_of(rng, _THINGS))
    noun = shape or _one_of(rng, _THINGS)
    if rng.rand() < 0.15:
        noun += "es" if noun.endswith("s") else "s"
    opening, article = _one_of(rng, _OPENINGS), _one_of(rng, _ARTICLES)
    words = (opening, article, *_described(rng, colour, noun), _one_of(rng, _ENDINGS))
    return " ".join(word for word in words if word)


def _described(rng: np.random.RandomState, colour: str | None, noun: str) -> tuple[str, ...]:
    if colour is None:
        return (noun,)
    phrases = ((colour, noun), (colour, noun), (colour, noun), (noun, "that is", colour), (noun, "is", colour))
    return phrases[rng.randint(len(phrases))]


def _one_of(rng: np.random.RandomState, options: tuple[str, ...]) -> str:
    return options[rng.randint(len(options))]
