"""From token space to pixel space: Φ̂ = Resize(Ψ), Φ = Mean_k(Φ̂) (API section 3.3). Heatmaps are MASKs, 1 = attended."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api_graph.pixels.heatmap import Normalization, mean_filter, normalize
from api_graph.pixels.resize import Interpolation, ResizeGeometry, to_pixels
from api_graph.sockets import Mask
from api_graph.spec import Odd, Widget, node

from . import estimates
from .socket_types import Heatmap, Map, NewHeatmap

CATEGORY = "attention prompting/heatmap"


@node(
    "APResize",
    estimate=estimates.resized,
    category=CATEGORY,
    title="Resize to pixels",
    rowwise=True,
    store=True,
    aliases=("upsample", "attribution to mask"),
)
def resize(
    attribution: Map,
    geometry: Annotated[
        ResizeGeometry,
        Field(
            description="correct: each cell goes back to the part of the image that the model saw. "
            "reference: stretched over the whole image in 8 bits, as the official code does."
        ),
    ] = "correct",
    interpolation: Annotated[Interpolation, Field(description="Resampling filter, as Pillow defines it.")] = "bicubic",
) -> Annotated[Mask, Field(description="The map as a heatmap in the image's pixels.")]:
    """Bring a map from the token grid to the source image's size (API section 3.3)."""
    return to_pixels(attribution, geometry=geometry, interpolation=interpolation)


@node("APMeanFilter", category=CATEGORY, title="Mean filter", rowwise=True, store=True)
def mean_filter_pixels(
    heatmap: Heatmap,
    kernel_size: Annotated[
        int,
        Field(
            ge=1,
            le=4095,
            description="Side of the square window, in pixels of the image; odd. The 1, 3 and 7 of the paper's table 3 "
            "are tokens, as its code counts: Mean filter (tokens) takes those.",
        ),
        Odd(),
    ] = 15,
) -> NewHeatmap:
    """Smooth a heatmap so that it stops looking like a chessboard of patches (API section 3.3)."""
    return mean_filter(heatmap, kernel_size)


@node("APNormalizeHeatmap", category=CATEGORY, title="Normalize heatmap", rowwise=True, store=True)
def normalize_heatmap(
    heatmap: Heatmap,
    mode: Annotated[Normalization, Field(description="minmax, sigmoid of contrast × z-score, or none.")] = "minmax",
    contrast: Annotated[
        float, Field(ge=0, le=100, description="sigmoid only: how hard it cuts."), Widget(step=0.5)
    ] = 5.0,
) -> NewHeatmap:
    """Bring a heatmap into [0, 1]."""
    return normalize(heatmap, mode, contrast, input="heatmap")
