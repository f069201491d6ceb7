"""Steering: nodes/steer.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.lvlm import Contrast, HeadProfile, LvlmModel, Steering
from api_graph.lvlm.steer import Fovea, Foveas
from api_graph.lvlm.steer.preview import fovea_panels
from api_graph.pixels.read import to_pil
from api_graph.regions import Boxes
from api_graph.sockets import Attribution
from tests.lvlm.asked import tiny
from tests.lvlm.heads.made import profile_of
from tests.nodes.case import Case, at, case, refused
from tests.nodes.cases.images import shown_for_now
from tests.nodes.world import World


def of_boxes(*boxes: tuple[float, ...]) -> Fovea:
    return Fovea(torch.tensor(boxes, dtype=torch.float64), True, (160, 160))


@case("APFovea")
def fovea(world: World) -> Case:
    def expected(
        image: Tensor,
        boxes: Any,
        mask: Tensor | None,
        attribution: Attribution | None,
        region: str,
        pairing: str,
        before: Foveas | None,
    ) -> Any:
        one_each = pairing == "box i on image i"
        own: list[Fovea | None] = []
        for i in range(len(image)):
            if isinstance(boxes, Boxes):
                own.append(of_boxes(*(boxes.values[i : i + 1] if one_each else boxes.values).tolist()))
            elif boxes is not None:
                corners = [(b["x"], b["y"], b["x"] + b["width"], b["y"] + b["height"]) for b in boxes[i]]
                own.append(of_boxes(*corners))
            elif mask is not None and not (mask.shape[1:] == (64, 64) and not mask.any()):
                own.append(Fovea(mask[i] if one_each else mask.amax(0)))
            elif attribution is not None:
                own.append(Fovea(attribution.each()[i if len(attribution.values) > 1 else 0]))
            elif region == "all of the image":
                own.append(Fovea(None))
            else:
                raise BadInput("nothing", input="region")
        return Foveas((*(before.items if before else ()), *own))

    two = torch.cat([world.picture(1), world.picture(2)])
    boxes, masks = world.boxes(), world.masks((20, 30, 70, 80), (90, 40, 150, 120))
    maps = world.maps(size=(160, 160))
    lists = [[{"x": 3, "y": 4, "width": 50, "height": 60}], [{"x": 90, "y": 9, "width": 20, "height": 60}]]
    return Case(
        expected,
        given={"image": world.picture(1), "boxes": boxes},
        others={
            "image": [at(two), at(two, boxes=None, attribution=maps)],
            "boxes": [at(world.boxes((1, 2, 30, 40))), at(lists, image=two), at(lists[:1])],
            "mask": [at(masks[:1], boxes=None, region="what is linked"), at(masks, boxes=None)],
            "attribution": [at(maps, boxes=None), at(world.maps(2, size=(160, 160)), boxes=None, image=two)],
            "region": at("all of the image", boxes=None),
            "pairing": [
                at("box i on image i", image=two),
                at("box i on image i", image=two, boxes=None, mask=masks),
            ],
            "before": at(Foveas((None, of_boxes((9, 9, 20, 20))))),
        },
        refusals=[
            refused("region", boxes=None),
            refused("region", boxes=None, mask=torch.zeros(1, 64, 64)),
            refused("region", mask=masks),
            refused("region", region="all of the image"),
            refused("boxes", boxes=world.boxes(size=(150, 160))),
            refused("boxes", pairing="box i on image i"),
            refused("attribution", boxes=None, attribution=world.maps(2, size=(160, 160))),
        ],
        view=lambda found: found if isinstance(found, BadInput) else regions(found.items),
    )


@case("APSteer")
def steer(world: World) -> Case:
    def expected(
        fovea: Foveas,
        preset: str,
        mode: Any,
        strength: str,
        layers: str,
        heads: str,
        rows: Any,
        targets: str,
        tokens_each: int,
        profile: HeadProfile | None,
        other_heads: int,
    ) -> Steering:
        own: Any = heads if profile is None else profile
        settings: dict[str, Any] = {"mode": mode, "layers": layers, "heads": own, "rows": rows}
        settings["strength"] = None if strength == "auto" else float(strength)
        if preset != "custom":
            settings = {**by_hand[preset], **({"heads": own} if preset == "Gaze Heads" else {})}
        later: list[tuple[int, tuple[Fovea | None, ...]]] = []
        first: tuple[Fovea | None, ...] = fovea.items
        if targets != "all at once":
            parts: list[tuple[Fovea | None, ...]] = [
                (*[None] * i, Fovea(one.region[k : k + 1], True, one.size))  # pyright: ignore
                for i, one in enumerate(fovea.items)
                if one is not None
                for k in range(len(one.region))  # pyright: ignore
            ]
            first, later = parts[0], [(tokens_each * k, part) for k, part in enumerate(parts) if k]
        others = None if other_heads == -1 else other_heads
        return Steering(first, schedule=tuple(later), other_heads=others, **settings)

    by_hand: dict[str, Any] = {
        "PAI": {"mode": "proportional", "strength": 0.2, "layers": "from 2"},
        "Gaze Heads": {"strength": 1e4, "rows": "decode"},
    }
    profile = profile_of(world.lvlm)
    given = Foveas((of_boxes((20, 30, 70, 80), (90, 40, 150, 120)),))
    tour = "one box after the other"
    return Case(
        expected,
        given={"fovea": given},
        others={
            "fovea": [
                at(Foveas((of_boxes((1, 2, 30, 40)), None))),
                at(Foveas((None, of_boxes((1, 2, 30, 40)))), targets=tour),
            ],
            "preset": [at("PAI"), at("Gaze Heads", heads="0,2")],
            "mode": at("boost"),
            "strength": [at("2.5"), at(" 0 ")],
            "layers": at("1,2"),
            "heads": at("0,3"),
            "rows": at("all"),
            "targets": at(tour),
            "tokens_each": at(3, targets=tour),
            "profile": [
                at(profile, heads="profile"),
                at(profile.chosen(count=4), heads=" Profile", preset="Gaze Heads", targets=tour),
            ],
            "other_heads": [at(0), at(7, targets=tour, heads="0")],
        },
        refusals=[
            refused("strength", strength="strong"),
            refused("strength", strength="nan"),
            refused("mode", preset="PAI", mode="boost"),
            refused("strength", preset="VAR", strength="0.3"),
            refused("heads", preset="PAI", heads="1"),
            refused("heads", heads="profile"),
            refused("heads", profile=profile),
        ],
        view=lambda found: found if isinstance(found, BadInput) else shown(found),
    )


@case("APContrast")
def contrast(world: World) -> Case:
    def expected(preset: str, against: Any, strength: float, cut: float, noise: int, seed: int) -> Contrast:
        return {
            "custom": Contrast(against, strength, cut, noise, seed),
            "PAI": Contrast("no_image", 1.1, 0.1, seed=seed),
            "VCD": Contrast("noised_image", 1.5, 0.1, 500, seed),
        }[preset]

    return Case(
        expected,
        given={},
        others={
            "preset": [at("PAI"), at("VCD"), at("VCD", seed=4)],
            "against": [at("complement"), at("no_image"), at("noised_image")],
            "strength": at(2.5),
            "cut": at(0.0),
            "noise": at(700),
            "seed": at(7),
        },
        refusals=[
            refused("against", preset="PAI", against="noised_image"),
            refused("strength", preset="PAI", strength=2.0),
            refused("cut", preset="VCD", cut=0.2),
            refused("noise", preset="VCD", noise=300),
        ],
    )


def regions(foveas: Sequence[Fovea | None]) -> list[Any]:
    return [fovea if fovea is None else (fovea.region, fovea.boxes) for fovea in foveas]


def shown(steering: Steering) -> list[Any]:
    """All of a steering, in what can be compared."""
    targets = [(start, regions(foveas)) for start, foveas in steering.targets]
    heads = steering.heads.heads if isinstance(steering.heads, HeadProfile) else steering.heads
    return [targets, steering.mode, steering.amount, steering.layers, heads, steering.rows, steering.other_heads]


@case("APPreviewFovea")
def preview_fovea(world: World) -> Case:
    def expected(context: Context, model: LvlmModel, image: Tensor, fovea: Foveas) -> Tensor:
        panels = fovea_panels(model, to_pil(image), fovea)
        context.show_text("\n".join(panel.text for panel in panels))
        return shown_for_now(context, torch.stack([panel.image for panel in panels]), "preview")

    return Case(
        expected,
        given={"model": world.lvlm, "image": world.picture(1), "fovea": Foveas((of_boxes((20, 30, 70, 80)),))},
        others={
            "model": [at(tiny("llava")), at(tiny("llava_next"))],
            "image": at(torch.cat([world.picture(2), world.picture(3)])),
            "fovea": [at(Foveas((None,))), at(Foveas((Fovea(world.noise(16, 16)),)))],
        },
        refusals=[
            refused("fovea", fovea=Foveas((None, None))),
            refused("fovea", fovea=Foveas((Fovea(world.maps(size=(40, 30))),))),
        ],
    )
