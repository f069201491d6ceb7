"""From token space to pixel space: every cell of a map goes back to where the model saw it."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.geometry import Geometry
from api_graph.pixels._check import checked_maps, value_range
from api_graph.pixels._resample import Interpolation, axis_matrix
from api_graph.pixels.reference import mask_to_u8
from api_graph.sockets import Attribution

ResizeGeometry = Literal["correct", "reference"]


def to_pixels(
    attribution: Attribution,
    *,
    geometry: ResizeGeometry = "correct",
    interpolation: Interpolation = "bicubic",
) -> Tensor:
    """Φ̂ = Resize(Ψ), section 3: the maps in the pixels of their source images, (B, H, W), float32.

    `correct` lays the cells over the rectangle of the source that the model saw; where it saw nothing stands
    the map's minimum, and a warning says how much of the image that is. Values stay within each map's own
    range. `reference` stretches an 8-bit map over the whole source with Pillow, as the official code does,
    and wants values in [0, 1].

    A batch whose sources differ in size is a BadInput.
    """
    if interpolation not in get_args(Interpolation):
        raise BadInput(
            "unknown interpolation",
            input="interpolation",
            value=interpolation,
            cure=f"Use one of {', '.join(get_args(Interpolation))}.",
        )
    values = checked_maps(attribution.values, "attribution")
    width, height = _source_size(attribution.geometry)
    if geometry == "reference":
        return _stretched(values, width, height, interpolation)
    if geometry != "correct":
        raise BadInput("unknown geometry", input="geometry", value=geometry, cure="Use correct or reference.")
    return _laid_over(values, attribution.geometry, interpolation)


def _source_size(geometry: tuple[Geometry, ...]) -> tuple[int, int]:
    sizes = sorted({(g.width, g.height) for g in geometry})
    if len(sizes) != 1:
        raise BadInput(
            "the maps of a batch need source images of one size",
            input="attribution",
            value=[f"{w}×{h}" for w, h in sizes],
            cure="Run images of different sizes one at a time.",
        )
    for g in geometry:
        if not (g.right > g.left and g.bottom > g.top):
            raise BadInput(
                "the model saw an empty rectangle of the source",
                input="attribution",
                value=g,
                cure="Look at the step that made its geometry.",
            )
    return sizes[0]


def _laid_over(values: Tensor, geometry: tuple[Geometry, ...], interpolation: Interpolation) -> Tensor:
    low, high = value_range(values, "attribution")
    rows, columns = zip(*(_matrices(g, values.shape[1:], interpolation) for g in geometry), strict=True)
    down, across = torch.stack(rows), torch.stack(columns)  # (B, H, gh), (B, W, gw)
    _warn_of_unseen(down, across)
    down, across = down.to(values.device), across.to(values.device)
    seen = _sees(down)[:, :, None] & _sees(across)[:, None, :]  # (B, H, W)
    laid = down @ values @ across.mT  # (B, H, gh) (B, gh, gw) (B, gw, W) -> (B, H, W)
    # A kernel with negative lobes overshoots; a uint8 image, which Pillow resizes, would cut that off too.
    return torch.where(seen, laid.clamp(low, high), low)


@lru_cache(maxsize=32)  # a table's images have few sizes
def _matrices(g: Geometry, grid: torch.Size, interpolation: Interpolation) -> tuple[Tensor, Tensor]:
    """The row matrix (H, gh) and the column matrix (W, gw) that lay a grid over its rectangle. Nobody changes them."""
    with torch.inference_mode(False):  # the next to ask may want a gradient through them
        down = axis_matrix(g.height, grid[0], g.top, g.bottom, interpolation)
        across = axis_matrix(g.width, grid[1], g.left, g.right, interpolation)
        return down.float(), across.float()


def _sees(weights: Tensor) -> Tensor:
    """Which pixels of an axis (B, pixels, cells) see a cell at all."""
    return (weights != 0).any(2)


def _warn_of_unseen(down: Tensor, across: Tensor) -> None:
    share = 1 - float((_sees(down).double().mean(1) * _sees(across).double().mean(1)).min())
    if share > 0:
        warnings.warn(
            f"the model did not see {share:.1%} of the source image, and the heatmap has the map's minimum "
            "there. A preprocessing that pads or squashes instead of cropping sees all of it",
            ApiGraphWarning,
            stacklevel=4,
        )


def _stretched(values: Tensor, width: int, height: int, interpolation: Interpolation) -> Tensor:
    method = Image.Resampling[interpolation.upper()]
    masks = [Image.fromarray(mask) for mask in mask_to_u8(values).cpu().numpy()]
    resized = np.stack([np.asarray(mask.resize((width, height), method)) for mask in masks])
    return torch.from_numpy(resized).to(values.device).float() / 255
