"""Word maps for the eye: each word's map over the picture, as a strip, or as small pictures for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.words import Method, Span, Word, WordMaps
from api_graph.pixels.overlay import Colormap, overlay
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.pixels.sheet import contact_sheet
from api_graph.sockets import Attribution

Scale = Literal["word", "answer"]
"""What the colours run over: each word's own map, or the maps of the whole answer."""

METHODS: dict[Method, str] = {
    "attention": "attention",
    "activation": "activation (TAM)",
}
"""What the methods are called on pictures."""

_LONGEST_STRIP, _LONGEST_QUESTION = 8, 200
_EMPTY, _PAPER, _GAP = "#e8e8e8", "white", 2
_AT_ONCE = 64
"""Words whose overlays are made together: a long answer takes little memory."""


def words_strip(
    image: Image.Image,
    readings: Sequence[WordMaps],
    *,
    scale: Scale = "word",
    opacity: float = 0.6,
    colormap: Colormap = "turbo",
    columns: int | None = None,
    cell: int = 192,
) -> Image.Image:
    """The picture, then each word's map over it with the word below, in rows; RGB.

    Several readings of one answer (attention and activation, say) stand below each other; a word that one of them has
    no map for keeps an empty place there. `cell` is the longer side of a picture, `columns` the most in a row (8).
    Raises BadInput where the answers differ, and for maps of another image.
    """
    check_readings(image, readings)
    small = shrunk(image, cell)
    blank = Image.new("RGB", small.size, _EMPTY)
    spans, overlays = spans_of(readings), [_overlays(small, one, scale, opacity, colormap) for one in readings]
    pictures = [_stacked([small] * len(readings))]
    pictures += [_stacked([own.get(span, blank) for own in overlays]) for span in spans]
    answer, question = readings[0].answer, readings[0].question
    question = question if len(question) <= _LONGEST_QUESTION else f"{question[:_LONGEST_QUESTION]}…"
    names = ", below it ".join(METHODS[one.method] for one in readings)
    captions = [f"{question}\n{names}", *(answer[start:end] for start, end in spans)]
    columns = min(len(pictures), _LONGEST_STRIP) if columns is None else columns
    return contact_sheet(pictures, captions, columns=columns, cell=pictures[0].size)


def check_readings(image: Image.Image, readings: Sequence[WordMaps]) -> None:
    """Raises BadInput without a reading, where the answers differ, and where the maps are of another image."""
    if not readings:
        raise BadInput("there are no words", input="words")
    for one in readings[1:]:
        if one.answer != readings[0].answer:
            raise BadInput(
                f"it is of another answer than {readings[0].answer!r}",
                input="beside",
                value=one.answer,
                hint="Let both read one answer: link the answer of the first to the second.",
            )
    for name, one in zip(("words", *["beside"] * len(readings)), readings, strict=False):
        for geometry in (word.attribution.geometry[0] for word in one.words[:1]):
            if (geometry.width, geometry.height) != image.size:
                size = f"{geometry.width}×{geometry.height}"
                raise BadInput(
                    f"the maps are of an image of {size} pixels, and this one has {image.width}×{image.height}",
                    input=name,
                    hint="Link the image that the model was asked about.",
                )


def spans_of(readings: Sequence[WordMaps]) -> list[Span]:
    """The characters of each word that any reading has a map for, in the answer's order."""
    return sorted({(word.start, word.end) for one in readings for word in one.words})


def levels(words: Sequence[Word], scale: Scale) -> list[Attribution]:
    """Each word's map in [0, 1], from the lowest to the highest value of the word, or of all words; flat maps are 0."""
    if scale not in get_args(Scale):
        raise BadInput("there is no such scale", input="scale", value=scale, hint="Use word or answer.")
    lows, highs = [float(word.map.min()) for word in words], [float(word.map.max()) for word in words]
    if scale == "answer" and words:
        lows, highs = [min(lows)] * len(words), [max(highs)] * len(words)
    return [
        word.attribution.with_values((word.attribution.values.float() - low) / ((high - low) or 1.0))
        for word, low, high in zip(words, lows, highs, strict=True)
    ]


def heat(maps: Sequence[Attribution], size: tuple[int, int]) -> Tensor:
    """Maps of one image as heatmaps of a smaller copy of it, `size` = (width, height): (W, H, W')."""
    at_hand = Attribution.joined(list(maps))
    return to_pixels(Attribution(at_hand.values, tuple(_scaled(one, size) for one in at_hand.geometry)))


def shrunk(image: Image.Image, side: int) -> Image.Image:
    """The picture in RGB, no side longer than `side`."""
    if side < 1:
        raise BadInput("a picture has pixels", input="cell", value=side, hint="Use 1 or more.")
    factor = min(1.0, side / max(image.size))
    width, height = (max(1, round(length * factor)) for length in image.size)
    return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def _overlays(
    small: Image.Image, reading: WordMaps, scale: Scale, opacity: float, colormap: Colormap
) -> dict[Span, Image.Image]:
    picture, maps = to_tensor(small)[0], levels(reading.words, scale)
    overlays: list[Image.Image] = []
    for first in range(0, len(maps), _AT_ONCE):
        heatmaps = heat(maps[first : first + _AT_ONCE], small.size).cpu()
        overlays += to_pil(overlay(picture, heatmaps, opacity, colormap))
    return {(word.start, word.end): one for word, one in zip(reading.words, overlays, strict=True)}


def _scaled(geometry: Geometry, size: tuple[int, int]) -> Geometry:
    across, down = size[0] / geometry.width, size[1] / geometry.height
    return replace(
        geometry,
        width=size[0],
        height=size[1],
        left=geometry.left * across,
        right=geometry.right * across,
        top=geometry.top * down,
        bottom=geometry.bottom * down,
    )


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    width, height = pictures[0].size
    result = Image.new("RGB", (width, (height + _GAP) * len(pictures) - _GAP), _PAPER)
    for row, one in enumerate(pictures):
        result.paste(one, (0, row * (height + _GAP)))
    return result
