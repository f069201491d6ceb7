"""Stand-ins for ComfyUI's own nodes: nodes/core.py."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from api_graph.pixels.frames import read_frames
from tests.nodes.case import Case, Unseen, at, case, refused
from tests.nodes.cases.images import no_picture, saved, shown_for_now
from tests.nodes.cases.text import shown
from tests.nodes.world import World

MEANS_NOTHING = Unseen("older editors export their upload button with the graph: it means nothing")


@case("LoadImage")
def load_image(world: World) -> Case:
    return Case(
        lambda context, image, upload: read_frames(context.folders.inputs[0] / image),
        given={"image": world.picture_file("a.png", 1)},
        others={"image": at(world.picture_file("b.png", 2)), "upload": MEANS_NOTHING},
        refusals=[refused("image", image="nowhere.png"), refused("image", image=no_picture(world))],
    )


@case("LoadImageMask")
def load_image_mask(world: World) -> Case:
    def expected(context: Any, image: str, channel: str, upload: str) -> Tensor:
        picture, mask = read_frames(context.folders.inputs[0] / image)
        return {"alpha": mask, "red": picture[..., 0], "green": picture[..., 1], "blue": picture[..., 2]}[channel]

    return Case(
        expected,
        given={"image": world.picture_file("a.png", 1), "channel": "red"},
        others={
            "image": at(world.picture_file("b.png", 2)),
            "channel": [at("alpha"), at("green"), at("blue")],
            "upload": MEANS_NOTHING,
        },
        refusals=[refused("image", image="nowhere.png"), refused("image", image=no_picture(world))],
    )


@case("SaveImage")
def save_image(world: World) -> Case:
    def expected(images: Tensor, context: Any, filename_prefix: str) -> None:
        saved(context, images, filename_prefix)

    return Case(
        expected,
        given={"images": world.noise(2, 5, 6, 3, seed=1)},
        others={"images": at(world.noise(1, 7, 6, 3, seed=2)), "filename_prefix": at("folder/mine")},
        refusals=[
            refused("filename_prefix", filename_prefix="../mine"),
            refused("filename_prefix", filename_prefix="m" * 300),
            refused("images", images=world.noise(1, 4, 5, 2)),
        ],
    )


@case("PreviewImage")
def preview_image(world: World) -> Case:
    def expected(images: Tensor, context: Any) -> None:
        shown_for_now(context, images, "preview")

    return Case(
        expected,
        given={"images": world.noise(2, 5, 6, 3, seed=1)},
        others={"images": at(world.noise(1, 7, 6, 3, seed=2))},
    )


@case("MaskPreview")
def preview_mask(world: World) -> Case:
    def expected(mask: Tensor, context: Any) -> None:
        shown_for_now(context, mask[..., None].repeat(1, 1, 1, 3), "preview")

    return Case(
        expected,
        given={"mask": world.noise(2, 5, 6, seed=1)},
        others={"mask": at(world.noise(1, 7, 6, seed=2))},
    )


@case("PreviewAny")
def preview_any(world: World) -> Case:
    return Case(
        lambda source, context: shown(source, context), given={"source": "a text"}, others={"source": at([1, "two"])}
    )


def a_value(one: Any, other: Any) -> Case:
    return Case(lambda value: value, given={"value": one}, others={"value": at(other)})


@case("PrimitiveString")
def primitive_string(world: World) -> Case:
    return a_value("one", "two")


@case("PrimitiveStringMultiline")
def primitive_string_multiline(world: World) -> Case:
    return a_value("one\ntwo", "three")


@case("PrimitiveInt")
def primitive_int(world: World) -> Case:
    return a_value(1, 2)


@case("PrimitiveFloat")
def primitive_float(world: World) -> Case:
    return a_value(1.5, 2.5)


@case("PrimitiveBoolean")
def primitive_boolean(world: World) -> Case:
    return a_value(True, False)


@case("MaskToImage")
def mask_to_image(world: World) -> Case:
    return Case(
        lambda mask: mask[..., None].repeat(1, 1, 1, 3),
        given={"mask": world.noise(2, 5, 6, seed=1)},
        others={"mask": at(world.noise(1, 7, 6, seed=2))},
    )


@case("ImageToMask")
def image_to_mask(world: World) -> Case:
    return Case(
        lambda image, channel: image[..., {"red": 0, "green": 1, "blue": 2, "alpha": 3}[channel]],
        given={"image": world.noise(2, 5, 6, 4, seed=1), "channel": "red"},
        others={"image": at(world.noise(1, 7, 6, 3, seed=2)), "channel": [at("green"), at("blue"), at("alpha")]},
        refusals=[refused("channel", channel="alpha", image=world.noise(1, 4, 4, 3))],
    )


@case("InvertMask")
def invert_mask(world: World) -> Case:
    return Case(
        lambda mask: 1 - mask,
        given={"mask": world.noise(2, 5, 6, seed=1)},
        others={"mask": at(world.noise(1, 7, 6, seed=2))},
    )


@case("ImageInvert")
def invert_image(world: World) -> Case:
    return Case(
        lambda image: 1 - image,
        given={"image": world.noise(2, 5, 6, 3, seed=1)},
        others={"image": at(world.noise(1, 7, 6, 3, seed=2))},
    )
