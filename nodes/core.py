"""Stand-ins for ComfyUI's own nodes that people have in their saved graphs, under ComfyUI's class names.

Headless only: in ComfyUI the real ones run.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api_graph.context import Context, SaveContext
from api_graph.errors import BadInput, inputs_named
from api_graph.pixels.frames import read_frames
from api_graph.sockets import AnyValue, Image, Mask, as_floats
from api_graph.spec import Widget, node

from . import core_compositing
from . import images as own_images
from . import text as own_text
from .fingerprints import image_fingerprint

COLOUR_CHANNELS = ("red", "green", "blue")


# Older editors exported the upload button's value with the graph.
Upload = Annotated[str, Field(description="Left by the upload button of older editors; it means nothing.")]


@node(
    "LoadImage",
    category="image",
    title="Load Image",
    waits=True,
    eight_bits=True,
    fingerprint=image_fingerprint,
)
def load_image(
    context: Context,
    image: own_images.ImageFile,
    upload: Upload = "image",
) -> own_images.LoadedImage:
    """Read an image file, all frames of an animation: its colours as stored, and 1 − alpha as the mask.

    Without transparency the mask is empty, 64×64: there is none.
    """
    with inputs_named(path="image"):
        return own_images.LoadedImage(*read_frames(context.folders.input_file(image), eight_bits=context.eight_bits))


@node("LoadImageMask", category="mask", title="Load Image (as Mask)", waits=True, fingerprint=image_fingerprint)
def load_image_mask(
    context: Context,
    image: own_images.ImageFile,
    channel: Literal["alpha", "red", "green", "blue"],
    upload: Upload = "image",
) -> Mask:
    """Read one channel of an image file as a mask."""
    picture, mask = load_image(context, image)
    return mask if channel == "alpha" else as_floats(picture[..., COLOUR_CHANNELS.index(channel)])


@node("SaveImage", category="image", title="Save Image", output=True, waits=True, eight_bits=True)
def save_image(images: Image, context: SaveContext, filename_prefix: str = "ComfyUI") -> None:
    """Write images into the output folder."""
    own_images.save_image(images, context, filename_prefix)


@node("PreviewImage", category="image", title="Preview Image", output=True, preview=True, waits=True, eight_bits=True)
def preview_image(images: Image, context: Context) -> None:
    """Show images without keeping them."""
    own_images.preview_image(images, context)


@node("MaskPreview", category="mask", title="Preview Mask", output=True, preview=True, waits=True)
def preview_mask(mask: Mask, context: Context) -> None:
    """Show masks without keeping them."""
    own_images.preview_image(mask_to_image(mask), context)


@node("PreviewAny", category="utils", title="Preview as Text", output=True, store=True)
def preview_any(source: AnyValue, context: Context) -> str:
    """Show anything as text."""
    return own_text.show_text(source, context)


@node("PrimitiveString", category="utils/primitive", title="String")
def primitive_string(value: str) -> str:
    """A text."""
    return value


@node("PrimitiveStringMultiline", category="utils/primitive", title="String (Multiline)")
def primitive_string_multiline(value: Annotated[str, Widget(multiline=True)]) -> str:
    """A text of several lines."""
    return value


@node("PrimitiveInt", category="utils/primitive", title="Int")
def primitive_int(value: int) -> int:
    """A whole number."""
    return value


@node("PrimitiveFloat", category="utils/primitive", title="Float")
def primitive_float(value: float) -> float:
    """A number."""
    return value


@node("PrimitiveBoolean", category="utils/primitive", title="Boolean")
def primitive_boolean(value: bool) -> bool:
    """True or false."""
    return value


@node("MaskToImage", category="mask", title="Convert Mask to Image")
def mask_to_image(mask: Mask) -> Image:
    """A mask as a grey image."""
    height, width = mask.shape[-2:]
    return mask.reshape(-1, height, width, 1).expand(-1, -1, -1, 3)  # (B, H, W) or (H, W) -> (B, H, W, 3)


@node("ImageToMask", category="mask", title="Convert Image to Mask")
def image_to_mask(image: Image, channel: Literal["red", "green", "blue", "alpha"]) -> Mask:
    """One channel of an image as a mask."""
    channels = (*COLOUR_CHANNELS, "alpha")[: image.shape[-1]]
    if channel not in channels:
        raise BadInput("this IMAGE has no alpha", input="channel", value=channel, hint="Use red, green or blue.")
    return image[..., channels.index(channel)]


@node("InvertMask", category="mask", title="Invert Mask")
def invert_mask(mask: Mask) -> Mask:
    """1 − mask."""
    return 1.0 - mask


@node("ImageInvert", category="image", title="Invert Image")
def invert_image(image: Image) -> Image:
    """1 − image."""
    return 1.0 - image


CORE_NODES = (
    load_image,
    load_image_mask,
    save_image,
    preview_image,
    preview_mask,
    preview_any,
    primitive_string,
    primitive_string_multiline,
    primitive_int,
    primitive_float,
    primitive_boolean,
    mask_to_image,
    image_to_mask,
    invert_mask,
    invert_image,
    *core_compositing.NODES,
)
