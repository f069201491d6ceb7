"""Images in and out of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from torch import Tensor

from api_graph.context import Context, SaveContext
from api_graph.errors import BadInput, inputs_named
from api_graph.files import sha256_of
from api_graph.folders import Folders, names_in
from api_graph.pixels.read import read_image, to_tensor
from api_graph.pixels.write import FOR_NOW, write_numbered
from api_graph.sockets import Image, Mask
from api_graph.spec import Choices, Widget, node

from .image_batches import save_heatmaps, save_images
from .wires import Heatmap, SameImages

CATEGORY = "attention prompting/image"

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def images_in(folders: Folders) -> Sequence[str]:
    """Names of the image files at the top of the input folders."""
    return names_in(folders.inputs, lambda path: path.suffix.lower() in _SUFFIXES)


def image_fingerprint(folders: Folders, image: str) -> Mapping[str, Any]:
    """The file's content: the same picture under another name is the same result."""
    path = folders.input_file(image)
    try:
        return {"image": sha256_of(path)}
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"it cannot be read ({reason})", input="image", value=str(path), hint="Check it.") from error


ImageFile = Annotated[
    str,
    Choices(tuple, open=True, inside=images_in),
    Widget(upload=True),
    Field(description="A file in the input folder. EXIF orientation is respected; any mode and depth is read."),
]
Prefix = Annotated[str, Field(description="Files are PREFIX_00001_.png and so on; it may contain a folder.")]


class LoadedImage(NamedTuple):
    image: Annotated[Image, Field(description="The picture, upright.")]
    mask: Annotated[Mask, Field(description="1 where the image is transparent.")]


@node(
    "APLoadImage",
    category=CATEGORY,
    title="Load image",
    waits=True,
    fingerprint=image_fingerprint,
)
def load_image(context: Context, image: ImageFile) -> LoadedImage:
    """Read an image file: the picture, and a mask of its transparency."""
    with inputs_named(path="image"):
        picture, mask = to_tensor(read_image(context.folders.input_file(image)))
    return LoadedImage(picture, mask)


@node("APSaveImage", category=CATEGORY, title="Save image", output=True, batched=save_images)
def save_image(
    images: Annotated[Image, Field(description="Each becomes a file of its own.")],
    context: SaveContext,
    filename_prefix: Prefix = "api-graph",
) -> SameImages:
    """Write images as PNG into the output folder, with the graph embedded, so that the picture can be run again."""
    return _only(save_images([{"images": images, "context": context, "filename_prefix": filename_prefix}]).work())


@node("APPreviewImage", category=CATEGORY, title="Preview image", output=True, preview=True, waits=True)
def preview_image(images: Annotated[Image, Field(description="What to look at.")], context: Context) -> SameImages:
    """Show images without keeping them."""
    for image in images:
        path = write_numbered(context.folders.temp, "preview", image, compression=FOR_NOW)
        context.show_file(path, temporary=True)
    return images


@node(
    "APCompareImages",
    category=CATEGORY,
    title="Compare images",
    output=True,
    preview=True,
    waits=True,
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


@node("APSaveHeatmap", category=CATEGORY, title="Save heatmap", output=True, batched=save_heatmaps)
def save_heatmap(
    heatmap: Heatmap,
    context: SaveContext,
    filename_prefix: Prefix = "heatmap",
) -> Annotated[Mask, Field(description="The heatmap as it came in.")]:
    """Write heatmaps as grey PNG, white where attended."""
    return _only(save_heatmaps([{"heatmap": heatmap, "context": context, "filename_prefix": filename_prefix}]).work())


def _only(results: Sequence[Tensor | Exception]) -> Tensor:
    (result,) = results
    if isinstance(result, Exception):
        raise result
    return result
