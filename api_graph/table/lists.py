"""Lists in a row, as the texts that inputs take: boxes, points and labels, each on a line of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence

from api_graph.errors import BadInput
from api_graph.graph.model import GraphNode, title_of
from api_graph.spec import InputSpec, NodeSpec
from api_graph.table.columns import meanings

_NUMBERS = {"boxes": (4,), "points": (2, 3)}
_HINTS = {
    "boxes": "Write [[10, 20, 100, 200], [30, 40, 50, 60]], or [10, 20, 100, 200] for one.",
    "points": "Write [[10, 20], [30, 40]], or [10, 20] for one.",
    "texts": 'Write ["a ring", "a star"].',
}


def as_lines(value: object, node: GraphNode, spec: NodeSpec, input: InputSpec, name: str) -> object:
    """A list as the text of the input that it sets, one item on each line; any other value as it is.

    So is a list that stands as JSON in a text, as in a cell of CSV. Raises BadInput, which calls the input `name`, and
    says which item is of the wrong shape.
    """
    kind = _kind_of(node, spec, input) if input.socket == "STRING" else None
    if kind is None:
        return value
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value  # brackets may be part of a text
        if not isinstance(found, list):
            return value
        value = found
    if not isinstance(value, list | tuple):
        return value
    if kind in _NUMBERS and not any(isinstance(item, list | tuple | str) for item in value):
        value = [value]
    return "\n".join(_line(item, kind, number, name) for number, item in enumerate(value, start=1))


def _kind_of(node: GraphNode, spec: NodeSpec, input: InputSpec) -> str | None:
    """What the lines of an input are, if it takes several."""
    meant = meanings(input.name) | meanings(title_of(node, spec))
    if not input.widget.multiline:
        return None
    if "boxes" in meant:
        return "boxes"
    if "labels" in meant or "per line" in input.description.lower():
        return "texts"
    return "points" if "points" in meant else None


def _line(item: object, kind: str, number: int, name: str) -> str:
    where, hint = f"item {number}", _HINTS[kind]
    if kind == "texts":
        if not isinstance(item, str):
            raise BadInput(f"{where} is no text", input=name, value=item, hint=hint)
        if not item.strip() or len(item.splitlines()) > 1:
            problem = f"{where} has several lines" if item.strip() else f"{where} is empty"
            raise BadInput(problem, input=name, value=item, hint=hint)
        return item
    if isinstance(item, str):  # as it might stand on a line
        return _line(item.replace(",", " ").split(), kind, number, name)
    wanted = " or ".join(map(str, _NUMBERS[kind]))
    if not isinstance(item, list | tuple):
        raise BadInput(f"{where} is not {wanted} numbers", input=name, value=item, hint=hint)
    if len(item) not in _NUMBERS[kind]:
        numbers = "1 number" if len(item) == 1 else f"{len(item)} numbers"
        raise BadInput(f"{where} has {numbers}, not {wanted}", input=name, value=item, hint=hint)
    return " ".join(_number(part, item, where, name, hint) for part in item)


def _number(part: object, item: Sequence[object], where: str, name: str, hint: str) -> str:
    try:
        if isinstance(part, bool) or not isinstance(part, int | float | str):
            raise ValueError
        return str(part) if isinstance(part, int) else repr(float(part))
    except ValueError:
        raise BadInput(f"{where} has a value that is no number", input=name, value=list(item), hint=hint) from None
