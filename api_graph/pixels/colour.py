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
            cure = "Write a name such as red, or #rrggbb."
            raise BadInput("this is not a colour", input=input, value=colour, cure=cure) from error
    if len(colour) != 3:
        raise BadInput("a colour has three numbers: red, green, blue", input=input, value=colour)
    return tensor([in_range(float(part), 0.0, 1.0, input) for part in colour])
