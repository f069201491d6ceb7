"""Colour laid over an image where something covers it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from api_graph.errors import inputs_named
from api_graph.pixels._check import in_range
from api_graph.pixels.blend import alpha_blend


def painted(
    image: Tensor, coverage: Tensor, colour: str | Sequence[float], opacity: float = 1.0, *, input: str = "boxes"
) -> Tensor:
    """(1 − opacity·c)·image + opacity·c·colour for coverage c (N, H, W) in [0, 1]: (N, H, W, 3).

    `image` is (B, H, W, 3); either may hold one for the other's many. `input` names what is covered in complaints.
    """
    in_range(opacity, 0.0, 1.0, "opacity")
    with inputs_named(heatmap=input):
        return alpha_blend(image, 1 - coverage, background="colour", colour=colour, strength=opacity)
