"""Which layers of a model are meant, counted from 0, or from the end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from api_graph.errors import BadInput

Layers = str | int | Sequence[int]
"""`"last 4"`, `"from 8"`, `"all"`, a layer, or several; also as a text, `"8, 9, -1"`."""


def layer_index(layer: int | None, count: int, name: str, default: int) -> int:
    """`layer` counted from 0, of a model with `count` layers; BadInput if there is no such layer."""
    if layer is None:
        return default
    if not -count <= layer < count:
        raise BadInput(
            f"the model has no such layer; it has {count}",
            input=name,
            value=layer,
            hint=f"Use 0 to {count - 1}, or {-count} to -1 to count from the end.",
        )
    return layer % count


def layer_set(layers: Layers, count: int, name: str = "layers") -> frozenset[int]:
    """The layers meant, of a model with `count`. "last N" of a shallower model are all that it has.

    Raises BadInput for a text that says nothing of the kind, a layer that the model does not have, and no layer.
    """
    if isinstance(layers, str):
        words = layers.strip().lower()
        if words == "all":
            return frozenset(range(count))
        if found := re.fullmatch(r"last\s+([1-9]\d*)", words):
            return frozenset(range(max(0, count - int(found[1])), count))
        if found := re.fullmatch(r"from\s+(\d+)", words):
            return frozenset(range(layer_index(int(found[1]), count, name, default=0), count))
        layers = whole_numbers(words, name, _HINT)
    several = [layers] if isinstance(layers, int) else layers
    if not several:
        raise BadInput("there is no layer", input=name, value=layers, hint=_HINT)
    return frozenset(layer_index(layer, count, name, default=0) for layer in several)


def whole_numbers(text: str, name: str, hint: str = "Write numbers such as 0, 3, -1.") -> list[int]:
    """The numbers in a text such as "8, 9, -1". Raises BadInput where there is anything else, or nothing."""
    parts = [part for part in re.split(r"[\s,]+", text.strip("[]() ")) if part]
    if not parts or not all(re.fullmatch(r"[+-]?\d{1,4}", part) for part in parts):
        raise BadInput("it is no list of whole numbers", input=name, value=text, hint=hint)
    return [int(part) for part in parts]


_HINT = 'Write "last 4", "from 8", "all", or numbers such as 8, 9, -1.'
