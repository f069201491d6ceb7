"""The batched forms of the nodes that save: making PNG files is the most work of many a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from api_graph.context import DeferredWork, SaveContext
from api_graph.errors import BadInput, inputs_named
from api_graph.pixels.write import NumberedPng, numbered_png, write_in_turn, written

Call = Mapping[str, Any]


def save_images(calls: Sequence[Call]) -> DeferredWork:
    """`Save image`: the images as they came in, or what went wrong with one call."""
    return _saved(calls, "images")


def save_heatmaps(calls: Sequence[Call]) -> DeferredWork:
    """`Save heatmap`: likewise, as grey pictures."""
    return _saved(calls, "heatmap")


def save_images_for_good(calls: Sequence[Call]) -> DeferredWork:
    """ComfyUI's `Save Image`, which hands nothing on."""
    saved = _saved(calls, "images")
    return replace(saved, work=lambda: [came if isinstance(came, Exception) else None for came in saved.work()])


def _saved(calls: Sequence[Call], input: str) -> DeferredWork:
    """What is saved must not be saved again: a call that fails is answered by its error, and the others stand."""
    results: list[Tensor | Exception] = [call[input] for call in calls]
    # Files that are numbered together are written in turn: the first picture gets the first number.
    series: dict[tuple[str, str], list[tuple[int, NumberedPng]]] = defaultdict(list)
    for index, call in enumerate(calls):
        try:
            for png in _pngs(call, input):
                series[png.series].append((index, png))
        except Exception as error:
            results[index] = _named(error, input)

    def work() -> list[Tensor | Exception]:
        for pngs, cames in zip(series.values(), _written(series.values(), calls), strict=True):
            for (index, png), came in zip(pngs, cames, strict=True):
                try:
                    calls[index]["context"].show_file(written(png, came))
                except BadInput as error:
                    results[index] = _named(error, input)
        return results

    return DeferredWork(work, frozenset(series))


def _pngs(call: Call, input: str) -> list[NumberedPng]:
    context: SaveContext = call["context"]
    context.check_cancelled()
    folder, prefix = context.folders.output, call["filename_prefix"]
    return [numbered_png(folder, prefix, image, metadata=context.texts) for image in call[input]]


def _written(series: Iterable[Sequence[tuple[int, NumberedPng]]], calls: Sequence[Call]) -> list[list[str | OSError]]:
    if not calls:
        return []
    context: SaveContext = calls[0]["context"]

    def pictures() -> Iterator[list[NumberedPng]]:
        for pngs in series:
            context.check_cancelled()
            yield [png for _, png in pngs]

    return list(context.parallel_map(write_in_turn, pictures()))


def _named(error: Exception, input: str) -> Exception:
    """The error in the names of the node's inputs."""
    try:
        with inputs_named(prefix="filename_prefix", path="filename_prefix", image=input):
            raise error
    except Exception as named:
        return named
