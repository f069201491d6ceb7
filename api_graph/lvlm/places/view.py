"""What one image looks like in tokens, and the handing out of a prompt's image tokens to its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.places.part import Part, Places


@dataclass(frozen=True)
class View:
    """One view in the prompt's order of tokens: `before` tokens without a place (CLS), then the grid row by row, each
    row followed by `row_end` newline tokens, and then `after` tokens without a place.
    """

    grid: tuple[int, int]
    area: Geometry
    before: int = 0
    row_end: int = 0
    after: int = 0

    @property
    def tokens(self) -> int:
        """How many image tokens of the prompt belong to the view, with and without a place."""
        gh, gw = self.grid
        return self.before + gh * (gw + self.row_end) + self.after

    def part(self, columns: Tensor) -> Part:
        """The view at `columns` (tokens,) of the prompt."""
        gh, gw = self.grid
        rows = columns[self.before : self.tokens - self.after].unflatten(0, (gh, gw + self.row_end))
        return Part(rows[:, :gw].flatten(), self.grid, self.area)  # (gh, gw) -> (gh·gw,)


def placed(columns: Tensor, images: Sequence[Sequence[View]]) -> list[Places]:
    """Hand a prompt's image tokens (n,), in order, to its images' views; BadInput where the numbers do not add up."""
    counts = [view.tokens for views in images for view in views]
    if sum(counts) != len(columns):
        raise BadInput(
            f"the prompt has {len(columns)} image tokens, but its images would make {sum(counts)}",
            input="inputs",
            value=[[view.grid for view in views] for views in images],
            hint="Give the processor's own output for these images, uncut, and the processor with the settings it had.",
        )
    chunks = iter(torch.split(columns, counts))
    places = []
    for views in images:
        own = [(view, next(chunks)) for view in views]
        # Of a very long and thin image no row or column of a canvas may be left.
        parts = tuple(view.part(chunk) for view, chunk in own if all(view.grid))
        places.append(Places((parts[0].area.width, parts[0].area.height), parts))
    return places
