"""Images in and out of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pydantic import Field

from api_graph.context import Context, SaveContext
from api_graph.errors import inputs_named
from api_graph.folders import Folders, names_in
from api_graph.pixels.read import read_image, to_tensor
from api_graph.pixels.write import FOR_NOW, write_numbered
from api_graph.sockets import Image, Mask
from api_graph.spec import Choices, Widget, node

from .fingerprints import image_fingerprint
from .socket_types import Heatmap, SameImages

CATEGORY = "attention prompting/image"

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def images_in(folders: Folders) -> Sequence[str]:
    """Names of the image files at the top of the input folders."""
    return names_in(folders.inputs, lambda path: path.suffix.lower() in _SUFFIXES)


ImageFile = Annotated[
    str,
    Choices(tuple, open=True, inside=images_in),
    Widget(upload=True),
    Field(description="A file in the input folder. EXIF orientation is respected; any mode and depth is read."),
]
_WRITING = {"prefix": "filename_prefix", "path": "filename_prefix"}
"""Parameters of the functions that write, and the nodes' input that each stands for."""

Prefix = Annotated[str, Field(description="Files are PREFIX_00001_.png and so on; it may contain a folder.")]


class LoadedImage(NamedTuple):
    image: Annotated[Image, Field(description="The picture, upright; its colours as stored, whatever is transparent.")]
    mask: Annotated[Mask, Field(description="1 where the image is transparent.")]


@node(
    "APLoadImage",
    category=CATEGORY,
    title="Load image file",
    formerly="Load image",
    aliases=("open image", "picture"),
    waits=True,
    eight_bits=True,
    fingerprint=image_fingerprint,
)
def load_image(context: Context, image: ImageFile) -> LoadedImage:
    """Read an image file: the picture, its colours as stored, and 1 − alpha as a mask of its transparency.

    So does ComfyUI's Load Image. An image of four channels on a wire is laid over black instead, wherever it is read.
    """
    with inputs_named(path="image"):
        found = read_image(context.folders.input_file(image))
        picture, mask = to_tensor(found, eight_bits=context.eight_bits)
    return LoadedImage(picture, mask)


@node(
    "APSaveImage",
    category=CATEGORY,
    title="Save images as PNG",
    formerly="Save image",
    aliases=("write image", "output"),
    output=True,
    waits=True,
    eight_bits=True,
)
def save_image(
    images: Annotated[Image, Field(description="Each becomes a file of its own.")],
    context: SaveContext,
    filename_prefix: Prefix = "api-graph",
) -> SameImages:
    """Write images as PNG into the output folder, with the graph embedded, so that the picture can be run again."""
    prefix = context.folders.name_of_row(filename_prefix)
    with inputs_named(**_WRITING, image="images"):
        for image in images:
            context.check_cancelled()
            folder, texts, format = context.folders.output, context.texts, context.formats.image
            context.show_file(write_numbered(folder, prefix, image, metadata=texts, format=format))
    return images


@node(
    "APPreviewImage",
    category=CATEGORY,
    title="Show images",
    formerly="Preview image",
    output=True,
    preview=True,
    waits=True,
    eight_bits=True,
)
def preview_image(images: Annotated[Image, Field(description="What to look at.")], context: Context) -> SameImages:
    """Show images without keeping them."""
    for image in images:
        path = write_numbered(context.folders.temp, "preview", image, compression=FOR_NOW)
        context.show_file(path, temporary=True)
    return images


@node(
    "APCompareImages",
    category=CATEGORY,
    title="Compare two images",
    formerly="Compare images",
    output=True,
    preview=True,
    waits=True,
    eight_bits=True,
    aliases=("before after", "slider", "difference"),
)
def compare_images(
    before: Annotated[Image, Field(description="Shown on the left of the slider, such as the image as it was.")],
    after: Annotated[Image, Field(description="Shown on the right of the slider, such as the annotated image.")],
    context: Context,
) -> None:
    """Show two images on top of each other with a slider between them, without keeping them."""
    for kind, images in (("before", before), ("after", after)):
        for image in images:
            path = write_numbered(context.folders.temp, kind, image, compression=FOR_NOW)
            context.show_file(path, temporary=True, kind=kind)
            context.show_file(path, temporary=True)  # for an editor that has no slider


@node(
    "APSaveHeatmap",
    category=CATEGORY,
    title="Save heatmap",
    output=True,
    waits=True,
)
def save_heatmap(
    heatmap: Heatmap,
    context: SaveContext,
    filename_prefix: Prefix = "heatmap",
) -> Annotated[Mask, Field(description="The heatmap as it came in.")]:
    """Write heatmaps as grey PNG, white where attended."""
    prefix = context.folders.name_of_row(filename_prefix)
    with inputs_named(**_WRITING, image="heatmap"):
        for image in heatmap if heatmap.ndim > 2 else heatmap[None]:
            context.check_cancelled()
            folder, texts, format = context.folders.output, context.texts, context.formats.heatmap
            context.show_file(write_numbered(folder, prefix, image, metadata=texts, format=format))
    return heatmap
