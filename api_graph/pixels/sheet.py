"""A contact sheet: pictures of any size in a grid, each with its caption, for people to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from api_graph.errors import BadInput
from api_graph.fonts import Font

_PAPER, _INK, _LETTERBOX = "white", "black", "#e8e8e8"
_LINE_SPACING = 1.3


def contact_sheet(
    pictures: Sequence[Image.Image],
    captions: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    cell: tuple[int, int] = (256, 256),
    font_size: int = 14,
    gap: int = 8,
) -> Image.Image:
    """Pictures in rows, each letterboxed into a `cell` (width, height), its caption wrapped under it; RGB.

    Without `columns` the grid is about square. There are as many captions as pictures, or none; a character
    that no font of the machine has is drawn as a box.
    """
    captions = [""] * len(pictures) if captions is None else captions
    _check(pictures, captions, columns, cell)
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    font = Font(font_size, plain=True)
    lines = [_wrapped(caption, font, cell[0]) for caption in captions]
    line_height = round(font_size * _LINE_SPACING)
    rows = [range(start, min(start + columns, len(pictures))) for start in range(0, len(pictures), columns)]
    heights = [cell[1] + gap + line_height * max(len(lines[i]) for i in row) for row in rows]
    columns = min(columns, len(pictures))
    sheet = Image.new("RGB", (columns * (cell[0] + gap) + gap, sum(heights) + gap * (len(rows) + 1)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        for column, i in enumerate(row):
            left = gap + column * (cell[0] + gap)
            sheet.paste(_letterboxed(pictures[i], cell), (left, top))
            for k, line in enumerate(lines[i]):
                font.draw(draw, (left, top + cell[1] + gap // 2 + k * line_height), line, _INK, anchor="la")
        top += height + gap
    return sheet


def _check(
    pictures: Sequence[Image.Image], captions: Sequence[str], columns: int | None, cell: tuple[int, int]
) -> None:
    if not pictures:
        raise BadInput("there is no picture", input="pictures", hint="Give at least one.")
    if len(captions) != len(pictures):
        raise BadInput(
            f"there are {len(captions)} captions for {len(pictures)} pictures",
            input="captions",
            hint="Give one for each, or none at all.",
        )
    if columns is not None and columns < 1:
        raise BadInput("there is no column", input="columns", value=columns, hint="Use 1 or more.")
    if min(cell) < 1:
        raise BadInput("a cell is empty", input="cell", value=cell, hint="Use a width and height of 1 or more.")


def _letterboxed(picture: Image.Image, cell: tuple[int, int]) -> Image.Image:
    scale = min(cell[0] / picture.width, cell[1] / picture.height)
    width, height = (max(1, round(side * scale)) for side in picture.size)  # the thinnest keep a line
    canvas = Image.new("RGB", cell, _LETTERBOX)
    resized = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    canvas.paste(resized, (round((cell[0] - width) / 2), round((cell[1] - height) / 2)))
    return canvas


def _wrapped(caption: str, font: Font, width: int) -> list[str]:
    """Lines no wider than `width` pixels: broken at spaces, and inside a word that is too long for a line."""
    lines: list[str] = []
    for paragraph in _drawable(caption).splitlines():
        line = ""
        for word in paragraph.split():
            if line and font.width(f"{line} {word}") > width:
                lines.append(line)
                line = ""
            line = f"{line} {word}" if line else word
            while font.width(line) > width and len(line) > 1:
                head = max(1, font.fitting(line, width))
                lines.append(line[:head])
                line = line[head:]
        lines.append(line)
    return lines


def _drawable(text: str) -> str:
    """`text` without what no font can draw: lone surrogates and control characters."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
