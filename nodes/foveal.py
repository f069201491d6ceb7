"""FALIP: point CLIP at a region without touching a pixel. Boxes, foveal masks, and features under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from api_graph import clip
from api_graph.clip import ClipModel, ImageFeatures, PreparedImages, QueryFeatures
from api_graph.clip.foveal_cells import CellRule
from api_graph.clip.foveal_masks import (
    FovealKernel,
    Join,
    KernelScale,
    MaskShape,
    OnEmpty,
    box_masks,
    map_masks,
    pixel_masks,
)
from api_graph.clip.foveal_pass import Form
from api_graph.clip.unleash import Order, head_reactions, strongest
from api_graph.errors import BadInput, inputs_named
from api_graph.models.layers import whole_numbers
from api_graph.pixels._check import checked_image, fitted_masks
from api_graph.pixels.matrix_figure import matrix_figure
from api_graph.pixels.pairing import EVERY, Pairing, Pairs
from api_graph.pixels.read import to_tensor
from api_graph.regions import Boxes
from api_graph.sockets import Attribution, Image, Mask
from api_graph.spec import Widget, node

from . import estimates
from .boxes import boxes as boxes
from .boxes import boxes_from_mask as boxes_from_mask
from .prompts import PairingChoice, corners
from .socket_types import AnyBoxes, Clip, NewFeatures, Picture, boxes_of

CATEGORY = "attention prompting/foveal"

Layers = Annotated[
    str,
    Field(
        description='Which layers get the bias: "last 4", "from 8" (the official constant), "all", or numbers: '
        '"8,9", "-4..-1".'
    ),
]
FormOfBias = Annotated[
    Form,
    Field(
        description="cls: the CLS token's scores (the method). rows: every token's. diagonal: each token's with itself."
    ),
]
UnleashLayers = Annotated[str, Field(description="Layers whose heads are amplified; empty: the layers of the bias.")]
Heads = Annotated[str, Field(description="Heads that are amplified, such as 0, 3; empty: all.")]
OrderOfUnleash = Annotated[
    Order,
    Field(description="sequential: each layer reacts to the amplified ones before it. parallel: to none of them."),
]


Alpha = Annotated[
    float, Field(ge=-100, le=100, description="α, the bias in the middle of the region."), Widget(step=0.05)
]
Sigma = Annotated[
    float,
    Field(ge=0.01, le=1e6, description="σ in patches. minmax makes all from about 20 to 500 one setting."),
    Widget(step=1),
]
Cells = Annotated[
    CellRule,
    Field(description="overlap: the patches that a box covers. reference: the official code's, with its extra ones."),
]
ShapeOfMask = Annotated[
    MaskShape,
    Field(description="mask: 0 outside the mask. centroid: also centred on its mean. box: the box around it."),
]
FovealMasks = Annotated[
    Attribution,
    Field(description="On the grid of patches: one mask for each region, or one for each on each image."),
]
Coverage = Annotated[
    float,
    Field(ge=0, le=1, description="mask: share of a patch that it must cover; 0: anything."),
    Widget(step=0.05, slider=True),
]


@node(
    "APFovealMask",
    estimate=estimates.foveal_masks,
    category=CATEGORY,
    title="Foveal mask",
    store=True,
    version=2,
    aliases=("FALIP", "fovea", "region of attention", "attention mask", "look at a region"),
)
def foveal_mask(
    model: Clip,
    image: Picture,
    boxes: Annotated[AnyBoxes | None, Field(description="The region: boxes, or one of the next two.")] = None,
    mask: Annotated[
        Mask | None, Field(description="The region: masks. The empty 64×64 mask of Load Image is none.")
    ] = None,
    attribution: Annotated[
        Attribution | None, Field(description="The fovea itself: a map of this image, from any model.")
    ] = None,
    alpha: Alpha = 0.2,
    sigma: Sigma = 100.0,
    join: Annotated[
        Join, Field(description="each: one per region. max: the union of all. enclosing: around all boxes.")
    ] = "each",
    cells: Cells = "overlap",
    scale: Annotated[
        KernelScale, Field(description="minmax: from 0 to α, as the paper. none: α times as it is.")
    ] = "minmax",
    shape: ShapeOfMask = "mask",
    coverage: Coverage = 0.5,
    on_empty: Annotated[
        OnEmpty, Field(description="Where the model sees nothing of a region: error, or a mask of zeros.")
    ] = "error",
    pairing: PairingChoice = EVERY,
) -> FovealMasks:
    """A Gaussian over the patches of a region: what is added to the CLS token's attention scores (FALIP section 3).

    It is shown, resized and blended like any other map. Several images with several boxes or masks give one for each
    pair; with one of either, one for each of the others' is enough.
    """
    image, pairs = checked_image(image), None
    geometry, grid = model.preprocess.geometry(image.shape[2], image.shape[1]), model.tower.grid
    kernel = FovealKernel(alpha, sigma, scale)
    mask = None if mask is None else fitted_masks(mask, image, "mask")
    if sum(region is not None for region in (boxes, mask, attribution)) != 1:
        raise BadInput("give boxes, a mask or an attribution, and one of them only", input="boxes")
    if boxes is None and join == "enclosing":
        raise BadInput("only boxes are enclosed", input="join", value=join, hint="Use each or max.")
    if boxes is not None:
        where = _boxes_in(boxes, image, pairing, on_empty)
        pairs, join = _pairs(image, len(where), pairing, join, "boxes")
        with inputs_named(region="boxes"):
            values = box_masks(where.values, geometry, grid, kernel, cells=cells, join=join, on_empty=on_empty)
    elif mask is not None:
        pairs, join = _pairs(image, len(mask), pairing, join, "mask")
        with inputs_named(region="mask"):
            values = pixel_masks(
                mask, geometry, grid, kernel, shape=shape, coverage=coverage, cells=cells, on_empty=on_empty
            )
    else:
        assert attribution is not None
        values = map_masks(attribution, (geometry,), grid, kernel)
    if join == "max":
        values = values.amax(0, keepdim=True)
    if pairs is not None and pairs.regions and len(image) > 1 and len(values) > 1:
        values = values[pairs.regions]
    return Attribution(values, (geometry,) * len(values))


def _boxes_in(given: AnyBoxes, image: Tensor, pairing: Pairing, on_empty: OnEmpty) -> Boxes:
    """The boxes. BadInput for those of another image; for those that lie outside it too, unless they may be empty."""
    boxes = boxes_of(given, image, pairing)
    _check_size(boxes.size, (image.shape[2], image.shape[1]), "boxes")
    if on_empty == "error":
        corners(boxes, image)
    return boxes


def _pairs(image: Tensor, regions: int, pairing: Pairing, join: Join, input: str) -> tuple[Pairs, Join]:
    """The pairs of images and regions, and how the regions of an image are joined: one alone is not."""
    pairs = Pairs.of(len(image), regions, pairing, input=input, together=join != "each")
    return pairs, "each" if pairs.regions else join


def _masks_per_image(model: ClipModel, image: Tensor, fovea: Attribution) -> list[Tensor]:
    """The masks of each image, (B_i, gh, gw): one mask for all, or as many for each, those of the first image first."""
    image = checked_image(image)
    size = (image.shape[2], image.shape[1])
    for geometry in fovea.geometry:
        _check_size((geometry.width, geometry.height), size, "fovea")
    if any(geometry != model.preprocess.geometry(*size) for geometry in fovea.geometry):
        raise BadInput(
            "it was made for a model that sees another part of the image",
            input="fovea",
            hint="Make it with this model; an attribution can be its attribution input.",
        )
    values = fovea.values
    if len(values) == 1:
        return [values] * len(image)
    if not len(values) or len(values) % len(image):
        problem, hint = f"{len(values)} masks do not go with {len(image)} images", "Give one for all, or one for each."
        raise BadInput(problem, input="fovea", value=len(values), hint=hint)
    return [*values.split(len(values) // len(image))]


def _check_size(own: tuple[int, int], image: tuple[int, int], input: str) -> None:
    """Raise BadInput for a region of an image of another size (width, height)."""
    if own != image:
        raise BadInput(
            f"it belongs to an image of {own[0]}×{own[1]} pixels, not {image[0]}×{image[1]}",
            input=input,
            value=own,
            hint="Use the image that it was made for.",
        )


def _heads_of(text: str) -> list[int] | None:
    """The heads that a text names; None where it is empty, for all."""
    return whole_numbers(text, "heads") if text.strip() else None


def foveal_features_of(
    image: Sequence[Tensor],
    fovea: Sequence[Attribution],
    *,
    model: ClipModel,
    layers: str,
    form: Form,
    unleash: float,
    unleash_layers: str,
    heads: str,
    order: Order,
) -> list[ImageFeatures]:
    """`Foveal features` for many calls, whose images (B, H, W, 3) may differ in size; a feature for each mask."""
    masks = [_masks_per_image(model, images, maps) for images, maps in zip(image, fovea, strict=True)]
    with inputs_named(masks="fovea"):
        features = clip.foveal_features(
            PreparedImages.of_batches(model, image),
            [part for parts in masks for part in parts],
            model,
            layers=layers,
            form=form,
            unleash=unleash,
            unleash_layers=unleash_layers or None,
            heads=_heads_of(heads),
            order=order,
        )
    return _split_features(features, [sum(len(part) for part in parts) for parts in masks])


def image_features_of(image: Sequence[Tensor], *, model: ClipModel) -> list[ImageFeatures]:
    """`Image features` for many calls, whose images (B, H, W, 3) may differ in size."""
    return _split_features(
        clip.foveal_features(PreparedImages.of_batches(model, image), model=model), [len(images) for images in image]
    )


def _split_features(features: Tensor, counts: Sequence[int]) -> list[ImageFeatures]:
    """Features of `counts` rows each; copies, so that none keeps the whole batch in memory."""
    return [ImageFeatures(part.clone()) for part in features.split(list(counts))]


@node(
    "APFovealFeatures",
    category=CATEGORY,
    title="Foveal features",
    store=True,
    batched=foveal_features_of,
    over=("image", "fovea"),
)
def foveal_features(
    model: Clip,
    image: Annotated[Image, Field(description="One for all masks, or one for each.")],
    fovea: Annotated[
        Attribution,
        Field(description="Foveal masks for this model and image: one for all images, or as many for each."),
    ],
    layers: Layers = "last 4",
    form: FormOfBias = "cls",
    unleash: Annotated[
        float,
        Field(ge=-100, le=100, description="λ: how much more the heads react to the mask; 0: not at all."),
        Widget(step=0.1),
    ] = 0.0,
    unleash_layers: UnleashLayers = "",
    heads: Heads = "",
    order: OrderOfUnleash = "sequential",
) -> NewFeatures:
    """CLIP's image features, one for each mask, with the mask added to its attention (FALIP section 3).

    What the masks share is computed once.
    """
    return foveal_features_of(
        [image],
        [fovea],
        model=model,
        layers=layers,
        form=form,
        unleash=unleash,
        unleash_layers=unleash_layers,
        heads=heads,
        order=order,
    )[0]


@node(
    "APImageFeatures",
    category=CATEGORY,
    title="Image features",
    store=True,
    batched=image_features_of,
    over=("image",),
)
def image_features(model: Clip, image: Picture) -> NewFeatures:
    """CLIP's plain image features, one for each image: of crops and drawn prompts, or to compare with."""
    return image_features_of([image], model=model)[0]


@node("APJoinFeatures", category=CATEGORY, title="Join features", store=True, aliases=("concatenate",))
def join_features(
    features: Annotated[list[ImageFeatures], Field(description="Features in the order in which they are joined.")],
) -> NewFeatures:
    """The features of a list as one: of crops, which differ in size and so go through the model one by one."""
    return ImageFeatures(torch.cat([one.features for one in features]))


@node("APUnleash", category=CATEGORY, title="Unleash", store=True, aliases=("head amplification",))
def unleash(
    model: Clip,
    image: Annotated[Image, Field(description="With a prompt drawn on it; one or several.")],
    clean: Annotated[Image, Field(description="Without the prompt: one for all, or one for each.")],
    gain: Annotated[
        float, Field(ge=-100, le=100, description="λ; 1 is the paper's, 0 the plain drawn prompt."), Widget(step=0.1)
    ] = 1.0,
    layers: Annotated[
        str, Field(description='Layers whose heads are amplified: "last 4", "all", or numbers: "8,9", "-4..-1".')
    ] = "last 4",
    heads: Heads = "",
    order: OrderOfUnleash = "sequential",
    fovea: Annotated[Attribution | None, Field(description="Foveal masks on top of the drawn prompt.")] = None,
    fovea_layers: Annotated[str, Field(description="Layers that get the fovea's bias.")] = "last 4",
) -> NewFeatures:
    """Image features of drawn images, with what each head does about the prompt amplified (FALIP's Unleash)."""
    masks = None if fovea is None else _masks_per_image(model, image, fovea)
    with inputs_named(masks="fovea", layers="fovea_layers", unleash_layers="layers", unleash="gain"):
        features = clip.foveal_features(
            PreparedImages.of_batches(model, image),
            masks,
            model,
            layers=fovea_layers,
            unleash=gain,
            unleash_layers=layers,
            heads=_heads_of(heads),
            order=order,
            clean=None if clean is None else PreparedImages.of_batches(model, clean, "clean"),
        )
    return ImageFeatures(features)


class Reactions(NamedTuple):
    image: Annotated[Image, Field(description="One square per layer and head.")]
    text: Annotated[str, Field(description="The heads that react most.")]
    layers: list[Annotated[int, Field(description="The layer of each head in the text, counted from 0.")]]
    heads: list[Annotated[int, Field(description="Its number in that layer, counted from 0.")]]
    changes: list[Annotated[float, Field(description="How much it reacts.")]]


@node("APHeadReactions", category=CATEGORY, title="Head reactions", store=True, version=2)
def reactions(
    model: Clip,
    image: Annotated[Image, Field(description="The image; with a prompt drawn on it where clean is given.")],
    fovea: Annotated[Attribution | None, Field(description="Foveal masks that the heads react to.")] = None,
    clean: Annotated[Image | None, Field(description="The image before the prompt was drawn.")] = None,
    query: Annotated[QueryFeatures | None, Field(description="Measure the reaction along this text.")] = None,
    layers: Layers = "last 4",
    colormap: Annotated[Literal["viridis", "turbo", "inferno", "grey"], Field(description="Low to high.")] = "viridis",
    most: Annotated[int, Field(ge=1, le=1000, description="How many heads the text names.")] = 8,
) -> Reactions:
    """Which heads change what they add to the CLS token when there is a prompt, layer by layer."""
    masks = None if fovea is None else _masks_per_image(model, image, fovea)
    text = None if query is None else query.features.mean(0)
    with inputs_named(masks="fovea"):
        shown = PreparedImages.of_batches(model, image)
        unmarked = None if clean is None else PreparedImages.of_batches(model, clean, "clean")
        found = head_reactions(model, shown, masks, clean=unmarked, layers=layers, text=text)
    title = "change of each head" if query is None else "change of each head along the query"
    figure = matrix_figure(found, rows="layer", columns="head", title=title, colormap=colormap)
    best = strongest(found, most)
    return Reactions(to_tensor(figure)[0], "\n".join(map(str, best)), *map(list, zip(*best, strict=True)))
