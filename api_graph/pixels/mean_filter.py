"""The mean filter that API smooths heatmaps with (section 3.3), at one cost for every kernel size."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import checked_maps, wide


def mean_filter(heatmap: Tensor, kernel_size: int) -> Tensor:
    """Mean over the `kernel_size` × `kernel_size` window around each cell of (B, H, W), edges replicated.

    Works on pixels and on token grids alike. An even or non-positive size is a BadInput; one larger than the
    map is fine; 1 changes nothing.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise BadInput(
            "a mean filter needs an odd, positive size, so that its window has a centre",
            input="kernel_size",
            value=kernel_size,
            hint=f"Use {kernel_size - 1} or {kernel_size + 1}." if kernel_size > 1 else "Use 1, 3, 5, ...",
        )
    heatmap = checked_maps(heatmap, "heatmap")
    if kernel_size == 1:
        return heatmap
    # The square window's mean is the mean along one axis of the means along the other.
    along_rows = _window_mean(wide(heatmap), kernel_size // 2, 2)
    return _window_mean(along_rows, kernel_size // 2, 1).float()


def _window_mean(x: Tensor, reach: int, axis: int) -> Tensor:
    """Mean of the 2·`reach` + 1 values around each one along an axis, from one cumulative sum."""
    length = x.shape[axis]
    near = min(reach, length)
    first, last = x.narrow(axis, 0, 1), x.narrow(axis, length - 1, 1)
    edges = [near if i == axis else -1 for i in range(x.ndim)]
    total = torch.cat([first.expand(edges), x, last.expand(edges)], axis).cumsum(axis)  # [i]: of i + 1 values
    inside = total.narrow(axis, 2 * near, length).clone()
    inside.narrow(axis, 1, length - 1).sub_(total.narrow(axis, 0, length - 1))
    if reach > near:  # further out, every window has the same cells: no need to lay them out
        inside += (reach - near) * (first + last)
    return inside.div_(2 * reach + 1)
