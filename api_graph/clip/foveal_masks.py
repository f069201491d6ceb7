"""FALIP's foveal mask: a foveal kernel over a region of the patch grid, added to the CLS token's attention scores.

    R_ij = exp(−((i − (H'−1)/2)² + (j − (W'−1)/2)²) / 2σ²),   i < H', j < W'
    M_ij = α · (R_ij − min R + ε) / (max R − min R + ε) in the region, 0 elsewhere

H' × W' are the region's cells and σ counts cells. With σ far above the region's size, as by default, M is an inverted
paraboloid whatever σ is: α in the middle, about 0 in the corners. A region is a box, a pixel mask, or a map.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, get_args

import torch
from numpy.typing import NDArray
from torch import Tensor

from api_graph.arguments import typed
from api_graph.clip.foveal_cells import CellRule, Cells, cell_coverage, cells_of, unseen_mask_shares, unseen_share
from api_graph.errors import ApiGraphWarning, BadInput, inputs_named
from api_graph.geometry import Geometry
from api_graph.pixels.heatmap import normalize
from api_graph.pixels.regrid import onto_grid
from api_graph.regions import boxes_around, warn_of_fractions
from api_graph.sockets import Attribution

KernelScale = Literal["minmax", "none"]
OnEmpty = Literal["error", "zero"]
Join = Literal["each", "max", "enclosing"]
MaskShape = Literal["mask", "centroid", "box"]

_EPSILON = 1e-6


@dataclass(frozen=True)
class FovealKernel:
    """The shape of M: its height `alpha` α, its width `sigma` σ in cells, and `scale`.

    `minmax` stretches the Gaussian over [0, α], as the paper does; `none` leaves it as α·R. A region of one or two
    cells a side has a constant Gaussian, which minmax turns into α. Raises BadInput for numbers that make no kernel.
    """

    alpha: float = 0.2
    sigma: float = 100.0
    scale: KernelScale = "minmax"

    def __post_init__(self) -> None:
        if not abs(self.alpha) < float("inf"):
            raise BadInput("it is not finite", input="alpha", value=self.alpha, hint="Use a number such as 0.2.")
        if not 0 < self.sigma < float("inf"):
            raise BadInput("it is not above 0", input="sigma", value=self.sigma, hint="Give a width in cells.")
        if self.scale not in get_args(KernelScale):
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


@typed()
def foveal_mask(
    box: Sequence[float] | NDArray[Any] | Tensor,
    image_size: tuple[int, int],
    grid: tuple[int, int],
    *,
    alpha: float = 0.2,
    sigma: float = 100.0,
    cells: CellRule = "overlap",
    scale: KernelScale = "minmax",
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
    if max(image_size) > 1:
        warn_of_fractions([values.tolist()], "the box is in pixels: multiply by the image's width and height")
    kernel = FovealKernel(alpha, sigma, scale)
    with inputs_named(boxes="box", region="box"):
        return box_masks(values[None], Geometry.whole(*image_size), grid, kernel, cells=cells, on_empty=on_empty)[0]


def box_masks(
    boxes: Tensor,
    geometry: Geometry,
    grid: tuple[int, int],
    kernel: FovealKernel | None = None,
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
    _check_grid(grid)
    if join not in get_args(Join):
        raise BadInput("unknown way to join", input="join", value=join, hint="Use each, max or enclosing.")
    kernel = kernel or FovealKernel()
    regions = [cells_of(box, geometry, grid, cells) for box in boxes.tolist()]
    _refuse_empty([index for index, region in enumerate(regions, start=1) if region is None], "box", on_empty)
    _warn_of_unseen([unseen_share(box, geometry) for box in boxes.tolist()], "box")
    if join == "enclosing":
        seen = [region for region in regions if region is not None]
        regions = [reduce(Cells.enclosing, seen) if seen else None]
    masks = torch.zeros(len(regions), *grid, dtype=torch.float64)
    for mask, region in zip(masks, regions, strict=True):
        if region is not None:
            mask[region.slices] = kernel.over(region.height, region.width)
    return (masks.amax(0, keepdim=True) if join == "max" else masks).float()


def pixel_masks(
    masks: Tensor,
    geometry: Geometry,
    grid: tuple[int, int],
    kernel: FovealKernel | None = None,
    *,
    shape: MaskShape = "mask",
    coverage: float = 0.5,
    cells: CellRule = "overlap",
    on_empty: OnEmpty = "error",
) -> Tensor:
    """The foveal masks of pixel masks (B, H, W) in [0, 1] of a source image: float32 (B, gh, gw).

    The region are the cells of which the mask covers a share of `coverage` or more (0: anything at all). `mask`: the
    kernel is centred on the rectangle around these cells, and 0 outside them; `centroid`: centred on their mean
    instead. `box`: the kernel over the whole rectangle around the mask's pixels (≥ 0.5), by the rule `cells`.

    Raises BadInput for a mask of another size than the source, for one with a region of no cells unless
    `on_empty="zero"`, and for an unknown shape.
    """
    _check_grid(grid)
    if masks.ndim != 3 or tuple(masks.shape[1:]) != (geometry.height, geometry.width):
        raise BadInput(
            f"the mask's size (height, width) is not the image's {(geometry.height, geometry.width)}",
            input="mask",
            value=tuple(masks.shape[1:]),
            hint="Resize it to the image.",
        )
    if shape not in get_args(MaskShape):
        raise BadInput("unknown shape", input="shape", value=shape, hint="Use mask, centroid or box.")
    kernel = kernel or FovealKernel()
    if shape == "box":
        return _box_around_masks(masks, geometry, grid, kernel, cells, on_empty)
    shares = cell_coverage(masks, geometry, grid)  # (B, gh, gw)
    regions = (shares >= coverage) & (shares > 0)
    _refuse_empty([i for i, region in enumerate(regions, start=1) if not region.any()], "mask", on_empty)
    _warn_of_unseen(unseen_mask_shares(masks, geometry), "mask")
    return torch.stack([_kernel_in(region, kernel, shape) for region in regions]).float()


def map_masks(
    attribution: Attribution, geometry: tuple[Geometry, ...], grid: tuple[int, int], kernel: FovealKernel | None = None
) -> Tensor:
    """Attribution maps as the fovea: α times the map, in the cells of a model's grid; σ plays no part.

    `attribution` may come from another model with another grid and preprocessing; `geometry` says where the cells of
    `grid` lie, for all maps or for each. The scale `minmax` brings each map into [0, 1] first, `none` takes it as it
    is. Float32 (B, gh, gw). Raises BadInput as `onto_grid` and `normalize` do.
    """
    _check_grid(grid)
    kernel = kernel or FovealKernel()
    with inputs_named(mode="scale"):
        maps = normalize(attribution.values, kernel.scale, input="attribution")
    return kernel.alpha * onto_grid(attribution.with_values(maps), geometry, grid).cpu()


def _check_grid(grid: tuple[int, int]) -> None:
    """Raise BadInput for a grid without cells."""
    if len(grid) != 2 or min(grid) < 1:
        raise BadInput("a grid has rows and columns", input="grid", value=grid, hint="Give the model's (gh, gw).")


def _refuse_empty(empty: Sequence[int], kind: str, on_empty: OnEmpty) -> None:
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


def _warn_of_unseen(shares: Sequence[float], kind: str) -> None:
    """Name the regions of which the model does not see a share, in an ApiGraphWarning."""
    named = [f"{share:.0%} of {kind} {index}" for index, share in enumerate(shares, start=1) if share > _EPSILON]
    if named:
        warnings.warn(
            f"the model does not see {', '.join(named)}, because its preprocessing crops the image. "
            "One that pads or squashes sees all of it",
            ApiGraphWarning,
            stacklevel=3,
        )


def _kernel_in(region: Tensor, kernel: FovealKernel, shape: MaskShape) -> Tensor:
    """M in a region (gh, gw) of cells, 0 outside it; float64."""
    mask = torch.zeros(region.shape, dtype=torch.float64)
    inside = region.nonzero().double()  # (cells, 2)
    if not len(inside):
        return mask
    centre = inside.mean(0) if shape == "centroid" else (inside.amin(0) + inside.amax(0)) / 2
    gaussian = kernel.gaussian(region.shape[0], region.shape[1], (float(centre[0]), float(centre[1])))
    mask[region] = kernel.scaled(gaussian[region])
    return mask


def _box_around_masks(
    masks: Tensor, geometry: Geometry, grid: tuple[int, int], kernel: FovealKernel, cells: CellRule, on_empty: OnEmpty
) -> Tensor:
    """The kernels over the rectangles around masks; zeros for a mask with nothing in it, where that is allowed."""
    filled = (masks >= 0.5).flatten(1).any(1).cpu()
    _refuse_empty([i for i, has in enumerate(filled, start=1) if not has], "mask", on_empty)
    found = torch.zeros(len(masks), *grid)
    if filled.any():
        boxes = boxes_around(masks.cpu()[filled])
        found[filled] = box_masks(boxes.values, geometry, grid, kernel, cells=cells, on_empty=on_empty)
    return found
