"""A colour as people write it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import ImageColor
from torch import Tensor, tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import in_range


def parse_colour(colour: str | Sequence[float], input: str = "colour") -> Tensor:
    """Red, green and blue, float32 (3,) in [0, 1], from a name, `#rrggbb`, or three numbers in [0, 1]."""
    if isinstance(colour, str):
        try:
            return tensor(ImageColor.getrgb(colour.strip())[:3]).float() / 255
        except ValueError as error:
            hint = "Write a name such as red, or #rrggbb."
            raise BadInput("this is not a colour", input=input, value=colour, hint=hint) from error
    if len(colour) != 3:
        raise BadInput("not three numbers", input=input, value=colour, hint="Give red, green and blue in [0, 1].")
    return tensor([in_range(float(part), 0.0, 1.0, input) for part in colour])
