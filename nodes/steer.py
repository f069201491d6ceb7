"""Steer an LVLM from inside: a fovea in its images, how the attention follows it, what its answer is set against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from api_graph.bounding_boxes import boxes_of_each
from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.lvlm import Contrast, HeadProfile, LvlmModel, Steering, contrast_preset
from api_graph.lvlm.contrast import NOISE_STEPS, Against, ContrastPreset
from api_graph.lvlm.steer import Foveas, Mode, Preset, Rows, settings_with, strength_of
from api_graph.lvlm.steer.preview import fovea_panels
from api_graph.pixels._check import checked_image, fitted_masks, value_range
from api_graph.pixels.pairing import EVERY, Pairing, Pairs
from api_graph.pixels.read import to_pil
from api_graph.regions import Boxes, read_boxes
from api_graph.sockets import Attribution, Image, Mask
from api_graph.spec import Widget, node

from . import estimates
from .heads import OtherHeads, heads_of
from .images import preview_image
from .lvlm import CATEGORY
from .prompts import PairingChoice
from .socket_types import AnyBoxes, Picture


@node(
    "APFovea",
    category=CATEGORY,
    title="Fovea",
    aliases=("point at", "look at a region", "region of attention", "gaze", "FALIP"),
)
def fovea(
    image: Annotated[Image, Field(description="The image that is asked about, or several of one size.")],
    boxes: Annotated[AnyBoxes | None, Field(description="The region: boxes, or one of the next two.")] = None,
    mask: Annotated[
        Mask | None, Field(description="The region: masks. The empty 64×64 mask of Load Image is none.")
    ] = None,
    attribution: Annotated[
        Attribution | None, Field(description="The region: a map of this image from any model, such as Ψ gives.")
    ] = None,
    region: Annotated[
        Literal["what is linked", "all of the image"],
        Field(description="all of the image needs no link; methods such as PAI point at it."),
    ] = "what is linked",
    pairing: PairingChoice = EVERY,
    before: Annotated[
        Foveas | None, Field(description="Foveas of the images that are shown before this one in the same request.")
    ] = None,
) -> Annotated[Foveas, Field(description="A fovea for each image, for Steer.")]:
    """Where in an image an LVLM is pointed: boxes or a mask where the place is known, a map where only the question is.

    It becomes one weight from 0 to 1 for each of the model's image tokens.
    Tokens that a box reaches have 1, those of a mask its largest value there, those of a map its value, scaled from 0
    to 1. All others have 0.
    """
    image = checked_image(image)
    mask = None if mask is None else fitted_masks(mask, image, "mask")
    linked = {"boxes": boxes, "mask": mask, "attribution": attribution}
    given = [name for name, one in linked.items() if one is not None]
    if len(given) != (region == "what is linked"):
        problem = f"{' and '.join(given) or 'nothing'} is linked"
        hint = "Link one of boxes, mask and attribution, or choose all of the image and link none."
        raise BadInput(problem, input="region", value=region, hint=hint)
    regions = attribution
    if attribution is not None:
        value_range(attribution.values, "attribution")  # NaN is no weight
    if boxes is not None:
        regions = _boxes_of(boxes, image, pairing)
    elif mask is not None:
        regions = Pairs.of(len(image), len(mask), pairing, input="mask", together=True).of_regions(mask)
    found = Foveas.on_each(regions, len(image), input=given[0] if given else "region")
    return Foveas((*(before.items if before is not None else ()), *found.items))


def _boxes_of(given: AnyBoxes, image: Tensor, pairing: Pairing) -> list[Boxes]:
    """The boxes of each image, or one set of them for all."""
    size = (image.shape[2], image.shape[1])
    if isinstance(given, Mapping | Sequence):
        return boxes_of_each(given, size, len(image))
    pairs = Pairs.of(len(image), len(given), pairing, together=True)
    if given.size != size:
        raise BadInput(
            f"they belong to an image of {given.size[0]}×{given.size[1]} pixels, not {size[0]}×{size[1]}",
            input="boxes",
            value=given.size,
            hint="Use the image that they were made for.",
        )
    inside = read_boxes(given.values, size).values
    return [Boxes(inside, size)] if pairs.regions is None else [Boxes(inside[i : i + 1], size) for i in pairs.regions]


@node(
    "APSteer",
    category=CATEGORY,
    title="Steer",
    aliases=("steering", "attention bias", "gaze", "PAI", "AdaptVis", "VAR", "Prompt Highlighter", "Gaze Heads"),
)
def steer(
    fovea: Annotated[Foveas, Field(description="Where the model is pointed, from Fovea.")],
    preset: Annotated[
        Literal["custom", Preset],
        Field(description="custom: the inputs below. Else the settings of a published method, in place of them all."),
    ] = "custom",
    mode: Annotated[
        Mode,
        Field(
            description="On the scores of image tokens: boost the fovea's, suppress the others, both; proportional to "
            "the score (PAI); scale it (AdaptVis). redistribute: from the attention sinks, after the softmax (VAR)."
        ),
    ] = "boost_suppress",
    strength: Annotated[
        str,
        Field(
            description="auto is the mode's own: 5 for boost, suppress and both; proportional 0.2, scale 1.5, "
            "redistribute 0.6. Else a number; from 20 on, on all heads of all layers, answers break."
        ),
    ] = "auto",
    layers: Annotated[
        str, Field(description='Which layers: "all", "last 4", "from 2", or numbers: "8,9", "-4..-1".')
    ] = "all",
    heads: Annotated[
        str, Field(description='Which heads in each of them: "all", numbers such as "0, 3", or "profile".')
    ] = "all",
    rows: Annotated[
        Rows,
        Field(
            description="Which tokens look through the fovea. last: those that predict the answer. first: the one that "
            "predicts its first token. decode: all but that one. after_image: all that come after the image. all."
        ),
    ] = "last",
    targets: Annotated[
        Literal["all at once", "one box after the other"],
        Field(description="one box after the other: the fovea moves on while the answer is written."),
    ] = "all at once",
    tokens_each: Annotated[
        int, Field(ge=1, le=4096, description="one box after the other: tokens of the answer until the next box.")
    ] = 12,
    profile: Annotated[
        HeadProfile | None,
        Field(description='heads = "profile": the heads that it has chosen, from Find heads or Choose heads.'),
    ] = None,
    other_heads: OtherHeads = -1,
) -> Annotated[Steering, Field(description="How the model is steered, for Query LVLM and Ψ LVLM.")]:
    """How an LVLM's attention follows a fovea: no pixel changes, and nothing is trained."""
    settings = settings_with(
        preset,
        {
            "mode": mode,
            "strength": strength_of(strength),
            "layers": layers,
            "heads": heads_of(profile, heads, input="heads") or heads,
            "rows": rows,
        },
    )
    others = None if other_heads < 0 else other_heads
    if targets == "all at once":
        return Steering(fovea.items, other_heads=others, **settings)
    return Steering.tour(fovea.items, tokens_each, other_heads=others, **settings)


@node(
    "APContrast",
    category=CATEGORY,
    title="Contrast",
    aliases=("contrast decoding", "contrastive decoding", "guidance", "CFG", "hallucination", "PAI", "VCD"),
)
def contrast(
    preset: Annotated[
        Literal["custom", ContrastPreset],
        Field(description="custom: the inputs below. Else the settings of a published method, in place of them all."),
    ] = "custom",
    against: Annotated[
        Against,
        Field(
            description="What the answer is set against: what the model says without its fovea, with the fovea on all "
            "that it leaves out, to the text alone (PAI), or to the image with noise in it (VCD)."
        ),
    ] = "no_fovea",
    strength: Annotated[
        float,
        Field(ge=0, le=20, description="g of g·(c − u) + u: 1 is the plain answer, 0 that of the other request."),
        Widget(step=0.1),
    ] = 1.5,
    cut: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Only tokens that are at least this times as likely as the likeliest are said; 0 allows all.",
        ),
        Widget(step=0.05),
    ] = 0.1,
    noise: Annotated[
        int,
        Field(ge=0, le=NOISE_STEPS - 1, description="noised_image: how much, in steps of diffusion; 999 hides it all."),
    ] = 500,
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="noised_image: of the noise.")] = 0,
) -> Annotated[Contrast, Field(description="What the answer is set against, for Query LVLM.")]:
    """Decode an answer by contrast: what makes it differ from what the model would say otherwise counts more.

    The model is asked twice at once, and every token is chosen by both: log p = g·(c − u) + u, of those that are likely
    enough in c, the answer itself. It takes twice the time.
    """
    if preset == "custom":
        return Contrast(against, strength, cut, noise, seed)
    own, untouched = contrast_preset(preset), Contrast()
    given = {"against": against, "strength": strength, "cut": cut, "noise": noise}
    for name, value in given.items():
        if value != getattr(untouched, name):
            problem, hint = (
                f"the preset {preset} sets it",
                f"Leave it at {getattr(untouched, name)!r}, or choose custom.",
            )
            raise BadInput(problem, input=name, value=value, hint=hint)
    return replace(own, seed=seed)


@node(
    "APPreviewFovea",
    estimate=estimates.panels,
    category=CATEGORY,
    title="Preview fovea",
    output=True,
    preview=True,
    waits=True,
    aliases=("show", "image tokens", "visualize"),
)
def preview_fovea(
    model: Annotated[LvlmModel, Field(description="The LVLM whose image tokens are shown, from Load LVLM.")],
    image: Picture,
    fovea: Annotated[Foveas, Field(description="Where the model is pointed, from Fovea.")],
    context: Context,
) -> Annotated[Image, Field(description="What is shown: a panel for each grid of tokens that lies on an image.")]:
    """Show which image tokens of a model a fovea points at, and how much: bright where it does, dim where it does not.

    Models that see an image as tiles and as a whole have a panel for each. What a model does not see is black.
    """
    panels = fovea_panels(model, to_pil(checked_image(image)), fovea)
    context.show_text("\n".join(panel.text for panel in panels))
    return preview_image(torch.stack([panel.image for panel in panels]), context)
