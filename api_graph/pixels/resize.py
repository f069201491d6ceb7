"""From token space to pixel space: every cell of a map goes back to where the model saw it."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

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
            hint=f"Use one of {', '.join(get_args(Interpolation))}.",
        )
    values = checked_maps(attribution.values, "attribution")
    width, height = _source_size(attribution.geometry)
    if geometry == "reference":
        return _stretched(values, width, height, interpolation)
    if geometry != "correct":
        raise BadInput("unknown geometry", input="geometry", value=geometry, hint="Use correct or reference.")
    return _laid_over(values, attribution.geometry, interpolation)


def _source_size(geometry: tuple[Geometry, ...]) -> tuple[int, int]:
    sizes = sorted({(g.width, g.height) for g in geometry})
    if len(sizes) != 1:
        raise BadInput(
            "the maps of a batch need source images of one size",
            input="attribution",
            value=[f"{w}×{h}" for w, h in sizes],
            hint="Run images of different sizes one at a time.",
        )
    for g in geometry:
        if not (g.right > g.left and g.bottom > g.top):
            raise BadInput(
                "the model saw an empty rectangle of the source",
                input="attribution",
                value=g,
                hint="Look at the step that made its geometry.",
            )
    return sizes[0]


def _laid_over(values: Tensor, geometry: tuple[Geometry, ...], interpolation: Interpolation) -> Tensor:
    low, high = value_range(values, "attribution")
    layings = [_laying(g, values.shape[1:], interpolation) for g in geometry]
    down = torch.stack([one.down for one in layings]).to(values.device)  # (B, H, gh)
    across = torch.stack([one.across for one in layings]).to(values.device)  # (B, W, gw)
    laid = down @ values @ across.mT  # (B, H, gh) (B, gh, gw) (B, gw, W) -> (B, H, W)
    # A kernel with negative lobes overshoots; a uint8 image, which Pillow resizes, would cut that off too.
    laid = torch.minimum(torch.maximum(laid, low), high)
    unseen = max(one.unseen for one in layings)
    if unseen == 0:
        return laid
    warnings.warn(
        f"the model did not see {unseen:.1%} of the source image, and the heatmap has the map's minimum "
        "there. A preprocessing that pads or squashes instead of cropping sees all of it",
        ApiGraphWarning,
        stacklevel=3,
    )
    return torch.where(_sees(down)[:, :, None] & _sees(across)[:, None, :], laid, low)


class _Laying(NamedTuple):
    """What lays a grid over its rectangle of the source. Nobody changes it.

    `down` (H, gh) is for the rows, `across` (W, gw) for the columns; `unseen` is the share of pixels outside.
    """

    down: Tensor
    across: Tensor
    unseen: float


@lru_cache(maxsize=32)  # a table's images have few sizes
def _laying(g: Geometry, grid: torch.Size, interpolation: Interpolation) -> _Laying:
    with torch.inference_mode(False):  # the next to ask may want a gradient through them
        down = axis_matrix(g.height, grid[0], g.top, g.bottom, interpolation).float()
        across = axis_matrix(g.width, grid[1], g.left, g.right, interpolation).float()
        return _Laying(down, across, 1 - float(_sees(down).double().mean() * _sees(across).double().mean()))


def _sees(weights: Tensor) -> Tensor:
    """Which pixels of an axis (..., pixels, cells) see a cell at all."""
    return (weights != 0).any(-1)


def _stretched(values: Tensor, width: int, height: int, interpolation: Interpolation) -> Tensor:
    method = Image.Resampling[interpolation.upper()]
    masks = [Image.fromarray(mask) for mask in mask_to_u8(values).cpu().numpy()]
    resized = np.stack([np.asarray(mask.resize((width, height), method)) for mask in masks])
    return torch.from_numpy(resized).to(values.device).float() / 255
