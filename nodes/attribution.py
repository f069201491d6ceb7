"""Ψ: which patches matter for a question (API sections 3.1 and 3.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from api_graph import clip
from api_graph.clip import ClipModel, ImageTokens, LayerChoice, PreparedImages, QueryFeatures
from api_graph.context import Context
from api_graph.errors import inputs_named
from api_graph.pixels.heatmap import Combination, MapFigures, Normalization, combine, figures, mean_filter, normalize
from api_graph.sockets import Attribution
from api_graph.spec import Odd, Widget, node

from . import estimates
from .socket_types import Clip, Map, NewMap, Picture, Query

CATEGORY = "attention prompting/attribution"

Recipe = Literal["paper", "reference"]
Similarity = Literal["auto", "cosine", "contribution"]
Tokens = Annotated[ImageTokens, Field(description="The encoded image, from Encode image.")]

MOST_IMAGES = 32
"""Images in one forward pass of a processor. A GPU is given as many as its memory has room for, which is measured."""

LAST_FOUR = -4
"""The default of `start_layer`: the last four layers, or all that a shallower model has."""


def prepare_image(model: ClipModel, image: Tensor) -> dict[str, object]:
    """What `Encode image` shows the model."""
    return {"image": PreparedImages.of_batches(model, image)}


def encode_images(
    image: Sequence[Tensor | PreparedImages],
    recipe: Sequence[Recipe],
    start_layer: Sequence[int],
    layer: Sequence[int],
    *,
    model: ClipModel,
) -> list[ImageTokens]:
    """`Encode image` for many calls, whose images (B, H, W, 3) may differ in size: the model sees all at its own.

    Calls about one image share its run through the tower, whichever layers they ask for.
    """
    choices = [_choice(*own) for own in zip(recipe, start_layer, layer, strict=True)]
    asked: dict[int, list[int]] = defaultdict(list)  # by the image
    for index, one in enumerate(image):
        asked[id(one)].append(index)
    results: dict[int, ImageTokens] = {}
    groups = list(asked.values())
    most = max(1, len(groups)) if model.device.type == "cuda" else MOST_IMAGES
    for first in range(0, len(groups), most):
        part = groups[first : first + most]
        wanted = list(dict.fromkeys(choices[index] for group in part for index in group))
        images = [PreparedImages.of_batches(model, image[group[0]]) for group in part]
        found = clip.encode_image_at(model, PreparedImages.joined(images), wanted)
        split = {one: list(split_tokens(own, list(map(len, images)))) for one, own in zip(wanted, found, strict=True)}
        for place, group in enumerate(part):
            results |= {index: split[choices[index]][place] for index in group}
    return [results[index] for index in range(len(image))]


def _choice(recipe: Recipe, start_layer: int, layer: int) -> LayerChoice:
    """The layers that a node's inputs mean: of the other recipe's none is looked at."""
    if recipe == "reference":
        return LayerChoice(recipe, None, layer)
    return LayerChoice(recipe, None if start_layer == LAST_FOUR else start_layer)


def split_tokens(tokens: ImageTokens, counts: Sequence[int]) -> Iterator[ImageTokens]:
    """The tokens of `counts` images each; copies, so that none keeps the whole batch in memory."""
    first = 0
    for count in counts:
        rows = slice(first, first + count)
        first += count
        yield replace(
            tokens,
            contributions=tokens.contributions[rows].clone(),
            tokens=tokens.tokens[rows].clone(),
            features=tokens.features[rows].clone(),
            geometry=tokens.geometry[rows],
        )


@node(
    "APEncodeImage",
    estimate=estimates.encoded,
    category=CATEGORY,
    title="Encode image",
    store=True,
    batched=encode_images,
    over=("image", "recipe", "start_layer", "layer"),
    at_once=("recipe", "start_layer", "layer"),
    eight_bits=True,
    prepare=prepare_image,
    aliases=("CLIP vision encode", "decompose"),
)
def encode_image(
    model: Clip,
    image: Picture,
    recipe: Annotated[
        Recipe, Field(description="paper: the equations. reference: exactly what the official code computes.")
    ] = "paper",
    start_layer: Annotated[
        int,
        Field(
            ge=-200,
            le=200,
            description="paper: first layer that counts, up to the last. The paper names none; the last four decide "
            "(Gandelsman et al., 2024). Table 4 compares single layers (23, 22, 20, 15): `layer` of the reference "
            "recipe.",
        ),
    ] = LAST_FOUR,
    layer: Annotated[
        int, Field(ge=-200, le=200, description="reference: the one layer that it reads; -2 is 22 of 0 to 23.")
    ] = -2,
) -> Annotated[ImageTokens, Field(description="What each patch contributes and says; the same for every question.")]:
    """Run the image through CLIP once and keep what each patch contributes, before any question is asked.

    Per patch: the summed contribution of the last layers' attention to the CLS token (API eq. 3 to 5) and the final
    token, both already through the final LayerNorm and projection.
    """
    images = PreparedImages.of_batches(model, image)
    return clip.encode_image_at(model, images, [_choice(recipe, start_layer, layer)])[0]


def encode_queries(query: Sequence[str], hint: Sequence[str], *, model: ClipModel, blank: bool) -> list[QueryFeatures]:
    """`Encode query` for many calls. Each gets the same features, to the last bit, whatever other calls go with it."""
    texts = [own_hint if own_hint.strip() else text for text, own_hint in zip(query, hint, strict=True)]
    with inputs_named(queries="query"):
        found = clip.encode_queries(model, texts, steady=True, blank=blank)
    return [QueryFeatures(found.features[i : i + 1].clone(), (text,)) for i, text in enumerate(found.texts)]


@node(
    "APEncodeQuery",
    category=CATEGORY,
    title="Encode query",
    store=True,
    batched=encode_queries,
    over=("query", "hint"),
)
def encode_query(
    model: Clip,
    query: Annotated[str, Field(description="What to look for: the question, or a phrase."), Widget(multiline=True)],
    hint: Annotated[
        str, Field(description="Steers the map in place of the question, which stays as it is for the LVLM.")
    ] = "",
    blank: Annotated[
        bool,
        Field(
            description="Encode an empty query, too: what the map shows without a question, as a control. Off: refuse."
        ),
    ] = False,
) -> Annotated[QueryFeatures, Field(description="The text's features, to compare patches, boxes and images with.")]:
    """Run a question, or a hint that stands in for it, through CLIP's text tower."""
    with inputs_named(queries="query"):
        return clip.encode_queries(model, hint if hint.strip() else query, blank=blank)


def _maps_of_queries(
    map_of: Callable[[QueryFeatures], Attribution], tokens: ImageTokens, queries: Sequence[QueryFeatures]
) -> list[Attribution]:
    """The maps of each query. For one image all are made at once, with the same last bits whatever goes together."""
    if len(tokens.geometry) > 1:  # each of several images has a text of its own, or one for all
        return [map_of(query) for query in queries]
    # A single vector is multiplied by other means than several are, with other last bits: it goes twice.
    given = list(queries) if sum(len(query.texts) for query in queries) > 1 else [*queries, *queries]
    joined = QueryFeatures(torch.cat([q.features for q in given]), tuple(text for q in given for text in q.texts))
    values = map_of(joined).values.split([len(query.texts) for query in given])
    return [tokens.placed(own.clone()) for own in values[: len(queries)]]


def psi_cls_of_queries(
    query: Sequence[QueryFeatures], *, tokens: ImageTokens, similarity: Similarity
) -> list[Attribution]:
    """`Ψ cls` for all queries about one image, or about one batch of images."""
    return _maps_of_queries(partial(psi_cls, tokens, similarity=similarity), tokens, query)


@node(
    "APPsiCls",
    category=CATEGORY,
    title="Ψ cls",
    store=True,
    batched=psi_cls_of_queries,
    over=("query",),
    aliases=("attention map", "saliency", "where to look", "explain", "attribution", "decomposed CLS"),
)
def psi_cls(
    tokens: Tokens,
    query: Query,
    similarity: Annotated[
        Similarity,
        Field(
            description="cosine ranks patches by direction, contribution by their share in the image's score; "
            "auto is the recipe's own."
        ),
    ] = "auto",
) -> Annotated[Attribution, Field(description="Ψ cls: one map for each image and text.")]:
    """How much each patch, through the last layers' attention, brings the image closer to the question (API eq. 5)."""
    return tokens.placed(clip.psi_cls(tokens, query, None if similarity == "auto" else similarity))


def psi_comp_of_queries(query: Sequence[QueryFeatures], *, tokens: ImageTokens) -> list[Attribution]:
    """`Ψ comp` for all queries about one image, or about one batch of images."""
    return _maps_of_queries(partial(psi_comp, tokens), tokens, query)


@node("APPsiComp", category=CATEGORY, title="Ψ comp", store=True, batched=psi_comp_of_queries, over=("query",))
def psi_comp(
    tokens: Tokens, query: Query
) -> Annotated[Attribution, Field(description="Ψ comp: one map for each image and text.")]:
    """One minus the similarity of each patch's final token to the question: context that Ψ cls misses (API eq. 6)."""
    return tokens.placed(clip.psi_comp(tokens, query))


@node("APSoftOr", category=CATEGORY, title="Soft OR", rowwise=True, store=True, aliases=("combine maps",))
def soft_or(
    a: Annotated[Attribution, Field(description="A map, such as Ψ cls.")],
    b: Annotated[Attribution, Field(description="Another map of the same image, such as Ψ comp.")],
    mode: Annotated[
        Combination, Field(description="soft_or is the paper's; the others are there to compare.")
    ] = "soft_or",
) -> Annotated[Attribution, Field(description="The two maps as one.")]:
    """Keep what either map keeps: Ψ = Ψ₁ + Ψ₂ − Ψ₁·Ψ₂ (API eq. 7)."""
    return a.with_values(combine(a.values, b.values, mode))


@node("APNormalize", category=CATEGORY, title="Normalize map", rowwise=True, store=True)
def normalize_map(
    attribution: Map,
    mode: Annotated[
        Normalization, Field(description="minmax; sigmoid of contrast × z-score, as the official code does; or none.")
    ] = "minmax",
    contrast: Annotated[
        float, Field(ge=0, le=100, description="sigmoid only: how hard it cuts."), Widget(step=0.5)
    ] = 5.0,
) -> NewMap:
    """Bring a map into [0, 1]. The paper states no normalisation; the official code has two."""
    return attribution.with_values(normalize(attribution.values, mode, contrast, input="attribution"))


@node("APMeanFilterTokens", category=CATEGORY, title="Mean filter (tokens)", rowwise=True, store=True)
def mean_filter_tokens(
    attribution: Map,
    kernel_size: Annotated[
        int,
        Field(ge=1, le=255, description="Side of the window, in tokens; odd. The paper's table 3 compares 1, 3 and 7."),
        Odd(),
    ] = 3,
) -> NewMap:
    """Smooth a map on the token grid, where the official code does it; the paper does it in pixels."""
    return attribution.with_values(mean_filter(attribution.values, kernel_size))


class Measured(NamedTuple):
    """What `Measure map` gives."""

    string: Annotated[str, Field(description="One line per map.")]
    peak_x: list[Annotated[float, Field(description="Where the peak lies, in source pixels; one number per map.")]]
    peak_y: list[Annotated[float, Field(description="The same, from the top; one number per map.")]]
    peak: list[Annotated[float, Field(description="The highest value of each map.")]]
    mean: list[Annotated[float, Field(description="The mean of each map.")]]
    lowest: list[Annotated[float, Field(description="The lowest value of each map.")]]
    top_tenth: list[Annotated[float, Field(description="Share of the mass that the highest tenth of cells holds.")]]
    entropy: list[Annotated[float, Field(description="1 for a flat map, 0 where a single cell has it all.")]]
    unseen: list[Annotated[float, Field(description="Share of the image that the model did not see.")]]


def _measured(found: Sequence[MapFigures], context: Context) -> Measured:
    """The figures of one call's maps, which are shown, a line each."""
    lines = [str(one) for one in found]
    for line in lines:
        context.show_text(line)
    return Measured("\n".join(lines), *([getattr(one, name) for one in found] for name in Measured._fields[1:]))


def measure_maps(attribution: Sequence[Attribution], context: Sequence[Context]) -> list[Measured]:
    """`Measure map` for many calls: maps with equal grids are measured together."""
    grids: dict[Hashable, list[int]] = defaultdict(list)
    for index, maps in enumerate(attribution):
        grids[maps.values.shape[1:], maps.values.device].append(index)
    results: dict[int, list[MapFigures]] = {}
    for indices in grids.values():
        found = iter(figures(Attribution.joined([attribution[index] for index in indices])))
        for index in indices:
            results[index] = [next(found) for _ in attribution[index].geometry]
    return [_measured(results[index], own) for index, own in enumerate(context)]


@node(
    "APMeasure",
    category=CATEGORY,
    title="Measure map",
    output=True,
    store=True,
    batched=measure_maps,
    over=("attribution",),
)
def measure(attribution: Map, context: Context) -> Measured:
    """Say where a map's peak lies, in source pixels, and how much it commits itself."""
    return _measured(figures(attribution), context)
