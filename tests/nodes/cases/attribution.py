"""Ψ: nodes/attribution.py."""

from __future__ import annotations

from typing import Any

import torch

from api_graph import clip
from api_graph.clip import ImageTokens, QueryFeatures
from api_graph.context import Context
from api_graph.geometry import Geometry
from api_graph.pixels.heatmap import combine, figures, mean_filter, normalize
from api_graph.sockets import Attribution
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


def tokens_of(world: World, seed: int, images: int = 1, recipe: Any = "paper") -> ImageTokens:
    """Random tokens of images, as Encode image gives them."""
    patches = world.noise(2, images, 12, 16, seed=seed) - 0.5
    geometry = tuple(Geometry.whole(40 + image, 30) for image in range(images))
    return ImageTokens(patches[0], patches[1], world.noise(images, 16, seed=seed + 1), (3, 4), geometry, recipe)


def query_of(world: World, seed: int, count: int = 1) -> QueryFeatures:
    return QueryFeatures(world.noise(count, 16, seed=seed) - 0.5, tuple(f"text {i}" for i in range(count)))


@case("APEncodeImage")
def encode_image(world: World) -> Case:
    def expected(model: Any, image: Any, recipe: str, start_layer: int, layer: int) -> ImageTokens:
        if recipe == "reference":
            return clip.encode_image(model, image, recipe="reference", layer=layer)
        # The paper's -4 of the demo's four layers is the first.
        return clip.encode_image(model, image, start_layer=0 if start_layer == -4 else start_layer)

    return Case(
        expected,
        given={"model": world.clip, "image": world.picture(1)},
        others={
            "model": at(world.other_clip),
            "image": [at(world.picture(2, width=240)), at(torch.cat([world.picture(3), world.picture(4)]))],
            "recipe": at("reference"),
            "start_layer": at(-2),
            "layer": at(-1, recipe="reference"),
        },
    )


@case("APEncodeQuery")
def encode_query(world: World) -> Case:
    return Case(
        lambda model, query, hint, blank: clip.encode_queries(model, hint if hint.strip() else query, blank=blank),
        given={"model": world.clip, "query": "the red ring"},
        others={
            "model": at(world.other_clip),
            "query": at("a yellow star"),
            "hint": [at("blue"), at("blue", query=" ")],
            "blank": at(True, query=""),
        },
        refusals=[refused("query", query="  ")],
    )


@case("APPsiCls")
def psi_cls(world: World) -> Case:
    def expected(tokens: ImageTokens, query: QueryFeatures, similarity: Any) -> Attribution:
        values = clip.psi_cls(tokens, query, None if similarity == "auto" else similarity)
        return Attribution(values, tokens.geometry * (len(values) // len(tokens.geometry)))

    reference = tokens_of(world, 1, recipe="reference")
    return Case(
        expected,
        given={"tokens": tokens_of(world, 1), "query": query_of(world, 1)},
        others={
            "tokens": [at(tokens_of(world, 2)), at(tokens_of(world, 3, images=3)), at(reference)],
            "query": [at(query_of(world, 2)), at(query_of(world, 3, count=2))],
            "similarity": [at("contribution"), at("cosine", tokens=reference)],
        },
    )


@case("APPsiComp")
def psi_comp(world: World) -> Case:
    def expected(tokens: ImageTokens, query: QueryFeatures) -> Attribution:
        values = clip.psi_comp(tokens, query)
        return Attribution(values, tokens.geometry * (len(values) // len(tokens.geometry)))

    return Case(
        expected,
        given={"tokens": tokens_of(world, 1), "query": query_of(world, 1)},
        others={
            "tokens": [at(tokens_of(world, 2)), at(tokens_of(world, 3, images=3))],
            "query": [at(query_of(world, 2)), at(query_of(world, 3, count=2))],
        },
    )


@case("APSoftOr")
def soft_or(world: World) -> Case:
    return Case(
        lambda a, b, mode: Attribution(combine(a.values, b.values, mode), a.geometry),
        given={"a": world.maps(seed=1), "b": world.maps(seed=2, size=(20, 15))},
        others={
            "a": [at(world.maps(seed=3, size=(80, 60))), at(world.maps(seed=5))],
            "b": at(world.maps(seed=4)),
            "mode": [at("product"), at("mean"), at("max")],
        },
    )


@case("APNormalize")
def normalize_map(world: World) -> Case:
    unsound = Attribution(torch.full((1, 3, 3), torch.nan), world.maps().geometry)
    return Case(
        lambda attribution, mode, contrast: Attribution(
            normalize(attribution.values, mode, contrast), attribution.geometry
        ),
        given={"attribution": world.maps(seed=1)},
        others={
            "attribution": at(world.maps(2, seed=2)),
            "mode": [at("sigmoid"), at("none")],
            "contrast": at(2.5, mode="sigmoid"),
        },
        refusals=[refused("attribution", attribution=unsound)],
    )


@case("APMeanFilterTokens")
def mean_filter_tokens(world: World) -> Case:
    return Case(
        lambda attribution, kernel_size: Attribution(
            mean_filter(attribution.values, kernel_size), attribution.geometry
        ),
        given={"attribution": world.maps(seed=1)},
        others={"attribution": at(world.maps(2, side=7, seed=2)), "kernel_size": at(5)},
        refusals=[refused("kernel_size", kernel_size=4)],
    )


@case("APMeasure")
def measure(world: World) -> Case:
    def expected(attribution: Attribution, context: Context) -> tuple[object, ...]:
        found = figures(attribution)
        for one in found:
            context.show_text(str(one))
        columns = zip(*(one.as_dict().values() for one in found), strict=True)
        return "\n".join(map(str, found)), *map(list, columns)

    return Case(
        expected,
        given={"attribution": world.maps(seed=1)},
        others={"attribution": [at(world.maps(2, seed=2)), at(world.maps(2, side=7, seed=3))]},
    )
