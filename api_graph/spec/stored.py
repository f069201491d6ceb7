"""NodeSpecs as JSON: what the nodes declare, for those who only read it. Importing the nodes takes seconds, for torch.

Functions are stored by their place, and imported when they are called. The classes of outputs are not stored: who runs
a node, or reads tensors that it gave, takes the NodeSpec of its function (`whole`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pkgutil import resolve_name
from typing import Any

from api_graph import context as contexts
from api_graph.errors import SpecError
from api_graph.json_values import Json
from api_graph.spec.model import REQUIRED, Choices, InputSpec, NodeSpec, OutputSpec, Reference, Widget

_FUNCTIONS = ("function", "batched", "fingerprint", "needs", "estimate", "prepare")
_DERIVED = ("lists", "figures", "_by_name")


def to_stored(spec: NodeSpec) -> dict[str, Json]:
    """A NodeSpec as JSON, what is at its default left out. Raises SpecError for a function that no module names."""
    stored: dict[str, Json] = {}
    for each in fields(NodeSpec):
        value = getattr(spec, each.name)
        if each.name in _DERIVED or value == each.default:
            continue
        if each.name in _FUNCTIONS:
            stored[each.name] = _place(value)
        elif each.name == "context":
            stored[each.name] = [value[0], value[1].__name__]
        elif each.name == "inputs":
            stored[each.name] = [_stored_input(one) for one in value]
        elif each.name == "outputs":
            stored[each.name] = [_changed(one, ("type",)) for one in value]
        else:
            stored[each.name] = [*value] if isinstance(value, tuple) else value
    return stored


def from_stored(stored: Mapping[str, Any]) -> NodeSpec:
    """The NodeSpec that `to_stored` has written. Its outputs have no `type`."""
    given: dict[str, Any] = {
        name: Reference(value) if name in _FUNCTIONS else tuple(value) if isinstance(value, list) else value
        for name, value in stored.items()
    }
    inputs: list[InputSpec] = []
    for one in stored["inputs"]:
        own = {"default": REQUIRED, **one}
        choices, widget = own.get("choices"), {**own.pop("widget", {})}
        if isinstance(choices, dict):
            inside, listed = choices["inside"], partial(tuple, choices["list"])
            own["choices"] = Choices(listed, choices["open"], None if inside is None else Reference(inside))
        elif choices is not None:
            own["choices"] = tuple(choices)
        if "refuse" in own:
            own["refuse"] = Reference(own["refuse"])
        if widget.get("labels") is not None:
            widget["labels"] = tuple(widget["labels"])
        inputs.append(InputSpec(**own, widget=Widget(**widget)))
    given["inputs"] = tuple(inputs)
    given["outputs"] = tuple(OutputSpec(**one) for one in stored["outputs"])
    if "context" in given:
        name, kind = given["context"]
        given["context"] = name, getattr(contexts, kind)
    return NodeSpec(**given)


def _stored_input(declared: InputSpec) -> dict[str, Json]:
    stored = _changed(declared, ("default", "choices", "widget", "refuse", "required", "takes_json"))
    if not declared.required:
        stored["default"] = declared.default
    if isinstance(declared.choices, Choices):
        inside = declared.choices.inside
        stored["choices"] = {
            "list": [*declared.choices.list()],
            "open": declared.choices.open,
            "inside": None if inside is None else _place(inside),
        }
    elif declared.choices is not None:
        stored["choices"] = [*declared.choices]
    if declared.refuse is not None:
        stored["refuse"] = _place(declared.refuse)
    if widget := _changed(declared.widget):
        stored["widget"] = widget
    return stored


def _changed(one: InputSpec | OutputSpec | Widget, without: Sequence[str] = ()) -> dict[str, Json]:
    """The fields of a dataclass that are not at their default."""
    values = {each.name: (getattr(one, each.name), each.default) for each in fields(one) if each.name not in without}
    return {
        name: [*value] if isinstance(value, tuple) else value
        for name, (value, default) in values.items()
        if value != default
    }


def _place(function: Callable[..., object]) -> str:
    place = f"{function.__module__}:{function.__qualname__}"
    try:
        same = resolve_name(place) is function
    except (AttributeError, ImportError, ValueError):
        same = False
    if not same:
        raise SpecError(f"{function!r} is no function of a module, so that the stored nodes cannot name it.")
    return place
