"""Visual prompts: marks on the pixels, drawn on boxes or on masks, that point a model at an object.

The parameters of a prompt are those of the function in `api_graph.pixels.prompts` that draws it: a node takes them as
`**values`, and `parameters_of` describes them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels import prompts
from api_graph.pixels._check import checked_image
from api_graph.pixels.pairing import Pairing
from api_graph.pixels.prompts.crop import Rounding
from api_graph.pixels.prompts.fgvp import FgvpStyle
from api_graph.pixels.prompts.outside import Blur, Channels, Fill
from api_graph.pixels.prompts.shapes import Align, Drawing, Edges, Shape, Unit
from api_graph.pixels.prompts.som import Labels, Order
from api_graph.regions import Boxes
from api_graph.sockets import Image, Mask
from api_graph.spec import Widget, node

from . import estimates
from .socket_types import Drawn, Objects, Picture, Where

CATEGORY = "attention prompting/visual prompts"

Node = TypeVar("Node", bound=Callable[..., object])

Colour = Annotated[str, Field(description="A name or #rrggbb.")]
Opacity = Annotated[
    float, Field(ge=0, le=1, description="Of the colour over the image."), Widget(step=0.05, slider=True)
]
BlurRadius = Annotated[
    float, Field(ge=0, le=1000, description="Standard deviation of the blur, in pixels."), Widget(step=1)
]

PairingChoice = Annotated[
    Pairing,
    Field(
        description="Of several images with several boxes or masks. every box on every image: all results of the first "
        "image come first. box i on image i: as many of both."
    ),
]

PARAMETERS = {
    "align": Annotated[Align, Field(description="Where the line lies on the outline.")],
    "blur": Annotated[Blur, Field(description="pillow: in 8 bits, which official code uses.")],
    "blur_outside": BlurRadius,
    "blur_radius": BlurRadius,
    "channels": Annotated[Channels, Field(description="greyscale: bgr swaps red and blue, as FGVP's code does.")],
    "colour": Colour,
    "drawing": Annotated[
        Drawing,
        Field(
            description="smooth: antialiased. hard: whole pixels. pillow: as Pillow draws, which official code uses."
        ),
    ],
    "enlarge": Annotated[
        float, Field(ge=0.01, le=100, description="Scales each box about its centre."), Widget(step=0.05)
    ],
    "fill": Annotated[Fill, Field(description="What shows outside: the image blurred, or grey; or a colour.")],
    "font_size": Annotated[
        float, Field(ge=0, le=1000, description="Of the marks, in the unit; at least 6 pixels."), Widget(step=0.001)
    ],
    "label_colour": Colour,
    "label_opacity": Annotated[
        float, Field(ge=0, le=1, description="Of the box behind a mark."), Widget(step=0.05, slider=True)
    ],
    "labels": Annotated[Labels, Field(description="1, 2, 3 or a, b, c.")],
    "min_area": Annotated[int, Field(ge=0, le=1_000_000_000, description="Smaller masks get no mark, in pixels.")],
    "opacity": Opacity,
    "order": Annotated[Order, Field(description="area: the largest mask is the first.")],
    "pairing": PairingChoice,
    "radius": Annotated[
        float, Field(ge=0, le=1000, description="Of the dot, in the unit; at least half a pixel."), Widget(step=0.001)
    ],
    "rounding": Annotated[
        Rounding, Field(description="Of the edges, to whole pixels; outward loses nothing of the box.")
    ],
    "shape": Annotated[Shape, Field(description="The box, or the ellipse that fits into it.")],
    "strength": Annotated[
        float, Field(ge=0, le=1, description="0 leaves the image as it is."), Widget(step=0.05, slider=True)
    ],
    "style": Annotated[
        FgvpStyle,
        Field(
            description="reverse blur and greyscale weaken what lies outside the mask; mask and reverse mask lay the "
            "colour over what lies inside and outside."
        ),
    ],
    "text_colour": Colour,
    "thickness": Annotated[
        float,
        Field(ge=0, le=1000, description="Width of the line, in the unit; at least one pixel."),
        Widget(step=0.001),
    ],
    "threshold": Annotated[
        float,
        Field(ge=0.001, le=1, description="A pixel from which on a mask holds it."),
        Widget(step=0.05, slider=True),
    ],
    "together": Annotated[bool, Field(description="All of an image on one picture; otherwise one picture for each.")],
    "unit": Annotated[Unit, Field(description="Pixels, or a share of that side of the image.")],
}
"""The parameters that prompts share, by name, in the words of an editor's tooltips."""

FromCode = Field(description="Parameters of published code in place of the values below; custom takes the values.")


def parameters_of(function: Callable[..., object]) -> Callable[[Node], Node]:
    """Describe what a node takes as `**values`: the keyword parameters of `function`, in its order, with its defaults.

    Each is annotated as in PARAMETERS. One that the node declares itself stays as it is declared there.
    """

    def describe(drawing: Node) -> Node:
        own = dict(inspect.signature(drawing).parameters)
        del own["values"]
        keywords: list[inspect.Parameter] = []
        for theirs in inspect.signature(function).parameters.values():
            if theirs.kind is theirs.KEYWORD_ONLY:
                declared = own.pop(theirs.name, None) or theirs.replace(annotation=PARAMETERS[theirs.name])
                keywords.append(declared.replace(kind=theirs.kind))
        parameters = [*own.values(), *keywords]
        result = drawing.__annotations__["return"]
        drawing.__annotations__ = {**{p.name: p.annotation for p in parameters}, "return": result}
        vars(drawing)["__signature__"] = inspect.Signature(parameters, return_annotation=result)
        return drawing

    return describe


def _chosen(prompt: str, preset: str, **values: object) -> dict[str, Any]:
    """The values given, or those of a preset in their place."""
    return values if preset == "custom" else {**values, **prompts.preset(prompt, preset)}


def corners(boxes: Boxes, image: Tensor) -> Tensor:
    """(N, 4) xyxy pixels, if there are boxes, which belong to an image of this size and lie on it."""
    if not image.numel():
        checked_image(image)  # says so; whoever draws looks at the rest
    size = (image.shape[2], image.shape[1])
    if boxes.size != size:
        raise BadInput(
            f"the boxes belong to an image of {boxes.size[0]}×{boxes.size[1]} pixels, not of {size[0]}×{size[1]}",
            input="boxes",
            value=boxes.size,
            hint="Link the image that they were given for.",
        )
    prompts.checked_boxes(boxes.values, size)
    return boxes.values


# ------------------------------------------------------------------------------------------ on boxes


@node(
    "APDrawCircle",
    estimate=estimates.drawn,
    category=CATEGORY,
    title="Draw circle",
    version=2,
    aliases=("red circle", "ellipse", "visual prompt"),
)
@parameters_of(prompts.draw_circle)
def draw_circle(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "falip", "falip_line", "fgvp"], FromCode] = "custom",
    **values: object,
) -> Drawn:
    """Draw the ellipse that fits into each box, the red circle, and if wanted blur what lies outside it."""
    return prompts.draw_circle(image, corners(boxes, image), **_chosen("circle", preset, **values))


@node(
    "APOutside",
    estimate=estimates.drawn,
    category=CATEGORY,
    title="Weaken outside",
    version=2,
    aliases=("blur outside", "grey outside", "visual prompt"),
)
@parameters_of(prompts.weaken_outside)
def weaken_outside(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "falip", "reclip", "fgvp_blur", "fgvp_grey"], FromCode] = "custom",
    shape: Annotated[Shape, Field(description="What stays: the box, or the ellipse that fits into it.")] = "box",
    **values: object,
) -> Drawn:
    """Blur, grey or cover everything outside each box, or outside the ellipse in it."""
    return prompts.weaken_outside(image, corners(boxes, image), **_chosen("outside", preset, shape=shape, **values))


@node(
    "APCropBoxes",
    estimate=estimates.cropped,
    category=CATEGORY,
    title="Crop boxes",
    version=2,
    aliases=("visual prompt",),
)
@parameters_of(prompts.crop_boxes)
def crop_boxes(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "falip", "reclip", "fgvp"], FromCode] = "custom",
    together: Annotated[bool, Field(description="One crop of an image that holds all its boxes.")] = False,
    **values: object,
) -> list[Annotated[Image, Field(description="The crops, each of its own size.")]]:
    """Cut each box out of the image."""
    return prompts.crop_boxes(image, corners(boxes, image), together=together, **_chosen("crop", preset, **values))


@node(
    "APDrawBox",
    estimate=estimates.drawn,
    category=CATEGORY,
    title="Draw box",
    version=2,
    aliases=("bounding box", "visual prompt"),
)
@parameters_of(prompts.draw_box)
def draw_box(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "fgvp"], FromCode] = "custom",
    **values: object,
) -> Drawn:
    """Draw the outline of each box."""
    return prompts.draw_box(image, corners(boxes, image), **_chosen("box_line", preset, **values))


@node(
    "APShade",
    estimate=estimates.drawn,
    category=CATEGORY,
    title="Shade boxes",
    version=2,
    aliases=("CPT", "colour prompt", "visual prompt"),
)
@parameters_of(prompts.shade_boxes)
def shade_boxes(
    image: Picture,
    boxes: Where,
    preset: Annotated[Literal["custom", "falip", "reclip", "fgvp"], FromCode] = "custom",
    colour: Colour = "#f0001e",
    opacity: Opacity = 0.5,
    **values: object,
) -> Drawn:
    """Lay a translucent colour over each box, to be named in the text: "... is in red color." (CPT)."""
    chosen = _chosen("shade", preset, colour=colour, opacity=opacity, **values)
    return prompts.shade_boxes(image, corners(boxes, image), **chosen)


@node(
    "APKeypoint",
    estimate=estimates.drawn,
    category=CATEGORY,
    title="Draw keypoint",
    version=2,
    aliases=("dot", "visual prompt"),
)
@parameters_of(prompts.draw_keypoint)
def draw_keypoint(image: Picture, boxes: Where, **values: object) -> Drawn:
    """Draw a dot at the centre of each box."""
    return prompts.draw_keypoint(image, corners(boxes, image), **_chosen("keypoint", "custom", **values))


# ------------------------------------------------------------------------------------------ on masks


@node(
    "APContour",
    estimate=estimates.drawn_on_masks,
    category=CATEGORY,
    title="Draw contour",
    version=2,
    aliases=("outline", "segmentation", "visual prompt"),
)
@parameters_of(prompts.draw_contour)
def draw_contour(
    image: Picture,
    masks: Objects,
    preset: Annotated[Literal["custom", "fgvp"], FromCode] = "custom",
    drawing: Annotated[Edges, Field(description="smooth: antialiased. hard: whole pixels.")] = "smooth",
    **values: object,
) -> Drawn:
    """Draw the outline of each mask; masks come from any segmenter."""
    return prompts.draw_contour(image, masks, **_chosen("contour", preset, drawing=drawing, **values))


@node(
    "APFgvp",
    estimate=estimates.drawn_on_masks,
    category=CATEGORY,
    title="FGVP",
    version=2,
    aliases=("reverse blur mask", "segmentation", "visual prompt"),
)
@parameters_of(prompts.fgvp)
def fgvp(
    image: Picture,
    masks: Objects,
    preset: Annotated[Literal["custom", "fgvp_mask", "fgvp_reverse_blur"], FromCode] = "custom",
    **values: object,
) -> Drawn:
    """Fine-grained visual prompting: the prompt follows each mask; masks come from any segmenter."""
    return prompts.fgvp(image, masks, **_chosen("fgvp", preset, **values))


class MarkedImage(NamedTuple):
    image: Drawn
    masks: Annotated[Mask, Field(description="In the order of their marks.")]
    labels: Annotated[str, Field(description="The marks, one per line.")]


@node("APSetOfMark", category=CATEGORY, title="Set of mark", aliases=("SoM", "segmentation", "visual prompt"))
@parameters_of(prompts.set_of_mark)
def set_of_mark(
    image: Picture,
    masks: Objects,
    preset: Annotated[Literal["custom", "som"], FromCode] = "custom",
    opacity: Annotated[
        float, Field(ge=0, le=1, description="Of each mask's own colour."), Widget(step=0.05, slider=True)
    ] = 0.1,
    thickness: Annotated[
        float, Field(ge=0, le=1000, description="Of the masks' outlines, in pixels; 0 for none."), Widget(step=1)
    ] = 1.0,
    **values: object,
) -> MarkedImage:
    """Number the masks on the image, so that questions and answers can refer to them; masks from any segmenter."""
    chosen = _chosen("set_of_mark", preset, opacity=opacity, thickness=thickness, **values)
    marked = prompts.set_of_mark(image, masks, **chosen)
    return MarkedImage(marked.image, marked.masks, "\n".join(marked.labels))
