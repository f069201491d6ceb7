"""The mean filter that API smooths heatmaps with (section 3.3), at one cost for every kernel size."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

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
            cure=f"Use {kernel_size - 1} or {kernel_size + 1}." if kernel_size > 1 else "Use 1, 3, 5, ...",
        )
    heatmap = checked_maps(heatmap, "heatmap")
    if kernel_size == 1:
        return heatmap
    # The square window's mean is the mean along one axis of the means along the other.
    along_rows = _window_mean(wide(heatmap), kernel_size // 2)
    return _window_mean(along_rows.mT, kernel_size // 2).mT.contiguous().float()


def _window_mean(x: Tensor, reach: int) -> Tensor:
    """Mean of the 2·`reach` + 1 values around each one along the last axis, from one cumulative sum."""
    near = min(reach, x.shape[-1])
    window = 2 * near + 1
    total = F.pad(F.pad(x, (near, near), mode="replicate").cumsum(-1), (1, 0))  # [i]: the sum of the first i values
    inside = total[..., window:] - total[..., :-window]
    if reach > near:  # further out, every window has the same cells: no need to lay them out
        inside += (reach - near) * (x[..., :1] + x[..., -1:])
    return inside / (2 * reach + 1)
