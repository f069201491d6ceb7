"""From heatmap and image to pictures: the annotated image that an LVLM gets, and overlays that people look at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api_graph.context import Context
from api_graph.pixels.blend import Background, alpha_blend, reference_blend
from api_graph.pixels.overlay import Colormap, overlay
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.sheet import contact_sheet
from api_graph.sockets import Image
from api_graph.spec import Widget, node

from . import estimates
from .images import preview_image
from .socket_types import Heatmap, Picture

CATEGORY = "attention prompting/image"

Opacity = Annotated[
    float, Field(ge=0, le=1, description="Of the colours over the image."), Widget(step=0.05, slider=True)
]
Colours = Annotated[Colormap, Field(description="Low to high.")]


@node(
    "APAlphaBlend",
    estimate=estimates.overlaid,
    category=CATEGORY,
    title="Alpha blend",
    rowwise=True,
    eight_bits=True,
    aliases=("annotate", "attention prompting", "API"),
)
def blend(
    image: Picture,
    heatmap: Heatmap,
    background: Annotated[Background, Field(description="What shows where the heatmap is 0.")] = "black",
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 leaves the image as it is."), Widget(step=0.05, slider=True)
    ] = 1.0,
    grey: Annotated[
        float, Field(ge=0, le=1, description="Level of the grey background."), Widget(step=0.05, slider=True)
    ] = 0.5,
    colour: Annotated[str, Field(description="Of the colour background: a name or #rrggbb.")] = "black",
    blur_radius: Annotated[
        float, Field(ge=0, le=1000, description="Of the blur background, in pixels."), Widget(step=1)
    ] = 16.0,
    background_image: Annotated[Image | None, Field(description="For the image background.")] = None,
    arithmetic: Annotated[
        Literal["float", "reference"],
        Field(
            description="reference: the official code's 8-bit blend towards black or grey. Its script for CLIP fades "
            "to black by default; its script for LLaVA always to grey 200, which is grey = 200/255 = 0.7843."
        ),
    ] = "float",
) -> Annotated[Image, Field(description="The annotated image, which an LVLM is shown.")]:
    """The heatmap as the image's alpha channel over a background: Φ·I + (1 − Φ)·background (API section 3.3)."""
    if arithmetic == "reference":
        return reference_blend(image, heatmap, grey=255.0 * grey if background == "grey" else 0.0)
    return alpha_blend(
        image,
        heatmap,
        background=background,
        grey=grey,
        colour=colour,
        blur_radius=blur_radius,
        background_image=background_image,
        strength=strength,
    )


@node(
    "APOverlay",
    estimate=estimates.overlaid,
    category=CATEGORY,
    title="Heatmap overlay",
    rowwise=True,
    eight_bits=True,
    aliases=("saliency", "attention map", "colour map", "visualize"),
)
def heatmap_overlay(
    image: Picture,
    heatmap: Heatmap,
    opacity: Opacity = 0.6,
    colormap: Colours = "turbo",
) -> Annotated[Image, Field(description="The image under the colours.")]:
    """The heatmap in colours over the image, for people."""
    return overlay(image, heatmap, opacity, colormap)


@node(
    "APPreviewHeatmap",
    estimate=estimates.overlaid,
    category=CATEGORY,
    title="Preview heatmap",
    output=True,
    preview=True,
    waits=True,
    eight_bits=True,
    aliases=("show", "overlay", "visualize"),
)
def preview_heatmap(
    image: Picture,
    heatmap: Heatmap,
    context: Context,
    opacity: Opacity = 0.6,
    colormap: Colours = "turbo",
) -> Annotated[Image, Field(description="The overlay that is shown.")]:
    """Show a heatmap in colours over its image, in the node itself, without keeping it."""
    return preview_image(overlay(image, heatmap, opacity, colormap), context)


@node("APGatherImages", category=CATEGORY, title="Gather images", aliases=("image list",), eight_bits=True)
def gather_images(
    first: Annotated[Image, Field(description="The first of the list.")],
    second: Annotated[Image | None, Field(description="The next; of any size.")] = None,
    third: Annotated[Image | None, Field(description="The next; of any size.")] = None,
    fourth: Annotated[Image | None, Field(description="The last; of any size.")] = None,
) -> list[Annotated[Image, Field(description="The images, one after the other.")]]:
    """Several images, of any sizes, as one list: for a contact sheet, or to run what follows on each."""
    return [image for image in (first, second, third, fourth) if image is not None]


@node("APContactSheet", estimate=estimates.sheet, category=CATEGORY, title="Contact sheet", eight_bits=True)
def sheet(
    images: Annotated[list[Image], Field(description="What to lay out, in this order.")],
    captions: Annotated[list[str] | None, Field(description="One per image.")] = None,
    columns: Annotated[int, Field(ge=1, le=64, description="Pictures in a row.")] = 3,
    cell: Annotated[
        int, Field(ge=32, le=4096, description="Width of a cell, and its greatest height, in pixels.")
    ] = 320,
) -> Annotated[Image, Field(description="The sheet, one picture.")]:
    """Lay images of any size out in one picture, with captions."""
    pictures = [picture for batch in images for picture in to_pil(batch)]
    tallest = max((picture.height / picture.width for picture in pictures), default=1.0)
    size = (cell, max(1, round(cell * min(1.0, tallest))))  # no empty bars over and under wide pictures
    return to_tensor(contact_sheet(pictures, captions, columns=columns, cell=size))[0]
