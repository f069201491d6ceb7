"""A matrix as a picture: one coloured square per value, with its row's and its column's number."""

from __future__ import annotations

from collections.abc import Collection

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import value_range
from api_graph.pixels.overlay import Colormap, colorize
from api_graph.pixels.read import to_pil

_PAPER, _INK, _FRAME = "white", "black", (255, 64, 64)
_NARROWEST = 360


def matrix_figure(
    values: Tensor,
    *,
    rows: str,
    columns: str,
    title: str = "",
    colormap: Colormap = "viridis",
    cell: int = 32,
    framed: Collection[tuple[int, int]] = (),
) -> Image.Image:
    """Values (R, C) as squares of `cell` pixels, row 0 at the top, with what rows and columns are called; RGB.

    The colours run from 0 to the largest value, or from −m to m where there are negative ones; the range stands under
    the title. Squares whose (row, column) is in `framed` have a red edge. Raises BadInput for another shape and for
    values that are not finite.
    """
    if values.ndim != 2 or values.numel() == 0:
        raise BadInput("a matrix has rows and columns", input="values", value=tuple(values.shape))
    values = values.float().cpu()
    value_range(values[None], "values")
    bound = float(values.abs().max()) or 1.0
    low = -bound if bool((values < 0).any()) else 0.0
    colours = to_pil(colorize((values - low)[None] / (bound - low), colormap))[0]
    squares = colours.resize((cell * values.shape[1], cell * values.shape[0]), Image.Resampling.NEAREST)
    draw, width = ImageDraw.Draw(squares), max(1, cell // 12)
    for row, column in framed:
        left, top = cell * column, cell * row
        draw.rectangle((left, top, left + cell - 1, top + cell - 1), outline=_FRAME, width=width)
    return _labelled(
        squares, values.shape[0], values.shape[1], cell, f"{low:.3g} to {bound:.3g}", (title, rows, columns)
    )


def _labelled(
    squares: Image.Image, rows: int, columns: int, cell: int, span: str, names: tuple[str, str, str]
) -> Image.Image:
    """The squares with the title, their colours' span, the axes' names and the numbers around them."""
    size = max(9, cell // 3)
    font = ImageFont.load_default(size)
    title, row_name, column_name = names
    line, left = round(1.5 * size), 3 * size
    top = 4 * line
    width = max(left + squares.width + size, _NARROWEST)
    figure = Image.new("RGB", (width, top + squares.height + line), _PAPER)
    figure.paste(squares, (left, top))
    draw = ImageDraw.Draw(figure)
    draw.text((size, size // 2), title, fill=_INK, font=font)
    draw.text(
        (size, size // 2 + line), f"rows: {row_name}, columns: {column_name}, colours: {span}", fill=_INK, font=font
    )
    for column in range(columns):
        draw.text((left + (column + 0.5) * cell, top - 4), str(column), fill=_INK, font=font, anchor="mb")
    for row in range(rows):
        draw.text((left - 6, top + (row + 0.5) * cell), str(row), fill=_INK, font=font, anchor="rm")
    return figure
