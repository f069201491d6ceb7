"""Visual prompts: nodes/prompts.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from api_graph.pixels import prompts
from api_graph.pixels.prompts import PRESETS
from api_graph.regions import Boxes
from tests.nodes.case import At, Case, at, case, refused
from tests.nodes.world import World


def presets_of(prompt: str) -> list[At]:
    """Every row of the table of published code, where the values beside it are others."""
    return [at(row.name) for row in PRESETS if row.prompt == prompt]


def on_boxes(world: World, draw: Callable[..., Any], prompt: str, others: Mapping[str, Any]) -> Case:
    """The case of a node that draws on boxes with a function of the room that has its parameters."""

    def expected(image: Tensor, boxes: Boxes, preset: str = "custom", **values: Any) -> Any:
        return draw(image, boxes.values, **{**values, **({} if preset == "custom" else prompts.preset(prompt, preset))})

    size = (90, 80)
    boxes = world.boxes((12.7, 10.2, 50.3, 45.6), (40, 30, 85, 77), size=size)
    return Case(
        expected,
        given={"image": world.noise(1, 80, 90, 3, seed=1), "boxes": boxes},
        others={
            "image": at(world.noise(1, 80, 90, 3, seed=2)),
            "boxes": at(world.boxes((5, 6, 44, 55), size=size)),
            **({"preset": presets_of(prompt)} if presets_of(prompt) else {}),
            "pairing": at(EACH, image=world.noise(2, 80, 90, 3, seed=3)),
            **others,
        },
        refusals=[refused("boxes", boxes=world.boxes(size=(300, 200))), refused("boxes", pairing=EACH)],
    )


def on_masks(world: World, expected: Callable[..., Any], prompt: str, others: Mapping[str, Any]) -> Case:
    """The case of a node that draws on masks."""
    size = (90, 80)
    masks = 0.9 * world.masks((12, 10, 50, 45), (40, 30, 85, 77), size=size)
    masks += 0.3 * world.masks((12, 10, 70, 70), (20, 5, 85, 77), size=size).clamp(max=1) * (masks == 0)
    return Case(
        expected,
        given={"image": world.noise(1, 80, 90, 3, seed=1), "masks": masks},
        others={
            "image": at(world.noise(1, 80, 90, 3, seed=2)),
            "masks": at(masks.flip(2)),
            "preset": presets_of(prompt),
            **({} if prompt == "set_of_mark" else {"pairing": at(EACH, image=world.noise(2, 80, 90, 3, seed=3))}),
            **others,
        },
    )


TOGETHER = at(True)
EACH = "box i on image i"
LINE = {
    "colour": at("#2080f0"),
    "thickness": at(0.05),
    "unit": [at("pixels", thickness=3.0), at("short side", thickness=0.05)],
    "align": [at("outside", thickness=0.05), at("centre", thickness=0.05)],
}


@case("APDrawCircle")
def draw_circle(world: World) -> Case:
    others = {
        **LINE,
        "enlarge": at(1.3),
        "opacity": at(0.4),
        "blur_outside": at(2.5),
        "drawing": [at("hard"), at("pillow", thickness=0.05)],
        "together": TOGETHER,
    }
    return on_boxes(world, prompts.draw_circle, "circle", others)


@case("APDrawBox")
def draw_box(world: World) -> Case:
    others = {
        **LINE,
        "enlarge": at(1.3),
        "opacity": at(0.4),
        "drawing": [at("hard"), at("pillow", thickness=0.05)],
        "together": TOGETHER,
    }
    return on_boxes(world, prompts.draw_box, "box_line", others)


@case("APOutside")
def weaken_outside(world: World) -> Case:
    others = {
        "fill": [at("greyscale"), at("colour", colour="red")],
        "shape": at("ellipse"),
        "enlarge": at(1.3),
        "blur_radius": at(2.5),
        "colour": at("#2080f0", fill="colour"),
        "strength": at(0.4),
        "drawing": [at("hard"), at("pillow")],
        "channels": at("bgr", fill="greyscale"),
        "together": TOGETHER,
    }
    return on_boxes(world, prompts.weaken_outside, "outside", others)


@case("APCropBoxes")
def crop_boxes(world: World) -> Case:
    others = {
        "preset": [at("fgvp"), at("falip", enlarge=1.3), at("reclip", rounding="outward")],
        "enlarge": at(1.3),
        "rounding": [at("down", boxes=world.boxes((10.75, 10.75, 50.75, 45.75), size=(90, 80))), at("outward")],
        "together": TOGETHER,
    }
    return on_boxes(world, prompts.crop_boxes, "crop", others)


@case("APShade")
def shade_boxes(world: World) -> Case:
    others = {
        "colour": at("#2080f0"),
        "opacity": at(0.25),
        "shape": at("ellipse"),
        "enlarge": at(1.3),
        "drawing": [at("hard"), at("pillow")],
        "together": TOGETHER,
    }
    return on_boxes(world, prompts.shade_boxes, "shade", others)


@case("APKeypoint")
def draw_keypoint(world: World) -> Case:
    others = {
        "colour": at("#2080f0"),
        "radius": at(0.1),
        "unit": [at("pixels", radius=4.0), at("short side", radius=0.1)],
        "opacity": at(0.4),
        "drawing": [at("hard", radius=0.1), at("pillow", radius=0.1)],
        "together": TOGETHER,
    }
    return on_boxes(world, prompts.draw_keypoint, "keypoint", others)


@case("APContour")
def draw_contour(world: World) -> Case:
    def expected(image: Tensor, masks: Tensor, preset: str, **values: Any) -> Tensor:
        chosen = {} if preset == "custom" else prompts.preset("contour", preset)
        return prompts.draw_contour(image, masks, **{**values, **chosen})

    others = {
        **LINE,
        "align": [at("outside", thickness=0.05), at("inside", thickness=0.05)],
        "opacity": at(0.4),
        "threshold": at(0.2),
        "drawing": at("hard", thickness=0.03),
        "together": TOGETHER,
    }
    return on_masks(world, expected, "contour", others)


@case("APFgvp")
def fgvp(world: World) -> Case:
    def expected(image: Tensor, masks: Tensor, preset: str, **values: Any) -> Tensor:
        chosen = {} if preset == "custom" else prompts.preset("fgvp", preset)
        return prompts.fgvp(image, masks, **{**values, **chosen})

    others = {
        "preset": [at("fgvp_mask"), at("fgvp_reverse_blur", blur_radius=2.5)],
        "style": [at("mask"), at("reverse mask"), at("greyscale")],
        "colour": at("#2080f0", style="mask"),
        "opacity": at(0.25, style="mask"),
        "blur_radius": at(2.5),
        "blur": at("pillow"),
        "together": TOGETHER,
    }
    return on_masks(world, expected, "fgvp", others)


@case("APSetOfMark")
def set_of_mark(world: World) -> Case:
    def expected(image: Tensor, masks: Tensor, preset: str, **values: Any) -> tuple[Tensor, Tensor, str]:
        chosen = {} if preset == "custom" else prompts.preset("set_of_mark", preset)
        marked = prompts.set_of_mark(image, masks, **{**values, **chosen})
        return marked.image, marked.masks, "\n".join(marked.labels)

    others = {
        "preset": at("som", opacity=0.5, thickness=3.0),
        "labels": at("letters"),
        "order": at("given"),
        "opacity": at(0.5),
        "thickness": at(3.0),
        "font_size": at(0.2),
        "unit": [at("pixels", font_size=12.0), at("long side", font_size=0.2)],
        "text_colour": at("red"),
        "label_colour": at("#2080f0"),
        "label_opacity": at(0.3),
        "min_area": at(1500),
        "threshold": at(0.2),
    }
    return on_masks(world, expected, "set_of_mark", others)
