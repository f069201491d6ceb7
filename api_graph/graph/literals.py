"""Whether a value may be typed into an input, said in a graph author's words, and values from a command line."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from api_graph.errors import BadInput
from api_graph.graph.words import as_json, closest, listed
from api_graph.spec import Choices, InputSpec

_KINDS = {
    "INT": "a whole number",
    "FLOAT": "a number",
    "STRING": "a text",
    "BOOLEAN": "true or false",
    "COMBO": "a text",
}
_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def wanted(spec: InputSpec) -> str:
    """What an input takes: "a whole number from 1 to 255", "an IMAGE link"."""
    if not spec.is_widget:
        return f"a link that gives {spec.socket}"
    low, high = (None if b is None else _number(b) for b in (spec.minimum, spec.maximum))
    kind = _KINDS[spec.socket]
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    if low is not None:
        return f"{kind} of at least {low}"
    return kind if high is None else f"{kind} of at most {high}"


def literal_problem(value: Any, spec: InputSpec, entries: Sequence[str]) -> tuple[str, str] | None:
    """What is wrong with `value` at a widget input, and the cure; None if it is fine.

    Types are JSON's own and strict: true is no number, "7" is none either, and 7.9 is no whole number. A whole number
    is also a FLOAT. `entries` are `spec.options()`, listed once by the caller.
    """
    if spec.socket == "COMBO":
        return _combo_problem(value, spec, entries)
    if spec.adapter is None:
        return None
    try:
        spec.adapter.validate_python(value)
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] in _OUT_OF_RANGE:
            return "out of range", f"Give {wanted(spec)}."
        return _type_problem(value, spec)
    return None


def _combo_problem(value: Any, spec: InputSpec, entries: Sequence[str]) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return _type_problem(value, spec)
    if value in entries or (isinstance(spec.choices, Choices) and spec.choices.open):
        return None
    if not entries:
        return (
            "not in the list, which is empty: nothing of this kind was found",
            "Put a file of this kind in its folder.",
        )
    near = closest(value, entries)
    meant = f'Did you mean "{near}"? ' if near else ""
    return "not in the list", f"{meant}Give one of {listed(entries)}."


def _type_problem(value: Any, spec: InputSpec) -> tuple[str, str]:
    problem = f"{_kind(value)}, where {_KINDS[spec.socket]} ({spec.socket}) is wanted"
    if isinstance(value, str):
        try:
            return problem, f"Write {as_json(parse_value(value, spec))}, without quotes."
        except BadInput:
            pass
    return problem, f"Give {wanted(spec)}."


def _kind(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a BOOLEAN"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number with a decimal point" if math.isfinite(value) else "no finite number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _number(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)


# ------------------------------------------------------------------------------------------------------- texts


def parse_value(text: str, input: InputSpec) -> Any:
    """The value that a command line's `text` means at `input`: `7`, `0.5`, `yes`, `a red car`.

    Ranges and lists are not looked at here; `set_inputs` does. Raises BadInput for a text that is no such value, and
    for an input that takes a link.
    """
    if not input.is_widget:
        cure = f"It takes {wanted(input)}."
        raise BadInput("no value can be typed here", input=input.name, value=text, cure=cure)
    if input.socket in ("STRING", "COMBO"):
        return text
    parse = {"INT": _int, "FLOAT": _float, "BOOLEAN": _bool}[input.socket]
    value = parse(text.strip())
    if value is None:
        cure = "Give true or false (or yes, no, 1, 0)." if input.socket == "BOOLEAN" else f"Give {wanted(input)}."
        raise BadInput(f"this is not {_KINDS[input.socket]}", input=input.name, value=text, cure=cure)
    return value


def _int(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,100}", text) else None


def _float(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _bool(text: str) -> bool | None:
    return _TRUTH.get(text.lower())
