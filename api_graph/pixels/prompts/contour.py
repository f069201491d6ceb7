"""The outline of a mask."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from api_graph.pixels._check import check_choice, checked_image
from api_graph.pixels.blend import Colour
from api_graph.pixels.pairing import EVERY, Pairing, Pairs
from api_graph.pixels.prompts._distance import depth_inside, distance_to
from api_graph.pixels.prompts._regions import extent, inside_of
from api_graph.pixels.prompts.shapes import Align, Edges, Unit, in_pixels, painted


def draw_contour(
    image: Tensor,
    masks: Tensor,
    *,
    colour: Colour = "red",
    thickness: float = 0.005,
    unit: Unit = "long side",
    align: Align = "centre",
    opacity: float = 1.0,
    threshold: float = 0.5,
    drawing: Edges = "smooth",
    together: bool = False,
    pairing: Pairing = EVERY,
) -> Tensor:
    """The outline of each mask as a line over the image, holes and all: (P, H, W, 3), one per pair.

    `image` is (B, H, W, 3) and `masks` (N, H, W), inside where they reach the `threshold`; `pairing` says which mask
    goes on which image. With `together` all of an image are drawn on one. A mask that touches the image's border is
    closed along it. `thickness` is in pixels or a share of a side of the image, at least one pixel. An empty mask is a
    BadInput.
    """
    image = checked_image(image)
    inside = inside_of(masks, image, threshold)
    width = max(1.0, in_pixels(thickness, unit, (image.shape[2], image.shape[1]), "thickness"))
    pairs = Pairs.of(len(image), len(inside), pairing, input="masks", together=together)
    line = pairs.of_regions(outline(inside, width, align, drawing))
    return painted(pairs.of_images(image), line, colour, opacity, input="masks")


def outline(inside: Tensor, thickness: float, align: Align, drawing: Edges = "smooth") -> Tensor:
    """Coverage (N, H, W) of a line of `thickness` pixels along the edge of each of `inside` (N, H, W)."""
    check_choice(align, Align, "align")
    check_choice(drawing, Edges, "drawing")
    inner = {"inside": thickness, "centre": thickness / 2, "outside": 0.0}[align]
    outer = inner - thickness
    covered = torch.zeros(inside.shape, device=inside.device)
    for line, mask in zip(covered, inside, strict=True):
        area = extent(mask, margin=math.ceil(-outer) + 1)
        line[area] = _line(mask[area], inner, outer)
    return covered if drawing == "smooth" else (covered >= 0.5).float()


def _line(mask: Tensor, inner: float, outer: float) -> Tensor:
    """Coverage of what lies between `inner` pixels inside the edge of `mask` (H, W) and `outer`, which is negative."""
    # How deep a pixel's centre lies inside, negative outside: the edge runs half a pixel from the centres beside it.
    depth = depth_inside(mask[None], inner + 1)[0] - 0.5
    if outer < 0:
        depth = depth.where(mask, 0.5 - distance_to(mask[None], 1 - outer)[0])
    return ((depth + 0.5).clamp(max=inner) - (depth - 0.5).clamp(min=outer)).clamp(0, 1)
