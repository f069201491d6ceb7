"""From token space to pixel space: every cell of a map goes back to where the model saw it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput, warn_of_kind
from api_graph.geometry import Geometry
from api_graph.pixels._check import checked_maps, value_range
from api_graph.pixels.reference import mask_to_u8
from api_graph.sockets import Attribution

ResizeGeometry = Literal["correct", "reference"]
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


def to_pixels(
    attribution: Attribution,
    *,
    geometry: ResizeGeometry = "correct",
    interpolation: Interpolation = "bicubic",
) -> Tensor:
    """Φ̂ = Resize(Ψ), section 3: the maps in the pixels of their source images, (B, H, W), float32.

    `correct` lays the cells over the rectangle of the source that the model saw. Where it saw nothing, the heatmap
    has the map's minimum, and a warning says how much of the image that is. Values stay within each map's own range.
    `reference` stretches an 8-bit map over the whole source with Pillow, as the official code does, and needs values
    in [0, 1].

    A batch whose sources differ in size is a BadInput, and so are NaN and infinite values.
    """
    if interpolation not in get_args(Interpolation):
        hint = f"Use one of {', '.join(get_args(Interpolation))}."
        raise BadInput("unknown interpolation", input="interpolation", value=interpolation, hint=hint)
    values = checked_maps(attribution.values, "attribution")
    width, height = _source_size(attribution.geometry)
    if geometry == "reference":
        return _stretched(values, width, height, interpolation)
    if geometry != "correct":
        raise BadInput("unknown geometry", input="geometry", value=geometry, hint="Use correct or reference.")
    low, high = value_range(values, "attribution")
    rows = [axis_weights(height, values.shape[1], g.top, g.bottom, interpolation) for g in attribution.geometry]
    columns = [axis_weights(width, values.shape[2], g.left, g.right, interpolation) for g in attribution.geometry]
    down = torch.stack([one.weights for one in rows]).to(values.device)  # (B, H, gh)
    across = torch.stack([one.weights for one in columns]).to(values.device)  # (B, W, gw)
    heatmap = down @ values @ across.mT  # (B, H, gh) (B, gh, gw) (B, gw, W) -> (B, H, W)
    # A kernel with negative lobes overshoots; a uint8 image, which Pillow resizes, would cut that off too.
    heatmap = torch.minimum(torch.maximum(heatmap, low, out=heatmap), high, out=heatmap)
    unseen = max(1 - row.share * column.share for row, column in zip(rows, columns, strict=True))
    if unseen == 0:
        return heatmap
    warn_of_kind(
        "unseen image",
        f"the model did not see {unseen:.1%} of the source image, and the heatmap has the map's minimum there. "
        "A CLIP sees all of it behind a Resize mode node, squash or longest; Measure map gives each map's share",
    )
    seen = torch.stack([row.seen[:, None] & column.seen for row, column in zip(rows, columns, strict=True)])
    return torch.where(seen.to(values.device), heatmap, low)


class AxisWeights(NamedTuple):
    """What resamples cells onto the pixels of one axis. It is shared: nobody changes it.

    `weights` (pixels, cells), float32; `seen` (pixels,), bool: which pixels see a cell; `share` of those, in [0, 1].
    """

    weights: Tensor
    seen: Tensor
    share: float


@lru_cache(maxsize=64)  # a table's images have few sizes
def axis_weights(pixels: int, cells: int, low: float, high: float, interpolation: Interpolation) -> AxisWeights:
    """Weights that spread `cells` evenly over [low, high) on an axis of `pixels`: a resize is two matrix products.

    Pixel and cell centres lie at half integers. Rows add up to 1: at the edge of the cells the kernel is cut
    and scaled up again, as in Pillow. Where there is more than one cell to a pixel the kernel widens to take
    all of them in. A pixel outside [low, high) sees no cell and has a row of zeros.
    """
    with torch.inference_mode(False):  # the next to ask may want a gradient through them
        position = (torch.arange(pixels, dtype=torch.float64) + 0.5 - low) * cells / (high - low)  # (pixels,), in cells
        seen = (position >= 0) & (position < cells)
        centre = torch.arange(cells, dtype=torch.float64) + 0.5
        x = (centre - position[:, None]) / max(1.0, cells / (high - low))  # (pixels, cells), from the kernel's centre
        t = x.abs()
        if interpolation == "nearest":
            weights = torch.nn.functional.one_hot(position.floor().clamp(0, cells - 1).long(), cells).double()
        elif interpolation == "box":
            weights = ((x > -0.5) & (x <= 0.5)).double()
        elif interpolation == "bilinear":
            weights = (1 - t) * (t < 1)
        elif interpolation == "hamming":
            weights = torch.sinc(x) * (0.54 + 0.46 * torch.cos(math.pi * x)) * (t < 1)
        elif interpolation == "lanczos":
            weights = torch.sinc(x) * torch.sinc(x / 3) * (t < 3)
        else:  # bicubic: cubic convolution with a = -1/2
            weights = torch.where(t < 1, (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2) * (t < 2)
        weights = weights / weights.sum(1, keepdim=True).masked_fill(~seen[:, None], 1.0)
        return AxisWeights((weights * seen[:, None]).float(), seen, float(seen.double().mean()))


def _source_size(geometry: tuple[Geometry, ...]) -> tuple[int, int]:
    """(width, height) of the source images of a batch, in pixels; BadInput where they differ."""
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


def _stretched(values: Tensor, width: int, height: int, interpolation: Interpolation) -> Tensor:
    """Maps (B, gh, gw) over the whole source in 8 bits: float32 (B, H, W)."""
    method = Image.Resampling[interpolation.upper()]
    masks = [Image.fromarray(mask) for mask in mask_to_u8(values).cpu().numpy()]
    resized = np.stack([np.asarray(mask.resize((width, height), method)) for mask in masks])
    return torch.from_numpy(resized).to(values.device).float() / 255
