"""What is known of each node by hand, from which one test tries them all: see `Case` and `test_every_node.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from torch import Tensor
from torch import allclose as close
from torch import equal as equal_tensors

from tests.nodes.world import World


@dataclass(frozen=True)
class At:
    """Another value of an input, and the values of other inputs without which it would make no difference."""

    value: Any
    companions: Mapping[str, Any] = field(default_factory=dict)


def at(value: Any, **companions: Any) -> At:
    """`at(0.3, background="grey")`: the input at 0.3, while the background is grey."""
    return At(value, companions)


@dataclass(frozen=True)
class Unseen:
    """An input that no result shows, and why."""

    reason: str


@dataclass(frozen=True)
class Refusal:
    """Inputs that the function behind refuses, and the input of the node that its complaint must name."""

    names: str
    inputs: Mapping[str, Any]


def refused(names: str, **inputs: Any) -> Refusal:
    """`refused("query", query=" ")`: the complaint names `query`, where the query is blank."""
    return Refusal(names, inputs)


@dataclass(frozen=True)
class Case:
    """What is expected of a node, written by hand.

    `expected`   gives what the node should give, by calling the functions behind it. It takes every input under the
                 node's own name, with defaults filled in, and the context if the node has one.
    `given`      the inputs of a call: at least those that have no default.
    `others`     for *every* input another value, `at(...)`, or several. Each must make a difference to `expected`.
    `refusals`   calls that the functions behind refuse, at least one for each name in the node's `inputs_named`.
    `tolerance`  how far numbers may differ between a row alone and the same row among others.
    `view`       turns a result into something that can be compared.
    """

    expected: Callable[..., Any]
    given: Mapping[str, Any]
    others: Mapping[str, At | Unseen | Sequence[At]]
    refusals: Sequence[Refusal] = ()
    tolerance: float = 1e-5
    view: Callable[[Any], Any] = lambda result: result

    def others_of(self, name: str) -> Sequence[At]:
        """The other values of an input; none for one that is not seen."""
        other = self.others[name]
        return [] if isinstance(other, Unseen) else [other] if isinstance(other, At) else other


CASES: dict[str, Callable[[World], Case]] = {}

NOT_COVERED: dict[str, str] = {}
"""Nodes without a case, and why."""


def case(id: str) -> Callable[[Callable[[World], Case]], Callable[[World], Case]]:
    """Say that a function makes the case of the node `id`."""

    def known(make: Callable[[World], Case]) -> Callable[[World], Case]:
        assert id not in CASES, f"{id} has two cases"
        CASES[id] = make
        return make

    return known


def difference(one: Any, other: Any, tolerance: float = 0.0, where: str = "result") -> str | None:
    """Where two values differ, in words; None where they are the same."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            return f"{where} is {one.dtype} {tuple(one.shape)}, and {other.dtype} {tuple(other.shape)}"
        same = close(one, other, rtol=tolerance, atol=tolerance) if tolerance else equal_tensors(one, other)
        return None if same else f"{where} differs by {float((one.double() - other.double()).abs().max()):.3g}"
    if is_dataclass(one) and not isinstance(one, type) and type(one) is type(other):
        parts = [(f".{item.name}", getattr(one, item.name), getattr(other, item.name)) for item in fields(one)]
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        parts = [(f"[{index}]", a, b) for index, (a, b) in enumerate(zip(one, other, strict=True))]
    elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        parts = [(f"[{key!r}]", one[key], other[key]) for key in one]
    elif isinstance(one, float) and isinstance(other, float) and tolerance:
        return None if math.isclose(one, other, abs_tol=tolerance) else f"{where} is {one}, and {other}"
    else:
        same = one is other or (type(one) is type(other) and one == other)
        return None if same else f"{where} is {one!r}, and {other!r}"
    return next((found for part, a, b in parts if (found := difference(a, b, tolerance, where + part))), None)
