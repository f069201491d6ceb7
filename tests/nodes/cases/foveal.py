"""FALIP's foveal masks and the features under them: nodes/foveal.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import api_graph
from api_graph import clip
from api_graph.clip import ClipModel, ImageFeatures, QueryFeatures
from api_graph.clip.foveal_masks import FovealKernel, map_masks, pixel_masks
from api_graph.clip.unleash import head_reactions, strongest
from api_graph.errors import BadInput
from api_graph.pixels.matrix_figure import matrix_figure
from api_graph.pixels.read import to_tensor
from api_graph.regions import Boxes
from api_graph.sockets import Attribution
from tests.clip.small_models import random_clip
from tests.nodes.case import Case, Unseen, at, case, refused
from tests.nodes.world import World


def fovea_of(world: World, count: int, *, shift: int = 0, grid: int = 10, width: int = 160) -> Attribution:
    """Foveal masks of a picture of 160 × 160 pixels."""
    values = world.noise(count, grid, grid, seed=shift) * 2
    return Attribution(values, (world.clip.preprocess.geometry(width, 160),) * count)


def masks_of(image: Tensor, fovea: Attribution) -> list[Tensor]:
    """All masks for one image, or one for each of several."""
    if len(image) == 1:
        return [fovea.values]
    return [*fovea.values.expand(len(image), -1, -1)[:, None]]


def numbers(text: str) -> list[int] | None:
    return [int(number) for number in text.split(",")] if text else None


@case("APBoxes")
def boxes(world: World) -> Case:
    def expected(image: Tensor, boxes: str, format: str) -> Boxes:
        rows = torch.tensor([[float(n) for n in line.split()] for line in boxes.splitlines()], dtype=torch.float64)
        if format == "xywh":
            rows[:, 2:] += rows[:, :2]
        if format == "normalized":
            rows *= torch.tensor([image.shape[2], image.shape[1]] * 2)
        return Boxes(rows.clamp(max=min(image.shape[1:3])), (image.shape[2], image.shape[1]))

    return Case(
        expected,
        given={"image": world.noise(1, 60, 60, 3), "boxes": "1 2 20 30\n10 20 30 40"},
        others={
            "image": at(world.noise(1, 50, 50, 3)),
            "boxes": at("3 4 5 6"),
            "format": [at("xywh"), at("normalized", boxes="0.25 0.5 0.75 1")],
        },
        refusals=[refused("boxes", boxes="1 2 3")],
    )


@case("APBoxesFromMask")
def boxes_from_mask(world: World) -> Case:
    def expected(mask: Tensor, threshold: float) -> Boxes:
        ys, xs = (mask[0] >= threshold).nonzero(as_tuple=True)
        corners = [[int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]]
        return Boxes(torch.tensor(corners, dtype=torch.float64), (mask.shape[2], mask.shape[1]))

    ramp = torch.linspace(0, 1, 20).repeat(1, 12, 1)
    return Case(expected, given={"mask": ramp}, others={"mask": at(ramp[:, :8]), "threshold": at(0.8)})


@case("APFovealMask")
def foveal_mask(world: World) -> Case:
    def of_boxes(boxes: Boxes, grid: tuple[int, int], join: str, options: dict[str, Any]) -> Tensor:
        corners = boxes.values
        if join == "enclosing":
            corners = torch.cat([corners[:, :2].amin(0), corners[:, 2:].amax(0)])[None]
        return torch.stack([api_graph.foveal_mask(box, boxes.size, grid, **options) for box in corners])

    def expected(
        model: ClipModel,
        image: Tensor,
        boxes: Boxes | None,
        mask: Tensor | None,
        attribution: Attribution | None,
        join: str,
        alpha: float,
        sigma: float,
        scale: Any,
        shape: Any,
        coverage: float,
        cells: Any,
        on_empty: Any,
        pairing: str,
    ) -> Attribution:
        geometry, grid = model.preprocess.geometry(image.shape[2], image.shape[1]), model.tower.grid
        kernel = FovealKernel(alpha=alpha, sigma=sigma, scale=scale)
        if boxes is not None:
            options = {"alpha": alpha, "sigma": sigma, "scale": scale, "cells": cells, "on_empty": on_empty}
            values = of_boxes(boxes, grid, join, options)
        elif mask is not None:
            rules = {"shape": shape, "coverage": coverage, "cells": cells, "on_empty": on_empty}
            values = pixel_masks(mask, geometry, grid, kernel, **rules)
        elif attribution is not None:
            values = map_masks(attribution, (geometry,), grid, kernel)
        else:
            raise BadInput("there is no region")
        values = values.amax(0, keepdim=True) if join == "max" else values
        return Attribution(values, (geometry,) * len(values))

    two = world.boxes((32, 48, 100, 112), (90, 40, 150, 120))  # the first begins on edges of patches
    angle = world.masks((20, 30, 110, 60)) + world.masks((20, 60, 50, 130))
    of_mask = {"boxes": None, "mask": angle}
    crops, wide = random_clip(), world.picture(2, width=240)
    return Case(
        expected,
        given={"model": world.clip, "image": world.picture(1), "boxes": two},
        others={
            "model": at(crops),
            "image": at(wide, boxes=world.boxes(size=(240, 160))),
            "boxes": at(world.boxes((10, 20, 60, 70))),
            "mask": at(world.masks((60, 50, 140, 150)), **of_mask),
            "attribution": at(world.maps(side=5, size=(160, 160)), boxes=None),
            "alpha": [at(0.7), at(0.7, **of_mask), at(0.7, boxes=None, attribution=world.maps(size=(160, 160)))],
            "sigma": [at(2.0), at(2.0, **of_mask)],
            "join": [at("max"), at("enclosing"), at("max", boxes=None, mask=torch.cat([angle, angle.flip(2)]))],
            "cells": [at("reference"), at("reference", boxes=None, mask=world.masks((32, 48, 100, 112)), shape="box")],
            "scale": [at("none"), at("none", **of_mask)],
            "shape": [at("centroid", **of_mask), at("box", **of_mask)],
            "coverage": at(0.9, **of_mask),
            "on_empty": at("zero", boxes=None, mask=torch.zeros(1, 160, 160)),
            "pairing": Unseen("one image has one pairing; tests/nodes/test_pairing.py tries several"),
        },
        refusals=[
            refused("boxes", image=wide),
            refused("boxes", boxes=None),
            refused("boxes", model=crops, image=wide, boxes=world.boxes((0, 0, 20, 160), size=(240, 160))),
            refused("mask", boxes=None, mask=torch.zeros(1, 160, 160)),
            refused("join", join="enclosing", **of_mask),
        ],
    )


@case("APFovealFeatures")
def foveal_features(world: World) -> Case:
    def expected(model: Any, image: Tensor, fovea: Attribution, unleash_layers: str, heads: str, **more: Any) -> Any:
        features = clip.foveal_features(
            [*image[:, None]],
            masks_of(image, fovea),
            model,
            unleash_layers=unleash_layers or None,
            heads=numbers(heads),
            **more,
        )
        return ImageFeatures(features)

    return Case(
        expected,
        given={"model": world.clip, "image": world.picture(1), "fovea": fovea_of(world, 2)},
        others={
            "model": at(world.other_clip),
            "image": [
                at(world.picture(2)),
                at(torch.cat([world.picture(2), world.picture(3)])),
                at(world.picture(2, width=240), fovea=fovea_of(world, 1, width=240)),
            ],
            "fovea": at(fovea_of(world, 3, shift=1)),
            "layers": at("last 2"),
            "form": [at("rows"), at("diagonal")],
            "unleash": at(1.5),
            "unleash_layers": at("1, 2", unleash=1.5),
            "heads": at("0, 2", unleash=1.5),
            "order": at("parallel", unleash=1.5),
        },
        refusals=[
            refused("fovea", fovea=fovea_of(world, 1, grid=5)),
            refused("fovea", fovea=fovea_of(world, 1, width=200)),
            refused("layers", layers="the last"),
            refused("unleash_layers", unleash=1.0, unleash_layers="9"),
            refused("heads", unleash=1.0, heads="first"),
        ],
    )


@case("APImageFeatures")
def image_features(world: World) -> Case:
    return Case(
        lambda model, image: ImageFeatures(clip.foveal_features(image, model=model)),
        given={"model": world.clip, "image": world.picture(1)},
        others={
            "model": at(world.other_clip),
            "image": [at(world.picture(2, width=240)), at(torch.cat([world.picture(3), world.picture(4)]))],
        },
    )


@case("APJoinFeatures")
def join_features(world: World) -> Case:
    parts = [ImageFeatures(world.noise(count, 4, seed=count)) for count in (1, 2, 3)]
    return Case(
        lambda features: ImageFeatures(torch.cat([one.features for one in features])),
        given={"features": parts[:2]},
        others={"features": at(parts[::-1])},
    )


@case("APUnleash")
def unleash(world: World) -> Case:
    def expected(
        model: Any,
        image: Tensor,
        clean: Tensor,
        gain: float,
        layers: str,
        heads: str,
        order: Any,
        fovea: Attribution | None,
        fovea_layers: str,
    ) -> ImageFeatures:
        return ImageFeatures(
            clip.foveal_features(
                image,
                None if fovea is None else masks_of(image, fovea),
                model,
                layers=fovea_layers,
                unleash=gain,
                unleash_layers=layers,
                heads=numbers(heads),
                order=order,
                clean=clean,
            )
        )

    return Case(
        expected,
        given={"model": world.clip, "image": world.picture(1), "clean": world.picture(2)},
        others={
            "model": at(world.other_clip),
            "image": [at(world.picture(3)), at(torch.cat([world.picture(3), world.picture(4)]))],
            "clean": at(world.picture(4)),
            "gain": at(0.5),
            "layers": at("1, 2"),
            "heads": at("0, 2"),
            "order": at("parallel"),
            "fovea": at(fovea_of(world, 2)),
            "fovea_layers": at("1", fovea=fovea_of(world, 2)),
        },
        refusals=[
            refused("fovea", fovea=fovea_of(world, 1, grid=5)),
            refused("fovea_layers", fovea_layers="9"),
            refused("layers", layers="9"),
            refused("gain", gain=float("nan")),
        ],
    )


@case("APHeadReactions")
def reactions(world: World) -> Case:
    def expected(
        model: Any,
        image: Tensor,
        fovea: Attribution | None,
        clean: Tensor | None,
        query: QueryFeatures | None,
        layers: str,
        colormap: Any,
        most: int,
    ) -> tuple[object, ...]:
        text = None if query is None else query.features.mean(0)
        masks = None if fovea is None else masks_of(image, fovea)
        found = head_reactions(model, image, masks, clean=clean, layers=layers, text=text)
        title = "change of each head" + ("" if query is None else " along the query")
        figure = matrix_figure(found, rows="layer", columns="head", title=title, colormap=colormap)
        best = strongest(found, most)
        layers_of, heads, changes = ([one[part] for one in best] for part in range(3))
        return to_tensor(figure)[0], "\n".join(map(str, best)), layers_of, heads, changes

    texts = [clip.encode_queries(world.clip, text) for text in ("a red ring", ["a star", "a blue square"])]
    return Case(
        expected,
        given={"model": world.clip, "image": world.picture(1), "fovea": fovea_of(world, 2)},
        others={
            "model": at(world.other_clip),
            "image": at(world.picture(2)),
            "fovea": at(fovea_of(world, 1, shift=1)),
            "clean": at(world.picture(3)),
            "query": [at(text) for text in texts],
            "layers": at("last 2"),
            "colormap": [at("turbo"), at("grey")],
            "most": at(3),
        },
        refusals=[refused("fovea", fovea=None), refused("fovea", fovea=fovea_of(world, 1, grid=5))],
    )
