"""Calls as version 0.1 took them: they still work, and a DeprecationWarning says how they are written now."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

GONE_WITH = "0.4"
"""The version that no longer takes what this one warns of."""

_MODELS = ("AP_CLIP", "AP_LVLM")
_NOTHING = object()


def deprecated(text: str, *, stacklevel: int = 2) -> None:
    """Give the DeprecationWarning of something that goes with version 0.4; `stacklevel` as for `warnings.warn`."""
    warnings.warn(f"{text} (it goes with version {GONE_WITH})", DeprecationWarning, stacklevel=stacklevel + 1)


def formerly(*order: str, **names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: the function is still called as it was in 0.1.

    `order` are its first parameters in their order of then, by today's names; the model was the first of them. A call
    is taken for one of then where its first argument is a model, or, where nothing is missing in that order and no
    other argument is a model, what can be a model's name before an image.
    `names` are parameters of then, and what they are called today.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        called, signature = function.__name__, inspect.signature(function)
        today = list(signature.parameters)
        needed = {name for name, one in signature.parameters.items() if one.default is one.empty and one.kind < 2}

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            given: dict[str, object] = {}
            for name, value in kwargs.items():
                new = names.get(name, name)
                if new in given or (new != name and new in kwargs):
                    raise TypeError(f"{called}() got both {name!r} and {new!r}, which are one thing")
                if new != name:
                    deprecated(f"{called}({name}=...) is {called}({new}=...) now")
                given[new] = value
            complete = needed <= {*order[: len(args)], *given} and given.keys().isdisjoint(order[:1])
            if order and 0 < len(args) <= len(order) and _model_first(args, given, today[0], complete):
                was, now = ", ".join(order), ", ".join(today[: len(order)])
                deprecated(f"{called}({was}) is {called}({now}) now: the model comes last, or as model=")
                for name, value in zip(order, args, strict=False):
                    if name in given:
                        raise TypeError(f"{called}() got multiple values for argument {name!r}")
                    given[name] = value
                args = ()  # type: ignore[assignment]  # they all have their names
            return function(*args, **given)  # type: ignore[arg-type]

        return call

    return decorate


def _model_first(args: Sequence[object], given: Mapping[str, object], image: str, complete: bool) -> bool:
    """Whether the first argument is the model, which takes the place of the `image`.

    `complete`: in the order of then the call has all that it needs, and one model.
    """
    first = args[0]
    if _is_model(first):
        return True
    if not complete or any(map(_is_model, args[1:])) or not all(map(_can_name_a_model, _listed(first))):
        return False
    if len(args) == 1:
        return image in given
    return _is_image(args[1])


def _is_model(value: object) -> bool:
    """Whether it is a loaded model or an endpoint, or a list with one."""
    if isinstance(value, list | tuple):
        return any(map(_is_model, value))
    kind = type(value)
    return getattr(kind, "socket", None) in _MODELS or (kind.__name__ == "Endpoint" and hasattr(value, "profile"))


def _can_name_a_model(value: object) -> bool:
    """Whether it is a text that is no file; names and repositories have no blanks, and folders are there."""
    return isinstance(value, str) and not os.path.isfile(value) and (" " not in value.strip() or os.path.isdir(value))


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) and value else [value]


def _is_image(value: object) -> bool:
    """Whether it can be an image and nothing else; `ask` takes None for none."""
    if isinstance(value, np.ndarray | Tensor):
        return value.ndim > 2
    if isinstance(value, str):
        return os.path.isfile(value)
    if isinstance(value, list | tuple):
        return bool(value) and all(one is not None and _is_image(one) for one in value)
    return value is None or isinstance(value, Image.Image | Path | bytes)
