"""Where the tokens of one image stand in the prompt, and which rectangles of that image they saw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Part:
    """One view of an image: the whole of it, one tile, one crop, or one hi-res canvas without its padding.

    `columns` (gh·gw,) int64 are the positions of this view's tokens in the (padded) prompt, row-major over `grid` =
    (gh, gw). `area` is the rectangle of the source, in source pixels, over which the grid is spread evenly; where the
    image was padded it reaches beyond the image.
    """

    columns: Tensor
    grid: tuple[int, int]
    area: Geometry


@dataclass(frozen=True, eq=False)
class Places:
    """One image of one prompt: its `size` (width, height) in source pixels, and its parts in prompt order."""

    size: tuple[int, int]
    parts: tuple[Part, ...]

    @property
    def columns(self) -> Tensor:
        """Positions of all tokens that have a place, (N,) int64, ascending: the prompt's order."""
        return torch.cat([part.columns for part in self.parts]).sort().values
