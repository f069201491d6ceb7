"""Arguments of another type than a public function declares are told by their own names, before anything is done."""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor

from api_graph.errors import BadInput, inputs_named, shown

P = ParamSpec("P")
R = TypeVar("R")

_WORDS: dict[object, str] = {
    str: "a text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    os.PathLike: "a path",
    Tensor: "a tensor",
    np.ndarray: "an array",
    torch.device: "a device",
    torch.dtype: "a dtype",
    Mapping: "a dict",
    Path: "a path",
    Callable: "a function",
}


def typed(*own: str, **names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: a BadInput names the argument whose type is not the declared one.

    Choices and ranges stay the function's own to check; what a type hint does not tell (images of any kind) too.
    `own` are arguments whose types the function tells itself, in words of its own.
    `names` are what the functions further down call an argument, and what it is called here.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        rest = next((one.name for one in signature.parameters.values() if one.kind is one.VAR_KEYWORD), "")
        hints: dict[str, object] = {}

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if not hints:
                hints.update({**_hints(function, signature), **dict.fromkeys(own, Any)})
            given = _bound(function.__name__, signature, args, kwargs)
            with inputs_named(**names):
                for name, value in given.items():
                    if name in hints and not fits(hints[name], value):
                        raise _unfit(name, hints[name], value)
                for name, value in given.get(rest, {}).items():
                    if not fits(hints["**"], value):
                        raise unknown_argument(function.__name__, name, signature.parameters)
                return function(*args, **kwargs)

        return checked

    return decorate


def _bound(
    called: str, signature: inspect.Signature, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, Any]:
    """The arguments by parameter. Raises TypeError, which names the function that was called."""
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        unknown = [name for name in kwargs if name not in signature.parameters]
        if unknown:
            raise unknown_argument(called, unknown[0], signature.parameters) from None
        raise TypeError(f"{called}(): {error}") from None


def unknown_argument(called: str, name: str, known: Iterable[str]) -> TypeError:
    """What is wrong with a call that names an argument which the function does not have."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.7)
    meant = f". Did you mean {close[0]!r}?" if close else ""
    return TypeError(f"{called}() got an unexpected keyword argument {name!r}{meant}")


def _hints(function: Callable[..., object], signature: inspect.Signature) -> dict[str, object]:
    """The declared types by parameter, and of each of the rest by "**"; Any where only a type checker can tell."""
    rest = inspect.Parameter.VAR_KEYWORD
    single = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found: dict[str, object] = {"": Any}
    for name, parameter in signature.parameters.items():
        if parameter.kind in (*single, rest):
            holder = type("", (), {"__annotations__": {name: parameter.annotation}})
            try:
                hint = get_type_hints(holder, function.__globals__)[name]
            except (NameError, TypeError):  # imported for type checkers alone, or an alias of itself
                hint = Any
            found["**" if parameter.kind is rest else name] = hint
    return found


def fits(hint: object, value: object) -> bool:
    """Whether a value is of a declared type. Words need not be among a Literal's: the function names its choices."""
    hint = _unnamed(hint)
    origin = get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        return any(fits(one, value) for one in get_args(hint))
    if origin is Annotated:
        return fits(get_args(hint)[0], value)
    if origin is Literal:
        return isinstance(value, tuple({type(one) for one in get_args(hint)}))
    if origin in (None, type(None)):
        return value is None
    if origin in (int, float):
        kind = numbers.Integral if origin is int else numbers.Real
        return (isinstance(value, kind) and not isinstance(value, bool)) or _single(value)
    if origin is bool:
        return isinstance(value, bool | np.bool_)
    if origin in (Path, os.PathLike):
        return isinstance(value, os.PathLike)
    if origin is torch.device:
        return isinstance(value, torch.device | int) and not isinstance(value, bool)
    if origin in (Sequence, Iterable, tuple, list):
        return _fits_items(origin, get_args(hint), value)
    if origin is Callable:
        return callable(value)
    try:
        return isinstance(value, origin)  # pyright: ignore[reportArgumentType]
    except TypeError:  # Any, a type variable, a protocol
        return True


def _unnamed(hint: object) -> object:
    """What the name of a type stands for: NDArray is one from numpy 2.5 on, where Python has such names (3.12)."""
    while (meant := getattr(get_origin(hint) or hint, "__value__", None)) is not None:
        hint = meant
    return hint


def _single(value: object) -> bool:
    """Whether it is a number in an array or a tensor."""
    return isinstance(value, np.ndarray | Tensor) and value.ndim == 0 and not _of_texts(value)


def _of_texts(value: np.ndarray | Tensor) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind not in "iufb"


def _fits_items(origin: object, items: tuple[object, ...], value: object) -> bool:
    """Whether it is a list of such items. What can be gone through once alone is not looked into."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return False
    if isinstance(value, np.ndarray | Tensor):
        return value.ndim > 0 and (_takes_numbers(items) or _of_texts(value))
    if not isinstance(value, Sequence):
        return True
    fixed = origin is tuple and Ellipsis not in items
    if fixed:
        return len(value) == len(items) and all(map(fits, items, value))
    return not items or all(fits(items[0], item) for item in value)


def _takes_numbers(items: tuple[object, ...]) -> bool:
    """Whether the innermost items are numbers."""
    return any(item in (int, float, Any) or _takes_numbers(get_args(item)) for item in items)


def _unfit(name: str, hint: object, value: object) -> BadInput:
    array = isinstance(value, np.ndarray) and "a tensor" in wanted(hint)
    problem = f"{wanted(hint)} is needed, and this is {'None' if value is None else _a(type(value).__name__)}"
    helps = "Use torch.from_numpy." if array else "Check the call."
    if fits(hint, [value]):
        helps = f"Wrap it in a list: {shown([value])}."
    return BadInput(problem, input=name, value=value, hint=helps)


def wanted(hint: object) -> str:
    """A declared type in words: "a text or a list of texts"."""
    hint = _unnamed(hint)
    origin = get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        choices = [one for one in get_args(hint) if one is not type(None)]
        said = ["a list of these" if _lists_all(one, choices) else wanted(one) for one in choices]
        return " or ".join(dict.fromkeys(said))
    if origin is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if origin in (Sequence, Iterable, list, tuple):
        items = [item for item in get_args(hint) if item is not Ellipsis]
        inner = wanted(items[0]) if items else ""
        return "a list" if not inner else f"a list of {_plural(inner)}"
    word = getattr(origin, "__name__", str(origin))
    return _WORDS.get(origin) or (word if word.endswith("s") else _a(word))  # such as Boxes


def _lists_all(hint: object, choices: Sequence[object]) -> bool:
    """Whether it is a list of several kinds of items, each of which is a choice by itself too."""
    items = get_args(hint) if get_origin(hint) is Sequence else ()
    kinds = get_args(items[0]) if items and get_origin(items[0]) in (Union, types.UnionType) else ()
    return len(kinds) > 1 and all(kind in choices for kind in kinds)


def _a(word: str) -> str:
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"


def _plural(words: str) -> str:
    """Of "a text or a list of numbers", "texts or lists of numbers"."""
    if " or " in words:
        return " or ".join(map(_plural, words.split(" or ")))
    if " " not in words:
        return words
    noun, of, rest = words.partition(" ")[2].partition(" of ")
    return f"{noun}s{of}{rest}"
