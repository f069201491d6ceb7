"""From a heatmap to a mask: where to cut it, and how the cut's edge is grown and feathered."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import check_choice, checked_maps, in_range, value_range
from api_graph.pixels.peaks import component_of_peak, connected, share_of_range

Threshold = Literal["share", "fixed", "otsu", "quantile", "hysteresis"]
Keep = Literal["all", "peak"]


def heatmap_to_mask(
    heatmap: Tensor,
    method: Threshold = "share",
    threshold: float = 0.6,
    low: float = 0.4,
    *,
    keep: Keep = "all",
    grow: int = 0,
    feather: float = 0.0,
) -> Tensor:
    """Cut each of (B, H, W) heatmaps: a mask (B, H, W), float32, 1 where the heatmap is high.

    What `threshold` means depends on the `method`. `fixed`: a value of the heatmap. `share`: a share of the way from
    the map's lowest value to its highest. `quantile`: the share of the pixels that stay outside. `otsu`: nothing; the
    cut is the one that splits the map's values best (Otsu 1979). `hysteresis`: as `share`, and what is connected to
    that and above `low`, a share as well, belongs to it. What lies at the cut is inside.

    `keep` "peak" leaves only the part around the map's highest value. `grow` moves the edge outwards by so many
    pixels, inwards where it is negative; `feather` is the standard deviation in pixels of a Gaussian over the edge.

    Raises BadInput for NaN or infinite values, numbers out of range, and a constant map where the method compares the
    map's values.
    """
    check_choice(method, Threshold, "method")
    check_choice(keep, Keep, "keep")
    in_range(threshold, 0.0, 1.0, "threshold")
    in_range(feather, 0.0, 1e4, "feather")
    if method == "hysteresis" and not 0 <= low <= threshold:
        raise BadInput(
            "the low threshold lies above the threshold", input="low", value=low, hint=f"Use at most {threshold:g}."
        )
    heatmap = checked_maps(heatmap, "heatmap")
    value_range(heatmap, "heatmap")
    masks = []
    for values in heatmap.cpu().numpy():
        inside = _inside(values, method, threshold, low)
        if keep == "peak":
            inside = component_of_peak(values, inside)
        masks.append(_feathered(_grown(inside, grow), feather))
    return torch.from_numpy(np.stack(masks)).to(heatmap.device)


def otsu_threshold(values: NDArray[np.floating]) -> float:
    """The value that best splits a map into two classes, of which the upper lies *above* it (Otsu 1979).

    Exact: over all splits, not over a histogram. For a constant map its value, so that nothing lies above.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    if ordered[0] == ordered[-1]:
        return float(ordered[0])
    n = np.arange(1, ordered.size)
    below = np.cumsum(ordered)[:-1]
    between = (below * ordered.size - n * ordered.sum()) ** 2 / (n * (ordered.size - n))
    between[ordered[1:] == ordered[:-1]] = -1  # equal values cannot be split
    return float(ordered[between.argmax()])


def _inside(values: NDArray[np.float32], method: Threshold, threshold: float, low: float) -> NDArray[np.bool_]:
    if method == "fixed":
        return values >= threshold
    if method == "quantile":
        return values >= np.quantile(values, threshold)
    if method == "otsu":
        share_of_range(values, 0.5)  # its complaint about a constant map
        return values > otsu_threshold(values)
    inside = values >= share_of_range(values, threshold)
    if method == "share":
        return inside
    parts = connected(values >= share_of_range(values, low))
    return np.isin(parts, np.unique(parts[inside]))


def _grown(inside: NDArray[np.bool_], grow: int) -> NDArray[np.bool_]:
    """The region with its edge moved by `grow` pixels, corners rounded. What lies beyond the picture is neither."""
    if grow == 0 or inside.all() or not inside.any():
        return inside
    if grow > 0:
        return np.asarray(ndimage.distance_transform_edt(~inside)) <= grow
    return np.asarray(ndimage.distance_transform_edt(inside)) > -grow


def _feathered(inside: NDArray[np.bool_], feather: float) -> NDArray[np.float32]:
    mask = inside.astype(np.float32)
    return ndimage.gaussian_filter(mask, feather, mode="nearest").clip(0.0, 1.0) if feather > 0 else mask
