"""FALIP's foveal mask: a bump over a region of the patch grid, added to the CLS token's attention scores.

    R_ij = exp(−((i − (H'−1)/2)² + (j − (W'−1)/2)²) / 2σ²),   i < H', j < W'
    M_ij = α · (R_ij − min R + ε) / (max R − min R + ε) in the region, 0 elsewhere

H' × W' are the region's cells and σ counts cells. With σ far above the region's size, as by default, M is an inverted
paraboloid that σ has no part in: α in the middle, about 0 in the corners.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, get_args

import torch
from torch import Tensor

from api_graph.clip.foveal_cells import CellRule, Cells, cells_of, unseen_share
from api_graph.errors import ApiGraphWarning, BadInput, inputs_named
from api_graph.geometry import Geometry

BumpScale = Literal["minmax", "none"]
OnEmpty = Literal["error", "zero"]
Join = Literal["each", "max", "enclosing"]

_EPSILON = 1e-6


@dataclass(frozen=True)
class Bump:
    """The shape of the bump: its height `alpha` α, its width `sigma` σ in cells, and `scale`.

    `minmax` stretches the Gaussian over [0, α], as the paper does; `none` leaves it as α·R. A region of one or two
    cells a side has a constant Gaussian, which minmax turns into α. Raises BadInput for numbers that make no bump.
    """

    alpha: float = 0.2
    sigma: float = 100.0
    scale: BumpScale = "minmax"

    def __post_init__(self) -> None:
        if not abs(self.alpha) < float("inf"):
            raise BadInput("it is not finite", input="alpha", value=self.alpha, hint="Use a number such as 0.2.")
        if not 0 < self.sigma < float("inf"):
            raise BadInput("it is not above 0", input="sigma", value=self.sigma, hint="Give a width in cells.")
        if self.scale not in get_args(BumpScale):
            raise BadInput("unknown scale", input="scale", value=self.scale, hint="Use minmax or none.")

    def over(self, height: int, width: int) -> Tensor:
        """M over a region of height × width cells: (H', W'), float64."""
        return self.scaled(self.gaussian(height, width, ((height - 1) / 2, (width - 1) / 2)))

    def gaussian(self, height: int, width: int, centre: tuple[float, float]) -> Tensor:
        """R over height × width cells around `centre` (row, column): (H', W'), float64."""
        down = torch.arange(height, dtype=torch.float64)[:, None] - centre[0]
        across = torch.arange(width, dtype=torch.float64) - centre[1]
        return torch.exp(-(down**2 + across**2) / (2 * self.sigma**2))

    def scaled(self, r: Tensor) -> Tensor:
        """M from the R of a region's cells, both of any one shape and float64."""
        if self.scale == "none":
            return self.alpha * r
        low, high = r.min(), r.max()
        return self.alpha * (r - low + _EPSILON) / (high - low + _EPSILON)


def foveal_mask(
    box: Sequence[float] | Tensor,
    image_size: tuple[int, int],
    grid: tuple[int, int],
    *,
    alpha: float = 0.2,
    sigma: float = 100.0,
    cells: CellRule = "overlap",
    scale: BumpScale = "minmax",
    on_empty: OnEmpty = "error",
) -> Tensor:
    """The foveal mask of a box in an image that the model sees squashed: float32 (gh, gw).

    `box` is left, top, right, bottom in pixels of an image of `image_size` (width, height); `grid` is the model's
    (gh, gw). `cells="reference"` is the official code's rule, with its extra cell where a left or top edge lies on a
    patch's edge. Raises BadInput for a box that is none, and for one outside the image unless `on_empty="zero"`, which
    gives zeros.
    """
    values = torch.as_tensor(box, dtype=torch.float64).reshape(-1)
    if len(values) != 4:
        raise BadInput("a box has four numbers", input="box", value=box, hint="Give left, top, right and bottom.")
    if min(image_size) < 1:
        raise BadInput("the image is empty", input="image_size", value=image_size, hint="Give width and height.")
    bump = Bump(alpha, sigma, scale)
    with inputs_named(boxes="box", region="box"):
        return box_masks(values[None], Geometry.whole(*image_size), grid, bump, cells=cells, on_empty=on_empty)[0]


def box_masks(
    boxes: Tensor,
    geometry: Geometry,
    grid: tuple[int, int],
    bump: Bump | None = None,
    *,
    cells: CellRule = "overlap",
    join: Join = "each",
    on_empty: OnEmpty = "error",
) -> Tensor:
    """The foveal masks of boxes (N, 4), in pixels of the source, for a model that saw what `geometry` says: float32.

    `join`: `each` gives one mask per box (N, gh, gw); `max` one for all of them (1, gh, gw), their larger value in
    each cell; `enclosing` one over the rectangle around all of them. A box of which the model saw only a part is
    named in an ApiGraphWarning; one of which it saw nothing is a BadInput, or zeros with `on_empty="zero"`.
    """
    check_grid(grid)
    if join not in get_args(Join):
        raise BadInput("unknown way to join", input="join", value=join, hint="Use each, max or enclosing.")
    bump = bump or Bump()
    regions = [cells_of(box, geometry, grid, cells) for box in boxes.tolist()]
    refuse_empty([index for index, region in enumerate(regions, start=1) if region is None], "box", on_empty)
    warn_of_unseen([unseen_share(box, geometry) for box in boxes.tolist()], "box")
    if join == "enclosing":
        seen = [region for region in regions if region is not None]
        regions = [reduce(Cells.enclosing, seen) if seen else None]
    masks = torch.stack([_bump_at(region, grid, bump) for region in regions])
    return (masks.amax(0, keepdim=True) if join == "max" else masks).float()


def check_grid(grid: tuple[int, int]) -> None:
    """Raise BadInput for a grid without cells."""
    if len(grid) != 2 or min(grid) < 1:
        raise BadInput("a grid has rows and columns", input="grid", value=grid, hint="Give the model's (gh, gw).")


def refuse_empty(empty: Sequence[int], kind: str, on_empty: OnEmpty) -> None:
    """Raise BadInput for regions that cover no cell, unless they are to become zeros."""
    if on_empty not in get_args(OnEmpty):
        raise BadInput("unknown choice", input="on_empty", value=on_empty, hint="Use error or zero.")
    if empty and on_empty == "error":
        named = ", ".join(f"{kind} {index}" for index in empty)
        raise BadInput(
            f"the model sees nothing of {named}",
            input="region",
            hint="Check what the region belongs to, or use on_empty='zero' for a mask that points nowhere.",
        )


def warn_of_unseen(shares: Sequence[float], kind: str) -> None:
    """Name the regions of which the model does not see a share, in an ApiGraphWarning."""
    named = [f"{share:.0%} of {kind} {index}" for index, share in enumerate(shares, start=1) if share > _EPSILON]
    if named:
        warnings.warn(
            f"the model does not see {', '.join(named)}, because its preprocessing crops the image. "
            "One that pads or squashes sees all of it",
            ApiGraphWarning,
            stacklevel=3,
        )


def _bump_at(region: Cells | None, grid: tuple[int, int], bump: Bump) -> Tensor:
    """(gh, gw), float64."""
    mask = torch.zeros(grid, dtype=torch.float64)
    if region is not None:
        mask[region.slices] = bump.over(region.height, region.width)
    return mask
