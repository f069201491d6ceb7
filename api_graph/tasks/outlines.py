"""Boxes on the image that they lie on, for people to look at: each with its name, chosen ones in a colour."""

from __future__ import annotations

from collections.abc import Container, Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from api_graph.fonts import Font

_CHOSEN, _OTHER, _INK, _RIM = "#c2185b", "#37474f", "white", "white"
_LINES_A_SIDE, _LETTERS_A_SIDE = 120, 24  # of the image's shorter side
_THINNEST, _SMALLEST = 3, 11
_PADDING = 0.25  # around a name, of its size


def outlined(picture: Image.Image, boxes: Tensor, names: Sequence[str], chosen: Container[int]) -> Image.Image:
    """An RGB copy of the picture with the outlines of `boxes` (B, 4), xyxy in its pixels, and a name at each.

    `chosen` ones are drawn last, over the others. A name stands above its box, or inside where there is no room.
    """
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    line = max(_THINNEST, round(min(drawn.size) / _LINES_A_SIDE))
    size = max(_SMALLEST, round(min(drawn.size) / _LETTERS_A_SIDE))
    font = Font(size, plain=True)
    for index in sorted(range(len(boxes)), key=lambda index: index in chosen):
        colour = _CHOSEN if index in chosen else _OTHER
        left, top, right, bottom = (round(side) for side in boxes[index].tolist())
        # A box ends before its last coordinate, and Pillow's rectangles end with theirs.
        right, bottom = max(left, right - 1), max(top, bottom - 1)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_RIM, width=line + 2)
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
        if names[index]:
            _write(draw, font, size, names[index], (left, top), drawn.width, colour)
    return drawn


def _write(
    draw: ImageDraw.ImageDraw, font: Font, size: int, name: str, corner: tuple[int, int], width: int, colour: str
) -> None:
    padding = round(_PADDING * size)
    name = font.shortened(name, width - 2 * padding)
    wide, high = round(font.width(name)) + 2 * padding, size + 2 * padding
    left = max(0, min(corner[0], width - wide))
    top = corner[1] - high if corner[1] >= high else max(0, corner[1])
    draw.rectangle((left, top, left + wide, top + high), fill=colour)
    font.draw(draw, (left + padding, top + high / 2), name, _INK)
