"""A page on which a word of an answer is clicked and its map shows: one HTML file that loads nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from api_graph.html_page import content_policy, page_style, templates_in
from api_graph.lvlm.word_pictures import METHODS, Scale, check_readings, heat, levels, shrunk, spans_of
from api_graph.lvlm.words import Span, WordMaps
from api_graph.pixels.overlay import Colormap, color_table
from api_graph.pixels.read import to_levels
from api_graph.sockets import Attribution

_HERE = Path(__file__).parent
_PICTURE, _HEAT = 1024, 160
"""The longest side of the picture, and of a heatmap, which has far fewer cells, in pixels."""
_WIDEST_TITLE = 120


@dataclass(frozen=True)
class _Piece:
    """A piece of the answer's text: a word, or what is between words. `heats` has a heatmap or "" for each reading.

    `strength` is the peak of the word's map in percent of the highest peak of the answer's words.
    """

    text: str
    heats: tuple[str, ...] = ()
    strength: int = 0


def words_page(
    image: Image.Image, readings: Sequence[WordMaps], *, scale: Scale = "word", colormap: Colormap = "turbo"
) -> str:
    """The HTML of the page: the picture, the answer, and over the picture the map of the word that is chosen.

    Several readings of one answer (attention and activation, say) have a picture each, and show the same word. `scale`
    says what the colours run over. The page has about 200 KB, and 5 to 10 for each word and reading. Raises BadInput
    where the answers differ, and for maps of another image.
    """
    check_readings(image, readings)
    spans = spans_of(readings)
    heats = [_heats(image, one, scale, colormap) for one in readings]
    style, script = page_style(_HERE / "words.css"), (_HERE / "words.js").read_text("utf-8")
    title = readings[0].question or "Words of an answer"
    return (
        templates_in(_HERE)
        .get_template("words.html.j2")
        .render(
            title=title if len(title) <= _WIDEST_TITLE else f"{title[:_WIDEST_TITLE]}…",
            question=readings[0].question,
            pieces=_pieces(readings[0].answer, spans, heats, _strengths(readings[0])),
            means=tuple(own.get(None, "") for own in heats),
            picture=_uri(shrunk(image, _PICTURE), "WEBP", quality=88),
            size=image.size,
            readings=[(one.method, METHODS[one.method]) for one in readings],
            scale=scale,
            bar=_uri(_coloured(torch.arange(256).float()[None] / 255, colormap), "PNG"),
            style=style,
            script=script,
            policy=content_policy(style, script),
        )
    )


def _pieces(
    answer: str, spans: Sequence[Span], heats: Sequence[dict[Span | None, str]], strengths: dict[Span, int]
) -> list[_Piece]:
    pieces, at = [], 0
    for start, end in spans:
        pieces.append(_Piece(answer[at:start]))
        found = tuple(own.get((start, end), "") for own in heats)
        pieces.append(_Piece(answer[start:end], found, strengths.get((start, end), 0)))
        at = end
    return [piece for piece in [*pieces, _Piece(answer[at:])] if piece.text]


def _strengths(reading: WordMaps) -> dict[Span, int]:
    peaks = {(word.start, word.end): float(word.map.max()) for word in reading.words}
    highest = max(peaks.values(), default=0.0)
    return {span: round(100 * max(0.0, peak) / highest) if highest > 0 else 0 for span, peak in peaks.items()}


def _heats(image: Image.Image, reading: WordMaps, scale: Scale, colormap: Colormap) -> dict[Span | None, str]:
    """Each word's heatmap as a picture's address; under None the mean of all words."""
    if not reading.words:
        return {}
    size = shrunk(image, _HEAT).size
    maps = levels(reading.words, scale)
    mean = torch.stack([one.values for one in maps]).mean(0)
    low, high = float(mean.min()), float(mean.max())
    maps.append(Attribution((mean - low) / ((high - low) or 1.0), maps[0].geometry))
    keys: list[Span | None] = [*((word.start, word.end) for word in reading.words), None]
    uris = [_uri(_coloured(one, colormap), "PNG", optimize=True) for one in heat(maps, size).cpu()]
    return dict(zip(keys, uris, strict=True))


def _coloured(heatmap: torch.Tensor, colormap: Colormap) -> Image.Image:
    """(H, W) in [0, 1] as a picture of 256 colours, which are its levels: small, and the colours stay exact."""
    picture = Image.fromarray(to_levels(heatmap)).convert("P")
    picture.putpalette((color_table(colormap) * 255).round().byte().flatten().tolist())
    return picture


def _uri(picture: Image.Image, kind: str, **settings: object) -> str:
    data = io.BytesIO()
    picture.save(data, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"
