"""Where a depth view shows anything, as the region that a foveal mask is made from.

The paper says "locate the foreground position" and no more. The maps are sparse (one pixel a point), so a threshold on
how much of a patch is covered would see nothing: the region is the tight rectangle around all points, or, within it,
the patches that hold a point at all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def foreground_boxes(images: Tensor) -> Tensor:
    """The tight boxes (n, 4), left, top, right, bottom in pixels, around what is above 0 in (n, H, W).

    An empty view, which a cloud in the unit sphere never gives, gets the whole view.
    """
    n, height, width = images.shape
    shown = images > 0
    left, right = _extent(shown.any(1))
    top, bottom = _extent(shown.any(2))
    box = torch.stack([left, top, right, bottom], 1).double()
    whole = box.new_tensor([0, 0, width, height]).expand(n, 4)
    return torch.where(shown.flatten(1).any(1, keepdim=True), box, whole)


def foreground_cells(images: Tensor, grid: tuple[int, int]) -> Tensor:
    """Which patches of `grid` = (gh, gw) hold anything above 0, bool (n, gh, gw), of images (n, H, W)."""
    shown = (images > 0).float().unsqueeze(1)
    return F.adaptive_max_pool2d(shown, grid)[:, 0] > 0


def _extent(shown: Tensor) -> tuple[Tensor, Tensor]:
    """First index that is shown, and one behind the last, of bool (n, length); both (n,)."""
    first = shown.int().argmax(1)
    last = shown.shape[1] - shown.flip(1).int().argmax(1)
    return first, last
