"""Perspective depth maps of point clouds, from six sides (PointCLIP's zero-shot projection)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput

SIX_VIEWS: tuple[tuple[float, float, float], ...] = tuple(
    (x * math.pi / 2, y * math.pi / 2, math.pi / 2)
    for x, y in ((0, 0), (1, 0), (2, 0), (3, 0), (0, -1), (0, 1))
)  # fmt: skip
"""PointCLIP's zero-shot views, as Euler angles about x, y and z in radians."""

DISTANCE = 1.6
"""From the eye to the cloud's origin."""

SIZE = 128
"""Pixels on a depth map's side."""


def project(
    points: Tensor,
    *,
    views: Sequence[tuple[float, float, float]] = SIX_VIEWS,
    size: int = SIZE,
    distance: float = DISTANCE,
) -> Tensor:
    """Depth maps, float32 (B, V, size, size), of clouds (B, N, 3) or (N, 3); 0 where no point falls.

    Each view turns the cloud, moves it `distance` away along z, and divides by the depth: u = x/z, v = y/z. Pixel
    (⌈(u + 1)·size/2 − ½⌉, ⌈(v + 1)·size/2 − ½⌉), as PointCLIP's code has it, holds the harmonic mean of the depths that
    fall on it; u counts the rows. Points off the map or behind the eye are dropped, with a warning: the views are made
    for clouds in the unit sphere.
    """
    clouds = checked_points(points)
    if size < 1 or not distance > 0:
        raise BadInput("a depth map needs a size and a distance above 0", input="size", value=(size, distance))
    seen = _seen_from(clouds, tuple(views), distance)  # (B, V, N, 3)
    depth = seen[..., 2]
    row, column = (torch.ceil((seen[..., axis] / depth + 1) * size / 2 - 0.5) for axis in (0, 1))  # (B, V, N)
    kept = (depth > 0) & (row >= 0) & (row < size) & (column >= 0) & (column < size)
    _warn_of_lost(kept)
    pixel = torch.where(kept, row * size + column, torch.zeros_like(row)).long()
    nearness = torch.where(kept, 1 / depth, torch.zeros_like(depth))
    empty = depth.new_zeros(*depth.shape[:2], size * size)
    count = empty.scatter_add(2, pixel, kept.to(depth.dtype))
    total = empty.scatter_add(2, pixel, nearness)
    maps = torch.where(total > 0, count / total, empty)
    return maps.unflatten(2, (size, size)).float()  # (B, V, size·size) -> (B, V, size, size)


def depth_images(depth: Tensor, size: tuple[int, int]) -> Tensor:
    """Depth maps (..., h, w) as pixel values (n, 3, H, W) for a CLIP of `size` = (H, W), n their number.

    As PointCLIP feeds them: the raw depth in all three channels, bilinear with aligned corners, and *without* CLIP's
    mean and standard deviation.
    """
    maps = depth.flatten(0, -3).unsqueeze(1)  # (n, 1, h, w)
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True).expand(-1, 3, -1, -1)


def unit_sphere(points: Tensor) -> Tensor:
    """Clouds (B, N, 3) or (N, 3), each moved to its centroid and scaled until its farthest point is at distance 1."""
    clouds = checked_points(points)
    centred = clouds - clouds.mean(1, keepdim=True)
    radius = centred.norm(dim=-1).amax(1)[:, None, None]  # (B, 1, 1)
    scaled = centred / torch.where(radius > 0, radius, torch.ones_like(radius))
    return scaled if points.ndim == 3 else scaled[0]


def checked_points(points: Tensor) -> Tensor:
    """Floats (B, N, 3) of clouds (B, N, 3) or (N, 3); BadInput for other shapes, no points, NaN and infinity."""
    points = torch.as_tensor(points)
    if points.ndim not in (2, 3) or points.shape[-1] != 3 or points.numel() == 0 or points.is_complex():
        hint = "Give x, y, z in the last axis; several clouds of a batch need equally many points."
        raise BadInput(
            "points need the shape (N, 3) or (B, N, 3)", input="points", value=tuple(points.shape), hint=hint
        )
    clouds = points.float() if points.ndim == 3 else points.float().unsqueeze(0)
    if not bool(clouds.isfinite().all()):
        raise BadInput("a coordinate is NaN or infinite", input="points", hint="Remove such points.")
    return clouds


def rotations(angles: tuple[tuple[float, float, float], ...] = SIX_VIEWS) -> Tensor:
    """R = Rx · Ry · Rz of each view, float64 (V, 3, 3); points are columns: R p."""
    return torch.stack([_about(0, x) @ _about(1, y) @ _about(2, z) for x, y, z in angles])


def _about(axis: int, angle: float) -> Tensor:
    """Right-handed rotation about one axis, (3, 3)."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = torch.eye(3, dtype=torch.float64)
    turn[i, i] = turn[j, j] = math.cos(angle)
    turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
    return turn


def _seen_from(clouds: Tensor, views: tuple[tuple[float, float, float], ...], distance: float) -> Tensor:
    """The clouds in each view's own axes, (B, V, N, 3), `distance` before the eye."""
    if not views or not all(len(view) == 3 and all(map(math.isfinite, view)) for view in views):
        raise BadInput("a view is three angles, about x, y and z", input="views", value=views)
    turns = rotations(views).to(clouds)  # (V, 3, 3)
    return clouds[:, None] @ turns.mT + clouds.new_tensor([0.0, 0.0, distance])


def _warn_of_lost(kept: Tensor) -> None:
    lost = 1 - float(kept.float().mean())
    if lost > 0:
        warnings.warn(
            f"{lost:.1%} of the points fall off the depth maps or behind the eye. Scale the cloud into the unit sphere",
            ApiGraphWarning,
            stacklevel=3,
        )
