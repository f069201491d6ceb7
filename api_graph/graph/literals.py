"""Values that are typed into inputs: which JSON a graph takes, which values an input takes, and texts as values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from pydantic import ValidationError

from api_graph.errors import BadInput
from api_graph.graph.words import as_json, closest, listed, quoted
from api_graph.spec import Choices, InputSpec

ListChoices = Callable[[InputSpec], Sequence[str]]
"""Lists the choices of a combo: `InputSpec.options`, or a cache of it, as listing may read a folder."""

_KINDS = {"INT": "a whole number", "FLOAT": "a number", "STRING": "a text", "BOOLEAN": "true or false"}
_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEEPEST = 100


class Repeated(dict[str, object]):
    """A JSON object in which `keys_twice` are written more than once; `dict` would keep the last, silently."""

    keys_twice: tuple[str, ...] = ()


def json_problem(value: object) -> tuple[str, str] | None:
    """Why some programs would not read `value` as JSON, and a hint; None if all read it alike."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _DEEPEST:
            return f"nested more than {_DEEPEST} deep", "Give a flatter value."
        if isinstance(item, float) and not math.isfinite(item):
            return "neither NaN nor Infinity is a number in JSON", "Give a finite number."
        if isinstance(item, str) and _SURROGATE.search(item):
            return "half a character (a lone surrogate)", "Type the text again."
        if isinstance(item, Repeated):
            return f"{listed(item.keys_twice)} is written twice in one object", "Keep one."
        inner = item.values() if isinstance(item, Mapping) else item if isinstance(item, list | tuple) else ()
        waiting.extend((one, depth + 1) for one in inner)
    return None


def literal_problem(
    value: object, spec: InputSpec, choices_of: ListChoices = InputSpec.options
) -> tuple[str, str] | None:
    """What is wrong with `value` at an input, and a hint; None if it is fine.

    Types are JSON's own and strict: true is not a number, nor is "7", and 7.9 is not a whole number. A whole number
    is also a FLOAT.
    """
    if spec.takes_json and isinstance(value, dict | list):
        return None  # what it must look like depends on the image: the node says what is wrong with it
    if not spec.is_widget or spec.adapter is None:
        return "a value, where only a link can stand", f"It takes {wanted(spec)}."
    if spec.socket == "COMBO":
        is_open = isinstance(spec.choices, Choices) and spec.choices.open
        if isinstance(value, str) and (is_open or value in choices_of(spec)):
            return None
        return _combo_problem(value, spec, choices_of)
    try:
        spec.adapter.validate_python(value)
    except ValidationError as error:
        kind = error.errors(include_url=False)[0]["type"]
        if kind in _OUT_OF_RANGE:
            return "out of range", f"Give {wanted(spec)}."
        return _type_problem(value, spec)
    if spec.odd and isinstance(value, int) and value % 2 == 0:
        near = [odd for odd in (value - 1, value + 1) if spec.maximum is None or odd <= spec.maximum]
        return "an even number, where an odd one is wanted", f"Use {' or '.join(map(str, near))}."
    return None


def wanted(spec: InputSpec, choices_of: ListChoices = InputSpec.options) -> str:
    """What an input takes, in words: "a whole number from 1 to 255", "a link from a MASK output"."""
    if not spec.is_widget:
        if spec.socket == "*":
            return "a link from any output"
        return f"a link from a {spec.socket.replace(',', ' or ')} output"
    if spec.socket == "COMBO":
        choices = choices_of(spec)
        return f"one of {listed(choices)}" if choices else "a text"
    kind, odd = _KINDS[spec.socket], ", odd" if spec.odd else ""
    low, high = (None if bound is None else _number(bound) for bound in (spec.minimum, spec.maximum))
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}{odd}"
    if low is not None:
        return f"{kind} of at least {low}{odd}"
    return kind if high is None else f"{kind} of at most {high}"


def _combo_problem(value: object, spec: InputSpec, choices_of: ListChoices) -> tuple[str, str]:
    """Why a combo does not take `value`, and a hint."""
    if not isinstance(value, str):
        return f"{_kind(value)}, where a text (COMBO) is wanted", f"Give {wanted(spec, choices_of)}."
    choices = choices_of(spec)
    if not choices:
        return "not in the list, which is empty: nothing of this kind was found", "Put a file where it is looked for."
    near = closest(value, choices)
    meant = f"Did you mean {quoted(near)}? " if near else ""
    return "not in the list", f"{meant}Give {wanted(spec, choices_of)}."


def _type_problem(value: object, spec: InputSpec) -> tuple[str, str]:
    problem = f"{_kind(value)}, where {_KINDS[spec.socket]} ({spec.socket}) is wanted"
    if isinstance(value, str):
        try:
            return problem, f"Write {as_json(parse_value(value, spec))}, without quotes."
        except BadInput:
            pass
    return problem, f"Give {wanted(spec)}."


def _kind(value: object) -> str:
    """What a value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a BOOLEAN"
    if isinstance(value, int):
        return "a whole number" if abs(value) < 2**63 else "a whole number of too many digits"
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


def parse_value(text: str, input: InputSpec) -> bool | int | float | str:
    """The value that a command line's `text` means at `input`: `7`, `0.5`, `yes`, `a red car`.

    Ranges and lists are not checked here; `set_inputs` checks them. Raises BadInput for a text that is no such value,
    and for an input that takes a link.
    """
    if not input.is_widget:
        raise BadInput("no value can stand here", input=input.name, value=text, hint=f"It takes {wanted(input)}.")
    if input.socket in ("STRING", "COMBO"):
        return text
    parse = {"INT": _int, "FLOAT": _float, "BOOLEAN": _bool}[input.socket]
    value = parse(text.strip())
    if value is None:
        hint = (
            "Give true or false (yes, no, 1 and 0 do too)." if input.socket == "BOOLEAN" else f"Give {wanted(input)}."
        )
        raise BadInput(f"this is not {_KINDS[input.socket]}", input=input.name, value=text, hint=hint)
    return value


def _int(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,100}", text) else None


def _float(text: str) -> float | None:
    """A decimal number; Python's own `float` would also read `nan`, `1_0` and Arabic digits."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _bool(text: str) -> bool | None:
    return _TRUTH.get(text.lower())
