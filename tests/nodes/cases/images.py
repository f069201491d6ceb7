"""Images in and out of a graph: nodes/images.py."""

from __future__ import annotations

from torch import Tensor

from api_graph.context import Context, SaveContext
from api_graph.pixels.read import read_image, to_tensor
from api_graph.pixels.write import FOR_NOW, write_numbered
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


def shown_for_now(context: Context, images: Tensor, prefix: str) -> Tensor:
    """Images that are shown and not kept."""
    for image in images:
        context.show_file(write_numbered(context.folders.temp, prefix, image, compression=FOR_NOW), temporary=True)
    return images


def saved(context: SaveContext, images: Tensor, prefix: str) -> Tensor:
    """Images that are kept."""
    for image in images:
        context.show_file(write_numbered(context.folders.output, prefix, image, metadata=context.texts))
    return images


def no_picture(world: World) -> str:
    """A file that is called a picture, and is none."""
    return world.file("text.png", lambda path: path.write_text("no picture"))


@case("APLoadImage")
def load_image(world: World) -> Case:
    return Case(
        lambda context, image: to_tensor(read_image(context.folders.inputs[0] / image)),
        given={"image": world.picture_file("a.png", 1)},
        others={"image": at(world.picture_file("b.png", 2))},
        refusals=[
            refused("image", image="nowhere.png"),
            refused("image", image=no_picture(world)),
        ],
    )


@case("APSaveImage")
def save_image(world: World) -> Case:
    return Case(
        lambda images, context, filename_prefix: saved(context, images, filename_prefix),
        given={"images": world.noise(2, 5, 6, 3, seed=1)},
        others={"images": at(world.noise(1, 7, 6, 3, seed=2)), "filename_prefix": at("folder/mine")},
        refusals=[
            refused("filename_prefix", filename_prefix="../mine"),
            refused("filename_prefix", filename_prefix="m" * 300),
            refused("images", images=world.noise(1, 4, 5, 2)),
        ],
    )


@case("APSaveHeatmap")
def save_heatmap(world: World) -> Case:
    return Case(
        lambda heatmap, context, filename_prefix: saved(context, heatmap, filename_prefix),
        given={"heatmap": world.noise(2, 5, 6, seed=1)},
        others={"heatmap": at(world.noise(1, 7, 6, seed=2)), "filename_prefix": at("folder/mine")},
        refusals=[
            refused("filename_prefix", filename_prefix="../mine"),
            refused("filename_prefix", filename_prefix="m" * 300),
            refused("heatmap", heatmap=world.noise(1, 4, 5, 2)),
        ],
    )


@case("APPreviewImage")
def preview_image(world: World) -> Case:
    return Case(
        lambda images, context: shown_for_now(context, images, "preview"),
        given={"images": world.noise(2, 5, 6, 3, seed=1)},
        others={"images": at(world.noise(1, 7, 6, 3, seed=2))},
    )


@case("APCompareImages")
def compare_images(world: World) -> Case:
    def expected(before: Tensor, after: Tensor, context: Context) -> None:
        for kind, images in (("before", before), ("after", after)):
            for image in images:
                path = write_numbered(context.folders.temp, kind, image, compression=FOR_NOW)
                context.show_file(path, temporary=True, kind=kind)
                context.show_file(path, temporary=True)

    images = [world.noise(1, 5, 6, 3, seed=seed) for seed in range(4)]
    return Case(
        expected,
        given={"before": images[0], "after": images[1]},
        others={"before": at(images[2]), "after": at(images[3])},
    )
