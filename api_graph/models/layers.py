"""Which layers of a model are meant, counted from 0, or from the end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from api_graph.errors import BadInput

Layers = str | int | Sequence[int]
"""A layer, several, or a text: `"last 4"`, `"from 8"`, `"all"`, or numbers and ranges, `"8, 9"`, `"8..11"`, `"-4..-1"`.

Commas or spaces separate the numbers of a text, and brackets mean nothing. Both ends of a range belong to it.
"""


def layer_index(layer: int, count: int, name: str) -> int:
    """`layer` counted from 0, of a model with `count` layers; BadInput if there is no such layer."""
    if not -count <= layer < count:
        raise BadInput(
            f"the model has no such layer; it has {count}",
            input=name,
            value=layer,
            hint=f"Use 0 to {count - 1}, or {-count} to -1 to count from the end.",
        )
    return layer % count


def layer_list(layers: Layers, count: int, name: str = "layers") -> list[int]:
    """The layers meant, of a model with `count`, in the order in which they are named, each once.

    `name` is what errors call the input. "last N" of a shallower model are all that it has. Raises BadInput for a text
    that says nothing of the kind, a range that runs backwards, a layer that the model does not have, and no layer.
    """
    if isinstance(layers, str):
        found = _layers_of_text(layers, count, name)
    else:
        several = [layers] if isinstance(layers, int) else layers
        found = [layer_index(layer, count, name) for layer in several]
    if not found:
        raise BadInput("there is no layer", input=name, value=layers, hint=_HINT)
    return list(dict.fromkeys(found))


def layer_set(layers: Layers, count: int, name: str = "layers") -> frozenset[int]:
    """What `layer_list` reads, as a set."""
    return frozenset(layer_list(layers, count, name))


def whole_numbers(text: str, name: str, hint: str = "Write numbers such as 0, 3, -1.") -> list[int]:
    """The numbers in a text such as "8, 9, -1". Raises BadInput where there is anything else, or nothing."""
    parts = _parts(text)
    if not parts or not all(re.fullmatch(_NUMBER, part) for part in parts):
        raise BadInput("it is no list of whole numbers", input=name, value=text, hint=hint)
    return [int(part) for part in parts]


_NUMBER = r"[+-]?\d{1,4}"
_HINT = 'Write "last 4", "from 8", "all", numbers such as 8, 9, -1, or a range such as 8..11 or -4..-1.'


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text.strip("[]() ")) if part]


def _layers_of_text(text: str, count: int, name: str) -> list[int]:
    """Layers in the order in which the text names them; some may be named twice."""
    words = text.strip().lower()
    if words == "all":
        return list(range(count))
    if last := re.fullmatch(r"last\s+([1-9]\d*)", words):
        return list(range(max(0, count - int(last[1])), count))
    if start := re.fullmatch(rf"from\s+({_NUMBER})", words):
        return list(range(layer_index(int(start[1]), count, name), count))
    found: list[int] = []
    for part in _parts(re.sub(r"\s*\.\.\s*", "..", words)):
        ends = re.fullmatch(rf"({_NUMBER})(?:\.\.({_NUMBER}))?", part)
        if ends is None:
            raise BadInput("it does not name layers", input=name, value=text, hint=_HINT)
        low, high = (layer_index(int(end), count, name) for end in (ends[1], ends[2] or ends[1]))
        if high < low:
            hint = f"Write the lower layer first; of the model's {count} they are {low} and {high}."
            raise BadInput("the range runs backwards", input=name, value=part, hint=hint)
        found += range(low, high + 1)
    return found
