"""Stand-ins for ComfyUI's own nodes that mask, crop, scale and composite: nodes/core_compositing.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from api_graph.pixels import compositing
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


def masks(world: World, seed: int = 1, count: int = 2) -> Tensor:
    return world.noise(count, 9, 12, seed=seed)


@case("ThresholdMask")
def threshold_mask(world: World) -> Case:
    return Case(
        lambda mask, value: torch.where(mask > value, 1.0, 0.0),
        given={"mask": masks(world)},
        others={"mask": at(masks(world, 2)), "value": at(0.8)},
    )


@case("GrowMask")
def grow_mask(world: World) -> Case:
    return Case(
        lambda mask, expand, tapered_corners: compositing.grow_mask(mask, expand, tapered_corners=tapered_corners),
        given={"mask": masks(world)},
        others={"mask": at(masks(world, 2)), "expand": [at(1), at(-2)], "tapered_corners": at(False, expand=1)},
    )


@case("CropMask")
def crop_mask(world: World) -> Case:
    return Case(
        lambda mask, x, y, width, height: mask[:, y : y + height, x : x + width],
        given={"mask": masks(world)},
        others={"mask": at(masks(world, 2)), "x": at(3), "y": at(4), "width": at(5), "height": at(2)},
    )


@case("SolidMask")
def solid_mask(world: World) -> Case:
    return Case(
        lambda value, width, height: torch.ones(1, height, width) * value,
        given={},
        others={"value": at(0.25), "width": at(7), "height": at(3)},
    )


@case("MaskComposite")
def mask_composite(world: World) -> Case:
    return Case(
        lambda destination, source, x, y, operation: compositing.composite_masks(destination, source, x, y, operation),
        given={"destination": masks(world), "source": masks(world, 2)[:, :4, :5]},
        others={
            "destination": at(masks(world, 3)),
            "source": at(masks(world, 4, 1)),
            "x": at(8),
            "y": at(7),
            "operation": [at(word) for word in ("add", "subtract", "and", "or", "xor")],
        },
        refusals=[refused("source", source=masks(world, 5, 3)), refused("x", x=12), refused("y", y=9)],
    )


@case("ImageCrop")
def crop_image(world: World) -> Case:
    return Case(
        lambda image, width, height, x, y: compositing.crop_image(image, x, y, width, height),
        given={"image": world.noise(2, 9, 12, 3)},
        others={
            "image": at(world.noise(1, 9, 12, 4, seed=1)),
            "width": at(5),
            "height": at(2),
            "x": [at(3), at(300)],
            "y": at(4),
        },
    )


@case("ImageScale")
def scale_image(world: World) -> Case:
    def expected(image: Tensor, upscale_method: Any, width: int, height: int, crop: Any) -> Tensor:
        return compositing.scale_image(image, upscale_method, width, height, crop)

    return Case(
        expected,
        given={"image": world.noise(2, 9, 12, 3), "upscale_method": "bilinear", "width": 20, "height": 20},
        others={
            "image": at(world.noise(1, 9, 12, 3, seed=1)),
            "upscale_method": [at(word) for word in ("nearest-exact", "area", "bicubic", "lanczos")],
            "width": [at(7), at(0)],
            "height": [at(7), at(0)],
            "crop": at("center"),
        },
    )


@case("ImageCompositeMasked")
def composite_masked(world: World) -> Case:
    return Case(
        lambda destination, source, x, y, **values: compositing.composite_masked(destination, source, x, y, **values),
        given={"destination": world.noise(2, 9, 12, 3), "source": world.noise(1, 4, 5, 3, seed=1)},
        others={
            "destination": at(world.noise(2, 9, 12, 4, seed=2)),
            "source": at(world.noise(3, 4, 5, 4, seed=3)),
            "x": at(4),
            "y": at(7),
            "resize_source": at(True),
            "mask": at(world.noise(1, 8, 8, seed=4)),
        },
    )


@case("JoinImageWithAlpha")
def join_alpha(world: World) -> Case:
    return Case(
        lambda image, alpha: compositing.join_alpha(image, alpha),
        given={"image": world.noise(1, 9, 12, 3), "alpha": masks(world)},
        others={"image": at(world.noise(3, 9, 12, 4, seed=1)), "alpha": at(world.noise(1, 5, 5, seed=2))},
    )


@case("SplitImageWithAlpha")
def split_alpha(world: World) -> Case:
    return Case(
        lambda image: (image[..., :3], 1 - image[..., 3] if image.shape[-1] == 4 else image[..., 0] * 0),
        given={"image": world.noise(2, 9, 12, 4)},
        others={"image": at(world.noise(1, 9, 12, 3, seed=1))},
    )
