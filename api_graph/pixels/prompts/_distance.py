"""The exact Euclidean distance transform."""

from __future__ import annotations

import torch
from torch import Tensor

# Squared distances are whole numbers: int32 holds them exactly for images of up to 32,000 pixels a side.
_NONE = 1 << 30

_LOOK_EVERY = 8  # to look whether all is done costs as much as a step, and waits for a GPU


def distance_to(targets: Tensor, reach: float | None = None) -> Tensor:
    """Distance in pixels from each pixel of (N, H, W) to the nearest true one, float32; infinite where there is none.

    With `reach`, distances up to it are exact, and larger ones are only known to be larger: the work grows with
    `reach`.
    """
    column = _squared_distance_along_columns(targets)
    nearest = column.clone()
    # min over k of column[x ± k]² + k². Once k² exceeds every distance found, no farther column can be nearer.
    for k in range(1, targets.shape[2]):
        if reach is not None and k > reach:
            break
        if k % _LOOK_EVERY == 0 and k * k >= int(nearest.max()):
            break
        torch.minimum(nearest[..., k:], column[..., :-k] + k * k, out=nearest[..., k:])
        torch.minimum(nearest[..., :-k], column[..., k:] + k * k, out=nearest[..., :-k])
    return torch.where(nearest < _NONE, nearest.float().sqrt(), torch.inf)


def depth_inside(masks: Tensor, reach: float | None = None) -> Tensor:
    """Distance of each pixel inside `masks` (N, H, W) to the nearest one outside; 0 outside.

    What lies beyond the image's border is outside.
    """
    outside = torch.nn.functional.pad(~masks, (1, 1, 1, 1), value=True)
    return distance_to(outside, reach)[:, 1:-1, 1:-1]


def _squared_distance_along_columns(targets: Tensor) -> Tensor:
    """int32 (N, H, W): squared distance to the nearest true pixel of the same column."""
    columns = targets.mT.contiguous()  # (N, W, H): cumulative maxima are fast along memory
    height = columns.shape[2]
    row = torch.arange(height, dtype=torch.int32, device=targets.device)
    above = torch.where(columns, row, -_NONE).cummax(2).values
    below = torch.where(columns, row, _NONE).flip(2).cummin(2).values.flip(2)
    distance = torch.minimum(row - above, below - row)
    return torch.where(distance < height, distance * distance, _NONE).mT.contiguous()
