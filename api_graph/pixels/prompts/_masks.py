"""Masks as every prompt takes them: of the image's size, without NaN, none of them empty."""

from __future__ import annotations

from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import check_sizes, checked_maps, in_range, value_range


def checked_masks(masks: Tensor, image: Tensor) -> Tensor:
    """`masks` as float32 (N, H, W) on the image's device, clamped to [0, 1].

    Another shape, a size or number that does not go with the image (B, H, W, 3), and NaN are a BadInput.
    """
    maps = checked_maps(masks, "masks").to(image.device)
    check_sizes(image, maps, "masks")
    value_range(maps, "masks")
    return maps.clamp(0, 1)


def inside_of(masks: Tensor, image: Tensor, threshold: float) -> Tensor:
    """Which pixels (N, H, W) lie inside: where `masks` reach the `threshold`. An empty mask is a BadInput."""
    in_range(threshold, 1e-6, 1.0, "threshold")
    inside = checked_masks(masks, image) >= threshold
    empty = ~inside.flatten(1).any(1)  # (N,)
    if bool(empty.any()):
        raise BadInput(
            f"mask {int(empty.nonzero()[0])} is empty",
            input="masks",
            hint="Leave it out, or lower the threshold. (The mask of a picture without transparency is empty.)",
        )
    return inside


def extent(mask: Tensor, margin: int = 0) -> tuple[slice, slice]:
    """The rows and the columns of an image between which all of `mask` (H, W) lies, and `margin` pixels more."""
    edges = []
    for line, length in ((mask.any(1), mask.shape[0]), (mask.any(0), mask.shape[1])):
        places = line.nonzero()
        edges.append(slice(max(0, int(places[0]) - margin), min(length, int(places[-1]) + 1 + margin)))
    return edges[0], edges[1]
