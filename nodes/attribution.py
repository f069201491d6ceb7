"""Ψ: which patches matter for a question (API sections 3.1 and 3.2)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api_graph import clip
from api_graph.clip import ImageTokens, QueryFeatures
from api_graph.context import Context
from api_graph.errors import inputs_named
from api_graph.pixels.heatmap import Combination, Normalization, combine, mean_filter, normalize
from api_graph.sockets import Attribution
from api_graph.spec import Widget, node

from . import batches
from .wires import Clip, Map, NewMap, Picture, Query

CATEGORY = "attention prompting/attribution"

Recipe = Literal["paper", "reference"]
Similarity = Literal["auto", "cosine", "contribution"]
Tokens = Annotated[ImageTokens, Field(description="The encoded image, from Encode image.")]


@node(
    "APEncodeImage",
    category=CATEGORY,
    title="Encode image",
    store=True,
    batched=batches.encode_images,
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
        Field(ge=-200, le=200, description="paper: first layer whose attention counts; -4 is the fourth to last."),
    ] = batches.LAST_FOUR,
    layer: Annotated[
        int, Field(ge=-200, le=200, description="reference: the one layer that it reads; -2 is 22 of 0 to 23.")
    ] = -2,
) -> Annotated[ImageTokens, Field(description="What each patch contributes and says; the same for every question.")]:
    """Run the image through CLIP once and keep what each patch contributes, before any question is asked.

    Per patch: the summed contribution of the last layers' attention to the CLS token (API eq. 3 to 5) and the final
    token, both already through the final LayerNorm and projection.
    """
    return clip.encode_image(model, image, **batches.layers_of(recipe, start_layer, layer))


@node("APEncodeQuery", category=CATEGORY, title="Encode query", store=True, batched=batches.encode_texts)
def encode_query(
    model: Clip,
    query: Annotated[str, Field(description="What to look for: the question, or a phrase."), Widget(multiline=True)],
    hint: Annotated[
        str, Field(description="Steers the map in place of the question, which stays as it is for the LVLM.")
    ] = "",
) -> Annotated[QueryFeatures, Field(description="The text's features, to compare patches, boxes and images with.")]:
    """Run a question, or a hint that stands in for it, through CLIP's text tower."""
    with inputs_named(queries="query"):
        return clip.encode_queries(model, batches.text_of(query, hint))


def _psi_cls(tokens: ImageTokens, query: QueryFeatures, similarity: Similarity) -> Attribution:
    return tokens.placed(clip.psi_cls(tokens, query, None if similarity == "auto" else similarity))


@node(
    "APPsiCls",
    category=CATEGORY,
    title="Ψ cls",
    store=True,
    batched=batches.texts_together(_psi_cls),
    aliases=("attribution", "decomposed CLS"),
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
    return _psi_cls(tokens, query, similarity)


def _psi_comp(tokens: ImageTokens, query: QueryFeatures) -> Attribution:
    return tokens.placed(clip.psi_comp(tokens, query))


@node("APPsiComp", category=CATEGORY, title="Ψ comp", store=True, batched=batches.texts_together(_psi_comp))
def psi_comp(
    tokens: Tokens, query: Query
) -> Annotated[Attribution, Field(description="Ψ comp: one map for each image and text.")]:
    """One minus the similarity of each patch's final token to the question: context that Ψ cls misses (API eq. 6)."""
    return _psi_comp(tokens, query)


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
        int, Field(ge=1, le=255, description="Side of the window, in tokens; odd."), Widget(step=2)
    ] = 3,
) -> NewMap:
    """Smooth a map on the token grid, where the official code does it; the paper does it in pixels."""
    return attribution.with_values(mean_filter(attribution.values, kernel_size))


@node("APMeasure", category=CATEGORY, title="Measure map", output=True, batched=batches.measure_maps)
def measure(attribution: Map, context: Context) -> Annotated[str, Field(description="One line per map.")]:
    """Say where a map's peak lies, in source pixels, and how much it commits itself."""
    return batches.measure_maps([{"attribution": attribution, "context": context}])[0]
