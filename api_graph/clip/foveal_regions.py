"""Foveal masks of regions that are no boxes: pixel masks, and attribution maps as the fovea itself."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from api_graph.clip.foveal_cells import CellRule
from api_graph.clip.foveal_masks import Bump, OnEmpty, box_masks, check_grid, refuse_empty, warn_of_unseen
from api_graph.errors import BadInput, inputs_named
from api_graph.geometry import Geometry
from api_graph.pixels.heatmap import normalize
from api_graph.pixels.regrid import onto_grid
from api_graph.regions import boxes_around
from api_graph.sockets import Attribution

MaskShape = Literal["mask", "centroid", "box"]


def pixel_masks(
    masks: Tensor,
    geometry: Geometry,
    grid: tuple[int, int],
    bump: Bump | None = None,
    *,
    shape: MaskShape = "mask",
    coverage: float = 0.5,
    cells: CellRule = "overlap",
    on_empty: OnEmpty = "error",
) -> Tensor:
    """The foveal masks of pixel masks (B, H, W) in [0, 1] of a source image: float32 (B, gh, gw).

    The region are the cells of which the mask covers a share of `coverage` or more (0: anything at all). `mask`: the
    bump is centred on the rectangle around these cells, and 0 outside them; `centroid`: centred on their mean instead.
    `box`: the bump over the whole rectangle around the mask's pixels (≥ 0.5), by the rule `cells`.

    Raises BadInput for a mask of another size than the source, for one with a region of no cells unless
    `on_empty="zero"`, and for an unknown shape.
    """
    check_grid(grid)
    if masks.ndim != 3 or tuple(masks.shape[1:]) != (geometry.height, geometry.width):
        raise BadInput(
            f"the mask's size (height, width) is not the image's {(geometry.height, geometry.width)}",
            input="mask",
            value=tuple(masks.shape[1:]),
            hint="Resize it to the image.",
        )
    if shape not in get_args(MaskShape):
        raise BadInput("unknown shape", input="shape", value=shape, hint="Use mask, centroid or box.")
    bump = bump or Bump()
    if shape == "box":
        return _box_around_masks(masks, geometry, grid, bump, cells, on_empty)
    shares = cell_coverage(masks, geometry, grid)  # (B, gh, gw)
    regions = (shares >= coverage) & (shares > 0)
    refuse_empty([i for i, region in enumerate(regions, start=1) if not region.any()], "mask", on_empty)
    warn_of_unseen(_unseen_shares(masks, geometry), "mask")
    return torch.stack([_bump_in(region, bump, shape) for region in regions]).float()


def map_masks(
    attribution: Attribution, geometry: tuple[Geometry, ...], grid: tuple[int, int], bump: Bump | None = None
) -> Tensor:
    """Attribution maps as the fovea: α times the map, in the cells of a model's grid; σ plays no part.

    `attribution` may come from another model with another grid and preprocessing; `geometry` says where the cells of
    `grid` lie, for all maps or for each. The scale `minmax` brings each map into [0, 1] first, `none` takes it as it
    is. Float32 (B, gh, gw). Raises BadInput as `onto_grid` and `normalize` do.
    """
    check_grid(grid)
    bump = bump or Bump()
    with inputs_named(mode="scale"):
        maps = normalize(attribution.values, bump.scale, input="attribution")
    return bump.alpha * onto_grid(attribution.with_values(maps), geometry, grid).cpu()


def cell_coverage(masks: Tensor, geometry: Geometry, grid: tuple[int, int]) -> Tensor:
    """Which share of each cell's area, as far as it lies inside the image, a mask covers: (B, gh, gw), float64."""
    xs, ys = geometry.cell_edges(grid)
    across, down = _overlap(xs, masks.shape[2]), _overlap(ys, masks.shape[1])  # (gw, W), (gh, H)
    covered = down @ masks.detach().double().cpu() @ across.T  # (B, gh, gw)
    area = down.sum(1, keepdim=True) * across.sum(1)  # (gh, gw)
    return torch.where(area > 0, covered / area.clamp(min=1e-12), 0.0)


def _overlap(edges: list[float], pixels: int) -> Tensor:
    """How long a piece of each pixel each cell between two edges covers: (cells, pixels)."""
    lows = torch.tensor(edges[:-1], dtype=torch.float64)[:, None]
    highs = torch.tensor(edges[1:], dtype=torch.float64)[:, None]
    pixel = torch.arange(pixels, dtype=torch.float64)
    return (torch.minimum(highs, pixel + 1) - torch.maximum(lows, pixel)).clamp(min=0)


def _bump_in(region: Tensor, bump: Bump, shape: MaskShape) -> Tensor:
    """The bump in a region (gh, gw) of cells, 0 outside it; float64."""
    mask = torch.zeros(region.shape, dtype=torch.float64)
    places = region.nonzero().double()  # (cells, 2)
    if not len(places):
        return mask
    centre = places.mean(0) if shape == "centroid" else (places.amin(0) + places.amax(0)) / 2
    gaussian = bump.gaussian(region.shape[0], region.shape[1], (float(centre[0]), float(centre[1])))
    mask[region] = bump.scaled(gaussian[region])
    return mask


def _unseen_shares(masks: Tensor, geometry: Geometry) -> list[float]:
    """Share of each mask that lies outside what the model saw."""
    g = geometry
    rows = _overlap([g.top, g.bottom], g.height)  # (1, H)
    columns = _overlap([g.left, g.right], g.width)  # (1, W)
    masks = masks.detach().double().cpu()
    whole, seen = masks.sum((1, 2)), (rows @ masks @ columns.T)[:, 0, 0]
    return ((whole - seen) / whole.clamp(min=1e-12)).tolist()


def _box_around_masks(
    masks: Tensor, geometry: Geometry, grid: tuple[int, int], bump: Bump, cells: CellRule, on_empty: OnEmpty
) -> Tensor:
    """The bumps over the rectangles around masks; zeros for a mask with nothing in it, where that is allowed."""
    filled = (masks >= 0.5).flatten(1).any(1).cpu()
    refuse_empty([i for i, has in enumerate(filled, start=1) if not has], "mask", on_empty)
    found = torch.zeros(len(masks), *grid)
    if filled.any():
        boxes = boxes_around(masks.cpu()[filled])
        found[filled] = box_masks(boxes.values, geometry, grid, bump, cells=cells, on_empty=on_empty)
    return found
