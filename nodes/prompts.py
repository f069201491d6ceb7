"""Visual prompts: marks on the pixels, drawn on boxes or on masks, that point a model at an object."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels import prompts
from api_graph.pixels.prompts.crop import Rounding
from api_graph.pixels.prompts.fgvp import FgvpStyle
from api_graph.pixels.prompts.lengths import Unit
from api_graph.pixels.prompts.outside import Blur, Channels, Fill
from api_graph.pixels.prompts.shapes import Align, Drawing, Edges, Shape
from api_graph.pixels.prompts.som import Labels, Order
from api_graph.regions import Boxes
from api_graph.sockets import Image, Mask
from api_graph.spec import Widget, node

from .socket_types import Drawn, Objects, Picture, Where

CATEGORY = "attention prompting/visual prompts"

_PRESET = "Parameters of published code in place of the values below; custom takes the values."

Colour = Annotated[str, Field(description="A name or #rrggbb.")]
Opacity = Annotated[
    float, Field(ge=0, le=1, description="Of the colour over the image."), Widget(step=0.05, slider=True)
]
Thickness = Annotated[
    float, Field(ge=0, le=1000, description="Width of the line, in the unit; at least one pixel."), Widget(step=0.001)
]
LengthUnit = Annotated[Unit, Field(description="Pixels, or a share of that side of the image.")]
Enlarge = Annotated[float, Field(ge=0.01, le=100, description="Scales each box about its centre."), Widget(step=0.05)]
LineAlign = Annotated[Align, Field(description="Where the line lies on the outline.")]
AsDrawn = Annotated[
    Drawing,
    Field(description="smooth: antialiased. hard: whole pixels. pillow: as Pillow draws, which official code uses."),
]
Together = Annotated[bool, Field(description="All on one image; otherwise one image for each.")]
BlurRadius = Annotated[
    float, Field(ge=0, le=1000, description="Standard deviation of the blur, in pixels."), Widget(step=1)
]
Threshold = Annotated[
    float, Field(ge=0.001, le=1, description="A pixel from which on a mask holds it."), Widget(step=0.05, slider=True)
]


@node("APDrawCircle", category=CATEGORY, title="Draw circle", aliases=("red circle", "ellipse", "visual prompt"))
def draw_circle(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "falip", "falip_line", "fgvp"], Field(description=_PRESET)] = "custom",
    colour: Colour = "red",
    thickness: Thickness = 0.005,
    unit: LengthUnit = "long side",
    enlarge: Enlarge = 1.0,
    align: LineAlign = "inside",
    opacity: Opacity = 1.0,
    blur_outside: BlurRadius = 0.0,
    drawing: AsDrawn = "smooth",
    together: Together = False,
) -> Drawn:
    """Draw the ellipse that fits into each box, the red circle, and if wanted blur what lies outside it."""
    values = _values(
        "circle",
        preset,
        colour=colour,
        thickness=thickness,
        unit=unit,
        align=align,
        blur_outside=blur_outside,
        drawing=drawing,
    )
    where = corners(boxes, image)
    return prompts.draw_circle(image, where, enlarge=enlarge, opacity=opacity, together=together, **values)


@node("APOutside", category=CATEGORY, title="Weaken outside", aliases=("blur outside", "grey outside", "visual prompt"))
def weaken_outside(
    image: Picture,
    boxes: Where,
    preset: Annotated[
        Literal["custom", "falip", "reclip", "fgvp_blur", "fgvp_grey"], Field(description=_PRESET)
    ] = "custom",
    fill: Annotated[Fill, Field(description="What shows outside: the image blurred, or grey; or a colour.")] = "blur",
    shape: Annotated[Shape, Field(description="What stays: the box, or the ellipse that fits into it.")] = "box",
    enlarge: Enlarge = 1.0,
    blur_radius: BlurRadius = 100.0,
    colour: Colour = "grey",
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 leaves the image as it is."), Widget(step=0.05, slider=True)
    ] = 1.0,
    drawing: AsDrawn = "smooth",
    channels: Annotated[Channels, Field(description="greyscale: bgr swaps red and blue, as FGVP's code does.")] = "rgb",
    together: Together = False,
) -> Drawn:
    """Blur, grey or cover everything outside each box, or outside the ellipse in it."""
    values = _values(
        "outside", preset, fill=fill, shape=shape, blur_radius=blur_radius, drawing=drawing, channels=channels
    )
    return prompts.weaken_outside(
        image,
        corners(boxes, image),
        enlarge=enlarge,
        colour=colour,
        strength=strength,
        together=together,
        **values,
    )


@node("APCropBoxes", category=CATEGORY, title="Crop boxes", aliases=("visual prompt",))
def crop_boxes(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "falip", "reclip", "fgvp"], Field(description=_PRESET)] = "custom",
    enlarge: Enlarge = 1.0,
    rounding: Annotated[
        Rounding, Field(description="Of the edges, to whole pixels; outward loses nothing of the box.")
    ] = "nearest",
    together: Annotated[bool, Field(description="One crop that holds all boxes.")] = False,
) -> list[Annotated[Image, Field(description="The crops, each of its own size.")]]:
    """Cut each box out of the image."""
    values = _values("crop", preset, enlarge=enlarge, rounding=rounding)
    return prompts.crop_boxes(image, corners(boxes, image), together=together, **values)


@node("APDrawBox", category=CATEGORY, title="Draw box", aliases=("bounding box", "visual prompt"))
def draw_box(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "fgvp"], Field(description=_PRESET)] = "custom",
    colour: Colour = "red",
    thickness: Thickness = 0.005,
    unit: LengthUnit = "long side",
    enlarge: Enlarge = 1.0,
    align: LineAlign = "inside",
    opacity: Opacity = 1.0,
    drawing: AsDrawn = "smooth",
    together: Together = False,
) -> Drawn:
    """Draw the outline of each box."""
    values = _values("box_line", preset, colour=colour, thickness=thickness, unit=unit, align=align, drawing=drawing)
    where = corners(boxes, image)
    return prompts.draw_box(image, where, enlarge=enlarge, opacity=opacity, together=together, **values)


@node("APShade", category=CATEGORY, title="Shade boxes", aliases=("CPT", "colour prompt", "visual prompt"))
def shade_boxes(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "falip", "reclip", "fgvp"], Field(description=_PRESET)] = "custom",
    colour: Colour = "#f0001e",
    opacity: Opacity = 0.5,
    shape: Annotated[Shape, Field(description="The box, or the ellipse that fits into it.")] = "box",
    enlarge: Enlarge = 1.0,
    drawing: AsDrawn = "smooth",
    together: Together = False,
) -> Drawn:
    """Lay a translucent colour over each box, to be named in the text: "... is in red color." (CPT)."""
    values = _values("shade", preset, colour=colour, opacity=opacity, shape=shape, drawing=drawing)
    return prompts.shade_boxes(image, corners(boxes, image), enlarge=enlarge, together=together, **values)


@node("APKeypoint", category=CATEGORY, title="Draw keypoint", aliases=("dot", "visual prompt"))
def draw_keypoint(
    image: Picture,
    boxes: Where,
    colour: Colour = "red",
    radius: Annotated[
        float, Field(ge=0, le=1000, description="Of the dot, in the unit; at least half a pixel."), Widget(step=0.001)
    ] = 0.01,
    unit: LengthUnit = "long side",
    opacity: Opacity = 1.0,
    drawing: AsDrawn = "smooth",
    together: Together = False,
) -> Drawn:
    """Draw a dot at the centre of each box."""
    return prompts.draw_keypoint(
        image,
        corners(boxes, image),
        colour=colour,
        radius=radius,
        unit=unit,
        opacity=opacity,
        drawing=drawing,
        together=together,
    )


@node("APContour", category=CATEGORY, title="Draw contour", aliases=("outline", "segmentation", "visual prompt"))
def draw_contour(
    image: Picture,
    masks: Objects,
    preset: Annotated[Literal["custom", "fgvp"], Field(description=_PRESET)] = "custom",
    colour: Colour = "red",
    thickness: Thickness = 0.005,
    unit: LengthUnit = "long side",
    align: LineAlign = "centre",
    opacity: Opacity = 1.0,
    threshold: Threshold = 0.5,
    drawing: Annotated[Edges, Field(description="smooth: antialiased. hard: whole pixels.")] = "smooth",
    together: Together = False,
) -> Drawn:
    """Draw the outline of each mask; masks come from any segmenter."""
    values = _values("contour", preset, colour=colour, thickness=thickness, unit=unit, align=align, drawing=drawing)
    return prompts.draw_contour(image, masks, opacity=opacity, threshold=threshold, together=together, **values)


@node("APFgvp", category=CATEGORY, title="FGVP", aliases=("reverse blur mask", "segmentation", "visual prompt"))
def fgvp(
    image: Picture,
    masks: Objects,
    preset: Annotated[Literal["custom", "fgvp_mask", "fgvp_reverse_blur"], Field(description=_PRESET)] = "custom",
    style: Annotated[
        FgvpStyle,
        Field(
            description="reverse blur and greyscale weaken what lies outside the mask; mask and reverse mask lay the "
            "colour over what lies inside and outside."
        ),
    ] = "reverse blur",
    colour: Colour = "#00ff00",
    opacity: Opacity = 0.5,
    blur_radius: BlurRadius = 100.0,
    blur: Annotated[Blur, Field(description="pillow: in 8 bits, which official code uses.")] = "gaussian",
    together: Together = False,
) -> Drawn:
    """Fine-grained visual prompting: the prompt follows each mask; masks come from any segmenter."""
    values = _values("fgvp", preset, style=style, colour=colour, opacity=opacity, blur_radius=blur_radius)
    return prompts.fgvp(image, masks, blur=blur, together=together, **values)


class MarkedImage(NamedTuple):
    image: Drawn
    masks: Annotated[Mask, Field(description="In the order of their marks.")]
    labels: Annotated[str, Field(description="The marks, one per line.")]


@node("APSetOfMark", category=CATEGORY, title="Set of mark", aliases=("SoM", "segmentation", "visual prompt"))
def set_of_mark(
    image: Picture,
    masks: Objects,
    preset: Annotated[Literal["custom", "som"], Field(description=_PRESET)] = "custom",
    labels: Annotated[Labels, Field(description="1, 2, 3 or a, b, c.")] = "numbers",
    order: Annotated[Order, Field(description="area: the largest mask is the first.")] = "area",
    opacity: Annotated[
        float, Field(ge=0, le=1, description="Of each mask's own colour."), Widget(step=0.05, slider=True)
    ] = 0.1,
    thickness: Annotated[
        float, Field(ge=0, le=1000, description="Of the masks' outlines, in pixels; 0 for none."), Widget(step=1)
    ] = 1.0,
    font_size: Annotated[
        float, Field(ge=0, le=1000, description="Of the marks, in the unit; at least 6 pixels."), Widget(step=0.001)
    ] = 0.028,
    unit: LengthUnit = "short side",
    text_colour: Colour = "white",
    label_colour: Colour = "black",
    label_opacity: Annotated[
        float, Field(ge=0, le=1, description="Of the box behind a mark."), Widget(step=0.05, slider=True)
    ] = 0.8,
    min_area: Annotated[int, Field(ge=0, le=1_000_000_000, description="Smaller masks get no mark, in pixels.")] = 10,
    threshold: Threshold = 0.5,
) -> MarkedImage:
    """Number the masks on the image, so that questions and answers can refer to them; masks from any segmenter."""
    values = _values(
        "set_of_mark",
        preset,
        labels=labels,
        order=order,
        opacity=opacity,
        thickness=thickness,
        font_size=font_size,
        unit=unit,
        text_colour=text_colour,
        label_colour=label_colour,
        label_opacity=label_opacity,
        min_area=min_area,
    )
    marked = prompts.set_of_mark(image, masks, threshold=threshold, **values)
    return MarkedImage(marked.image, marked.masks, "\n".join(marked.labels))


def _values(prompt: str, preset: str, **given: Any) -> dict[str, Any]:
    """The values given, or those of a preset in their place."""
    return given if preset == "custom" else {**given, **prompts.preset(prompt, preset)}


def corners(boxes: Boxes, image: Tensor) -> Tensor:
    """(N, 4) xyxy pixels, if the boxes belong to an image of this size."""
    size = (image.shape[2], image.shape[1])
    if boxes.size != size:
        raise BadInput(
            f"the boxes belong to an image of {boxes.size[0]}×{boxes.size[1]} pixels, not of {size[0]}×{size[1]}",
            input="boxes",
            hint="Link the image that they were given for.",
        )
    return boxes.values
