"""The token layout of an image: which rectangles of it the model saw, and which tokens of the prompt show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry


@dataclass(frozen=True, eq=False)
class View:
    """What the model saw at once: a whole image, one tile, one crop, or one canvas of tiles without its padding.

    `columns` (gh·gw,) int64 are the positions of the view's tokens in the (padded) prompt, row-major over `grid` =
    (gh, gw). `area` is the rectangle of the source, in source pixels, over which the grid is spread evenly. Where the
    image was padded, the area reaches beyond the image.
    """

    columns: Tensor
    grid: tuple[int, int]
    area: Geometry


@dataclass(frozen=True, eq=False)
class TokenLayout:
    """One image of one prompt: its `size` (width, height) in source pixels, and its views in the prompt's order."""

    size: tuple[int, int]
    views: tuple[View, ...]

    @property
    def columns(self) -> Tensor:
        """Positions of all tokens that show some rectangle of the image, (N,) int64, ascending: the prompt's order."""
        return torch.cat([view.columns for view in self.views]).sort().values


@dataclass(frozen=True)
class ViewSpec:
    """How a family writes one view into the prompt, wherever the view begins there.

    First come `before` tokens (CLS), then the grid row by row with `row_end` newline tokens after each row, and then
    `after` tokens. Only the grid's tokens show a rectangle of the image.
    """

    grid: tuple[int, int]
    area: Geometry
    before: int = 0
    row_end: int = 0
    after: int = 0

    @property
    def tokens(self) -> int:
        """How many image tokens of the prompt belong to the view, the extra ones included."""
        gh, gw = self.grid
        return self.before + gh * (gw + self.row_end) + self.after

    def at(self, columns: Tensor) -> View:
        """The view whose tokens, the extra ones included, have the positions `columns` (tokens,)."""
        gh, gw = self.grid
        rows = columns[self.before : self.tokens - self.after].unflatten(0, (gh, gw + self.row_end))
        return View(rows[:, :gw].flatten(), self.grid, self.area)  # (gh, gw) -> (gh·gw,)


def laid_out(columns: Tensor, images: Sequence[Sequence[ViewSpec]]) -> list[TokenLayout]:
    """Give a prompt's image tokens, at `columns` (n,), to the views of its images, in order: one layout per image.

    Raises BadInput where the views need more or fewer tokens than there are.
    """
    counts = [spec.tokens for specs in images for spec in specs]
    if sum(counts) != len(columns):
        raise BadInput(
            f"the prompt has {len(columns)} image tokens, but its images would make {sum(counts)}",
            input="inputs",
            value=[[spec.grid for spec in specs] for specs in images],
            hint="Give the processor's own output for these images, uncut, and the processor with the settings it had.",
        )
    positions = iter(torch.split(columns, counts))
    layouts = []
    for specs in images:
        with_positions = [(spec, next(positions)) for spec in specs]
        # The canvas of a very long and thin image may have no row or no column.
        views = tuple(spec.at(own) for spec, own in with_positions if all(spec.grid))
        layouts.append(TokenLayout((views[0].area.width, views[0].area.height), views))
    return layouts
