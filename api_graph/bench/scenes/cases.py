"""Scenes as localisation cases: point at the object asked for, then at another one of the same scene."""

from __future__ import annotations

from collections.abc import Iterable

from api_graph.bench.localization import Case
from api_graph.demo.queries import plain_query
from api_graph.demo.scenes import Scene, SceneObject, scene


def localization_cases(seeds: Iterable[int], count: int, *, objects: tuple[int, int] = (3, 5)) -> list[Case]:
    """The first `count` scenes of `seeds` that hold two objects whose colour and shape no other one shares.

    Tags: "same colour" and "same shape" where another object has the target's, "small" for a small target.
    """
    cases: list[Case] = []
    for seed in seeds:
        if len(cases) == count:
            break
        picture = scene(seed, objects)
        unique = picture.unique_objects()
        if len(unique) >= 2:
            target, other = unique[seed % len(unique)], unique[(seed + 1) % len(unique)]
            asked = (plain_query(other.colour, other.shape), other.box)
            cases.append(
                Case(
                    picture.image,
                    plain_query(target.colour, target.shape),
                    target.box,
                    asked,
                    _tags(picture, target),
                    target.mask,
                )
            )
    return cases


def _tags(picture: Scene, target: SceneObject) -> frozenset[str]:
    others = [o for o in picture.objects if o is not target]
    tags = {
        "same colour": any(o.colour == target.colour for o in others),
        "same shape": any(o.shape == target.shape for o in others),
        "small": target.size == "small",
    }
    return frozenset(tag for tag, holds in tags.items() if holds)
