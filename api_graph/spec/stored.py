"""NodeSpecs as JSON: what the nodes declare, for those who only read it. Importing the nodes takes seconds, for torch.

Functions are stored by their place, and imported when they are called. The classes of outputs are not stored: who runs
nodes needs the NodeSpecs of their functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from api_graph import context as contexts
from api_graph.errors import SpecError
from api_graph.json_values import Json
from api_graph.spec.model import REQUIRED, Choices, InputSpec, NodeSpec, OutputSpec, Widget

_FUNCTIONS = ("function", "batched", "fingerprint", "needs", "estimate", "prepare")
_DERIVED = ("lists", "figures", "_by_name")


@dataclass(frozen=True)
class Reference:
    """A function of a module, by its place: imported when it is first called."""

    place: str

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.resolve()(*given, **named)

    def resolve(self) -> Callable[..., Any]:
        """The function itself."""
        module, _, name = self.place.partition(":")
        found: Callable[..., Any] = getattr(import_module(module), name)
        return found


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
    given["inputs"] = tuple(_input_of(one) for one in stored["inputs"])
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


def _input_of(stored: Mapping[str, Any]) -> InputSpec:
    given = dict(stored)
    given.setdefault("default", REQUIRED)
    choices, widget = given.get("choices"), given.pop("widget", {})
    if isinstance(choices, dict):
        inside = choices["inside"]
        listed = tuple(choices["list"])
        given["choices"] = Choices(lambda: listed, choices["open"], None if inside is None else Reference(inside))
    elif choices is not None:
        given["choices"] = tuple(choices)
    if "refuse" in given:
        given["refuse"] = Reference(given["refuse"])
    labels = widget.get("labels")
    return InputSpec(**given, widget=Widget(**{**widget, "labels": None if labels is None else tuple(labels)}))


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
        same = Reference(place).resolve() is function
    except (AttributeError, ImportError):
        same = False
    if not same:
        raise SpecError(f"{function!r} is no function of a module, so that the stored nodes cannot name it.")
    return place
