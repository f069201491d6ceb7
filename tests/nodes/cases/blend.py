"""From heatmap and image to pictures: nodes/blend.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from api_graph.context import Context
from api_graph.pixels.blend import alpha_blend, reference_blend
from api_graph.pixels.overlay import overlay
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.sheet import contact_sheet
from tests.nodes.case import Case, at, case
from tests.nodes.cases.images import shown_for_now
from tests.nodes.world import World


def image_and_heatmap(world: World) -> dict[str, Tensor]:
    return {"image": world.noise(1, 20, 30, 3, seed=1), "heatmap": world.noise(1, 20, 30, seed=2)}


def others_of_both(world: World) -> dict[str, Any]:
    return {"image": at(world.noise(1, 20, 30, 3, seed=3)), "heatmap": at(world.noise(1, 20, 30, seed=4))}


@case("APAlphaBlend")
def blend(world: World) -> Case:
    def expected(image: Tensor, heatmap: Tensor, arithmetic: str, **values: Any) -> Tensor:
        if arithmetic == "float":
            return alpha_blend(image, heatmap, **values)
        # The official code counts grey in 0 to 255.
        return reference_blend(image, heatmap, grey=values["grey"] * 255 if values["background"] == "grey" else 0.0)

    behind = world.noise(1, 20, 30, 3, seed=5)
    return Case(
        expected,
        given=image_and_heatmap(world),
        others={
            **others_of_both(world),
            "background": [at("grey"), at("blur"), at("colour", colour="red")],
            "strength": at(0.25),
            "grey": [at(0.75, background="grey"), at(0.75, background="grey", arithmetic="reference")],
            "colour": at("#2080f0", background="colour"),
            "blur_radius": at(2.0, background="blur"),
            "background_image": at(behind, background="image"),
            "arithmetic": [at("reference"), at("reference", background="grey")],
        },
    )


@case("APOverlay")
def heatmap_overlay(world: World) -> Case:
    return Case(
        lambda image, heatmap, opacity, colormap: overlay(image, heatmap, opacity, colormap),
        given=image_and_heatmap(world),
        others={**others_of_both(world), "opacity": at(0.25), "colormap": [at("viridis"), at("grey")]},
    )


@case("APPreviewHeatmap")
def preview_heatmap(world: World) -> Case:
    def expected(image: Tensor, heatmap: Tensor, context: Context, opacity: float, colormap: Any) -> Tensor:
        return shown_for_now(context, overlay(image, heatmap, opacity, colormap), "preview")

    return Case(
        expected,
        given=image_and_heatmap(world),
        others={**others_of_both(world), "opacity": at(0.25), "colormap": at("viridis")},
    )


@case("APGatherImages")
def gather_images(world: World) -> Case:
    images = [world.noise(1, 4, 5 + i, 3, seed=i) for i in range(5)]
    return Case(
        lambda first, second, third, fourth: [one for one in (first, second, third, fourth) if one is not None],
        given={"first": images[0]},
        others={
            "first": at(images[1]),
            "second": at(images[2], third=images[3]),
            "third": at(images[3], second=images[2], fourth=images[4]),
            "fourth": at(images[4]),
        },
    )


@case("APContactSheet")
def sheet(world: World) -> Case:
    def expected(images: list[Tensor], captions: list[str] | None, columns: int, cell: int) -> Tensor:
        pictures = [picture for batch in images for picture in to_pil(batch)]
        # The tallest picture is as tall as it is wide: so is a cell.
        return to_tensor(contact_sheet(pictures, captions, columns=columns, cell=(cell, cell)))[0]

    images = [world.noise(2, 20, 20, 3, seed=1), world.noise(1, 10, 20, 3, seed=2)]
    return Case(
        expected,
        given={"images": images},
        others={
            "images": at([torch.cat([images[0], images[0]])]),
            "captions": at(["one", "two", "three"]),
            "columns": at(2),
            "cell": at(64),
        },
    )
