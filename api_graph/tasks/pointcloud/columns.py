"""Which columns of a point cloud are x, y and z: by name, by what the user says, or the first three if none counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from api_graph.errors import BadInput

AXES = ("x", "y", "z")

_UNIT = re.compile(r"\s*[\[(].*$")

_SURE = 3
"""So many points must count 0, 1, 2, ... before they are taken for an index."""


def axis_name(name: str) -> str:
    """A column's name as it is compared: without quotes, the marks of a comment, a unit in brackets, capitals."""
    return _UNIT.sub("", name.strip().strip("\"'").lstrip("/#").strip()).lower()


def named(names: Sequence[str]) -> tuple[int, int, int] | None:
    """Where the columns x, y and z stand; None where one is missing or stands twice."""
    plain = [axis_name(name) for name in names]
    if any(plain.count(axis) != 1 for axis in AXES):
        return None
    x, y, z = (plain.index(axis) for axis in AXES)
    return x, y, z


def chosen(columns: str, names: Sequence[str] | None, width: int) -> tuple[int, int, int]:
    """The three columns that the user says, by name or counted from 1; BadInput where they are none."""
    words = [word.strip() for word in re.split(r"[,;\t]" if re.search(r"[,;\t]", columns) else r"\s+", columns.strip())]
    plain = [axis_name(name) for name in names or ()]
    places = [_place(word, plain, width) for word in words]
    if len(places) != 3 or len(set(places)) != 3 or None in places:
        there = f" There are: {', '.join(names)}." if names else f" There are {width}."
        hint = f'Write three, such as "x y z", or their numbers, such as "2 3 4".{there}'
        raise BadInput("these are not three columns of the file", input="columns", value=columns, hint=hint)
    x, y, z = (place for place in places if place is not None)
    return x, y, z


def _place(word: str, plain: Sequence[str], width: int) -> int | None:
    if word.isascii() and word.isdigit():
        return int(word) - 1 if len(word) < 9 and 1 <= int(word) <= width else None
    return plain.index(axis_name(word)) if plain.count(axis_name(word)) == 1 else None


def steps_of(values: NDArray[np.float64], written_whole: bool) -> Literal["index", "unsure", "none"]:
    """Whether the first of four columns or more numbers the points: surely, perhaps, or not.

    `written_whole`: its numbers stand without a decimal point, as a writer of indices does it. Surely: it counts from
    0 or 1 in steps of one, and each of the next three columns has fractions. Perhaps: in steps of one, or whole and
    never twice beside fractions.
    """
    first, rest = values[:, 0], values[:, 1:4]
    if len(first) < 2 or not np.array_equal(first, np.floor(first)):  # NaN is not equal to itself
        return "none"
    steps = bool((np.diff(first) == 1).all())
    fractions = bool((np.nan_to_num(rest) % 1 != 0).any(axis=0).all())
    if steps and written_whole and fractions and first[0] in (0, 1) and len(first) >= _SURE:
        return "index"
    distinct = fractions and len(first) > _SURE and len(np.unique(first)) == len(first)
    return "unsure" if steps or distinct else "none"
