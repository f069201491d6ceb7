"""The batched forms of nodes: many calls, as few passes through a model, or over numbers, as they allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch

from api_graph.clip import ImageTokens, QueryFeatures, encode_queries
from api_graph.clip import encode_image as encode
from api_graph.pixels.measure import figures
from api_graph.sockets import Attribution

Call = Mapping[str, Any]

MOST_IMAGES = 32
"""Images in one forward pass."""

LAST_FOUR = -4
"""The first of the layers that count in the paper's recipe, unless the user says otherwise."""


def grouped(calls: Sequence[Call], kind: Callable[[Call], Hashable]) -> Iterable[list[int]]:
    """Indices of the calls of each kind."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        groups[kind(call)].append(index)
    return groups.values()


def alike(calls: Sequence[Call], *names: str) -> Iterable[list[int]]:
    """Indices of the calls that agree in the inputs `names`: the same model object, the same literals."""

    def kind(call: Call) -> Hashable:
        values = (call[name] for name in names)
        return tuple(v if isinstance(v, (str, int, float, bool)) else id(v) for v in values)

    return grouped(calls, kind)


def encode_images(calls: Sequence[Call]) -> list[ImageTokens]:
    """`Encode image`, for images of any sizes: the model sees all of them at its own size."""
    results: dict[int, ImageTokens] = {}
    for group in alike(calls, "model", "recipe", "start_layer", "layer"):
        for first in range(0, len(group), MOST_IMAGES):
            part = group[first : first + MOST_IMAGES]
            one = calls[part[0]]
            options = layers_of(one["recipe"], one["start_layer"], one["layer"])
            tokens = encode(one["model"], [calls[i]["image"] for i in part], **options)
            results |= zip(part, split_tokens(tokens, [len(calls[i]["image"]) for i in part]), strict=True)
    return [results[i] for i in range(len(calls))]


def encode_texts(calls: Sequence[Call]) -> list[QueryFeatures]:
    """`Encode query`; a row of a table gets the same features whatever other rows go with it."""
    results: dict[int, QueryFeatures] = {}
    for group in alike(calls, "model"):
        texts = [text_of(calls[i]["query"], calls[i]["hint"]) for i in group]
        features = encode_queries(calls[group[0]]["model"], texts, steady=True)
        for row, index in enumerate(group):
            results[index] = QueryFeatures(features.features[row : row + 1].clone(), (features.texts[row],))
    return [results[i] for i in range(len(calls))]


def texts_together(function: Callable[..., Attribution]) -> Callable[[Sequence[Call]], list[Attribution]]:
    """The batched form of a node that makes a map of each image and text: all texts of one image at once.

    A row of a table gets the same map whatever other rows go with it.
    """

    def batched(calls: Sequence[Call]) -> list[Attribution]:
        results: dict[int, Attribution] = {}
        for group in alike(calls, *(name for name in calls[0] if name != "query")):
            one = calls[group[0]]
            if len(one["tokens"].geometry) > 1:  # each of several images has a text of its own, or one for all
                results |= {index: function(**calls[index]) for index in group}
            else:
                results |= zip(group, _maps_of(function, one, [calls[index]["query"] for index in group]), strict=True)
        return [results[index] for index in range(len(calls))]

    return batched


def _maps_of(function: Callable[..., Attribution], call: Call, queries: Sequence[QueryFeatures]) -> list[Attribution]:
    """The maps of one image for each of the queries."""
    # A single vector is multiplied by other means than several are, with other last bits: it goes twice.
    given = list(queries) if sum(len(query.texts) for query in queries) > 1 else [*queries, *queries]
    joined = QueryFeatures(torch.cat([q.features for q in given]), tuple(text for q in given for text in q.texts))
    values = function(**{**call, "query": joined}).values.split([len(query.texts) for query in given])
    return [call["tokens"].placed(own.clone()) for own in values[: len(queries)]]


def measure_maps(calls: Sequence[Call]) -> list[str]:
    """`Measure map`: the figures of all maps that have one grid are found together."""

    def grid(call: Call) -> Hashable:
        values = call["attribution"].values
        return values.shape[1:], values.device

    lines: dict[int, list[str]] = {}
    for group in grouped(calls, grid):
        maps = [calls[index]["attribution"] for index in group]
        found = map(str, figures(Attribution.joined(maps)))
        lines |= {index: list(islice(found, len(each.geometry))) for index, each in zip(group, maps, strict=True)}
    for index, call in enumerate(calls):
        for line in lines[index]:
            call["context"].show_text(line)
    return ["\n".join(lines[index]) for index in range(len(calls))]


def layers_of(recipe: str, start_layer: int, layer: int) -> dict[str, Any]:
    """The options of the recipe that was chosen; the default start leaves it to the model, which may be shallower."""
    if recipe == "paper":
        return {"recipe": recipe, "start_layer": None if start_layer == LAST_FOUR else start_layer}
    return {"recipe": recipe, "layer": layer}


def text_of(query: str, hint: str) -> str:
    """The hint where there is one, else the question."""
    return hint if hint.strip() else query


def split_tokens(tokens: ImageTokens, counts: Sequence[int]) -> Iterable[ImageTokens]:
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
