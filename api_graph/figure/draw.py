"""A grid of pictures and texts as PDF, SVG or PNG, drawn by matplotlib, which is the extra `plots`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from api_graph.arguments import typed
from api_graph.errors import BadInput
from api_graph.figure.cells import Colours, Column, Grid, Picture, grid_of
from api_graph.files import expanded, real_path
from api_graph.notebook import counted, one_line
from api_graph.pixels.overlay import Colormap
from api_graph.pixels.read import read_image
from api_graph.plotting import DPI, WIDTH, DrawnFiles, check_within, drawing, format_of, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]
    from matplotlib.font_manager import FontProperties  # pyright: ignore[reportMissingImports]

COLORMAP: Colormap = "turbo"

_GAP, _MARGIN = 0.06, 0.04  # inches, as all lengths here
_SIZE, _LINE = 8.0, 10 / 72
_BAR, _TICKS = 0.08, 0.17
_TEXT_WIDTH = 0.8  # of a column of pictures
_TALLEST = 1.5  # a picture's height, as a multiple of its column's width
_MOST_LINES = 30
_NARROWEST = 0.3
_NAMES = {"grey": "gray"}
_SETTINGS = {
    "svg.fonttype": "path",
    "text.usetex": False,
    "font.family": ["DejaVu Sans"],
}


@dataclass(frozen=True)
class DrawnFigure(DrawnFiles):
    """The files written, the rows in the figure, and notes on what is missing in it or was cut."""

    files: Sequence[Path]
    rows: Sequence[int]
    notes: Sequence[str]

    def __repr__(self) -> str:
        return one_line(self, ", ".join(path.name for path in self.files), counted(len(self.rows), "row"), *self.notes)


@dataclass(frozen=True)
class _Style:
    width: float
    dpi: int
    font: FontProperties
    colormap: str
    opacity: float


@dataclass(frozen=True)
class _Drawn:
    """What a cell draws, and its height: a picture of (width, height) inches, or lines."""

    height: float
    picture: Image.Image | None = None
    width: float = 0.0
    lines: Sequence[str] = ()


@typed()
def draw_figure(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    rows: str | None = None,
    columns: str | None = None,
    width: float = WIDTH,
    dpi: int = DPI,
    colormap: Colormap | None = None,
    opacity: float | None = None,
    font: str | None = None,
) -> DrawnFigure:
    """Draw rows of a run of `map` as a grid of pictures and texts, into one file or several: PDF, SVG or PNG.

    `rows` are numbers as in "0,4,7-9"; None: the first four. `columns` are names with commas between them: image, map,
    annotated, answer, the title of a node or "title.output", a column of the table; "name=Heading" gives a heading.
    None: those four, as far as the run has them; notes say which one was taken where there are several.
    `width` is in inches, `dpi` the resolution of pictures. Grey heatmaps get the colours of `colormap` (turbo), and lie
    over the image with `opacity` (1: alone). A colour bar stands below each map whose colours are known.

    Raises BadInput where matplotlib is not installed, and for what is not there or ambiguous.
    """
    files = [real_path(expanded(path)) for path in ([out] if isinstance(out, str | os.PathLike) else out)]
    kinds = [format_of(path, "figure") for path in files]
    with _drawing(font) as properties:
        style = _Style(width, dpi, properties, colormap or COLORMAP, 1.0 if opacity is None else opacity)
        _check(style)
        grid = grid_of(real_path(expanded(folder)), rows, columns)
        if not any(column.kind == "grey" for column in grid.columns) and (colormap or opacity is not None):
            hint = "Their colours are in the pictures already. The node Save heatmap saves grey ones."
            option, value = ("--colormap", colormap) if colormap else ("--opacity", opacity)
            raise BadInput("no column has grey heatmaps", input=option, value=value, hint=hint)
        notes = list(grid.notes)
        figure = _figure(grid, style, notes)
        for path, kind in zip(files, kinds, strict=True):
            if not save_figure(figure, path, kind, dpi):
                notes.append("the font lacks some of the letters: name another one with --font")
    return DrawnFigure(files, grid.rows, list(dict.fromkeys(notes)))


def _check(style: _Style) -> None:
    from matplotlib import colormaps  # pyright: ignore[reportMissingImports]

    for option, value, low, high in (
        ("--width", style.width, 1, 40),
        ("--dpi", style.dpi, 30, 1200),
        ("--opacity", style.opacity, 0, 1),
    ):
        check_within(option, value, low, high)
    if style.colormap not in ("grey", "turbo", "viridis", "inferno") or _NAMES.get("grey") not in colormaps:
        hint = "Use one of turbo, viridis, inferno, grey."
        raise BadInput("unknown colour map", input="--colormap", value=style.colormap, hint=hint)


@contextmanager
def _drawing(font: str | None) -> Iterator[FontProperties]:
    """Inside, matplotlib draws with this font."""
    with drawing(_SETTINGS, "figures"):
        import matplotlib  # pyright: ignore[reportMissingImports]
        from matplotlib import font_manager  # pyright: ignore[reportMissingImports]

        if font is not None:
            known = {entry.name for entry in font_manager.fontManager.ttflist}
            if font not in known:
                hint = "Name a font that is installed, as in --font 'Noto Sans CJK SC'."
                raise BadInput("there is no such font", input="--font", value=font, hint=hint)
            matplotlib.rcParams["font.family"] = [font, "DejaVu Sans"]
        yield font_manager.FontProperties(size=_SIZE)


# ------------------------------------------------------------------------------------------ layout


def _figure(grid: Grid, style: _Style, notes: list[str]) -> Figure:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

    widths = _widths(grid, style)
    lefts = [_MARGIN + sum(widths[:n]) + n * _GAP for n in range(len(widths))]
    heads = [_wrapped(column.heading, width, style.font) for column, width in zip(grid.columns, widths, strict=True)]
    rows: list[list[_Drawn | None]] = []
    for number, line in zip(grid.rows, grid.cells, strict=True):
        rows.append([])
        for column, cell, width in zip(grid.columns, line, widths, strict=True):
            drawn = _drawn(cell, column, width, style, f"row {number}")
            if drawn is not None and len(drawn.lines) > _MOST_LINES:
                notes.append(f"row {number}: the text of {column.heading} is cut")
                drawn = _Drawn(_MOST_LINES * _LINE, lines=[*drawn.lines[: _MOST_LINES - 1], "…"])
            rows[-1].append(drawn)
    heights = [max((cell.height for cell in row if cell is not None), default=_LINE) for row in rows]
    head = max(map(len, heads)) * _LINE + _GAP
    scales = [_scale(column, style) for column in grid.columns]
    said = [_wrapped(_said(scale), width, style.font) for scale, width in zip(scales, widths, strict=True)]
    foot = _GAP + _BAR + _TICKS + max(map(len, said)) * _LINE if any(scales) else 0.0
    height = 2 * _MARGIN + head + sum(heights) + (len(heights) - 1) * _GAP + foot
    figure = Figure(figsize=(style.width, height), dpi=style.dpi)
    top = height - _MARGIN
    for lines, column, left, width in zip(heads, grid.columns, lefts, widths, strict=True):
        bottom, centred = top - head + _GAP, column.kind != "text"
        _write(figure, lines, left + width / 2 if centred else left, bottom + len(lines) * _LINE, centred=centred)
    top -= head
    for row, tall in zip(rows, heights, strict=True):
        for cell, left, width in zip(row, lefts, widths, strict=True):
            _place(figure, cell, (left, top - tall, width, tall))
        top -= tall + _GAP
    for scale, lines, left, width in zip(scales, said, lefts, widths, strict=True):
        if scale is not None:
            _bar(figure, scale, (left, top - _BAR, width, _BAR))
            _write(figure, lines, left + width / 2, top - _BAR - _TICKS, centred=True)
    unknown = [column.heading for column in grid.columns if column.kind == "map" and column.colours is None]
    notes += [f"{heading} has no colour bar: the graph does not say what its colours are" for heading in unknown]
    return figure


def _widths(grid: Grid, style: _Style) -> list[float]:
    """Columns of pictures are equally wide; one of texts as wide as its texts, up to a share of those."""
    texts = [column.kind == "text" for column in grid.columns]
    free = style.width - 2 * _MARGIN - (len(texts) - 1) * _GAP
    unit = free / sum(_TEXT_WIDTH if text else 1.0 for text in texts)
    widths = [unit] * len(texts)
    for n, column in enumerate(grid.columns):
        if texts[n]:
            cells = [column.heading, *(cell for row in grid.cells if isinstance(cell := row[n], str))]
            needed = max(_length(line, style.font) for cell in cells for line in cell.splitlines() or [""])
            widths[n] = min(_TEXT_WIDTH * unit, needed + _GAP)
    if not all(texts):
        left = free - sum(width for width, text in zip(widths, texts, strict=True) if text)
        widths = [width if text else left / texts.count(False) for width, text in zip(widths, texts, strict=True)]
    if unit < _NARROWEST:
        hint = "Name fewer columns, or make it wider with --width."
        raise BadInput("the columns are too narrow", input="--columns", value=len(texts), hint=hint)
    return widths


def _scale(column: Column, style: _Style) -> Colours | None:
    return Colours(style.colormap, style.opacity) if column.kind == "grey" else column.colours


def _said(scale: Colours | None) -> str:
    """What a colour bar is of."""
    if scale is None:
        return ""
    return "heatmap" if scale.opacity == 1 else f"heatmap, {100 * scale.opacity:.0f} % over the image"


def _drawn(cell: Picture | str | None, column: Column, width: float, style: _Style, row: str) -> _Drawn | None:
    if cell is None:
        return None
    if isinstance(cell, str):
        lines = _wrapped(cell, width, style.font)
        return _Drawn(len(lines) * _LINE, lines=lines)
    picture = _coloured(cell, style, row) if column.kind == "grey" else _rgb(read_image(cell.path))
    tall = width * picture.height / picture.width
    share = min(1.0, _TALLEST * width / tall)
    size = (max(1, round(width * share * style.dpi)), max(1, round(tall * share * style.dpi)))
    # Smaller pictures keep their pixels in the file: whoever shows it makes them larger.
    if size[0] < picture.width:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return _Drawn(tall * share, picture, width * share)


def _rgb(picture: Image.Image) -> Image.Image:
    """The picture over white: a page is white."""
    if picture.mode == "RGB":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _coloured(cell: Picture, style: _Style, row: str) -> Image.Image:
    """A grey heatmap in colours, over its image where it is not alone."""
    from matplotlib import colormaps  # pyright: ignore[reportMissingImports]

    grey = np.asarray(read_image(cell.path).convert("L"))
    table = colormaps[_NAMES.get(style.colormap, style.colormap)](np.arange(256), bytes=True)[:, :3]
    colours = Image.fromarray(table[grey])
    if style.opacity == 1:
        return colours
    if cell.image is None:
        raise BadInput(f"the image of {row} is not there", input="--opacity", value=style.opacity, hint="Leave it out.")
    image = _rgb(read_image(cell.image))
    if image.size != colours.size:
        sizes = f"{colours.width}x{colours.height} and {image.width}x{image.height} pixels"
        problem = f"the map of {row} and its image have different sizes, {sizes}"
        raise BadInput(problem, input="--opacity", value=style.opacity, hint="Leave it out.")
    return Image.blend(image, colours, style.opacity)


# ------------------------------------------------------------------------------------------ drawing


def _place(figure: Figure, cell: _Drawn | None, box: tuple[float, float, float, float]) -> None:
    """Draw a cell in its box (left, bottom, width, height): a picture in the middle, a text to the left."""
    left, bottom, width, height = box
    if cell is None:
        _write(figure, ["–"], left + width / 2, bottom + height / 2 + _LINE / 2, centred=True)
    elif cell.picture is None:
        _write(figure, cell.lines, left, bottom + height / 2 + len(cell.lines) * _LINE / 2)
    else:
        x, y = left + (width - cell.width) / 2, bottom + (height - cell.height) / 2
        axes = figure.add_axes(_share(figure, (x, y, cell.width, cell.height)))
        axes.imshow(np.asarray(cell.picture), aspect="auto", interpolation="antialiased")
        axes.set_axis_off()


def _share(figure: Figure, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    width, height = figure.get_size_inches()
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _write(figure: Figure, lines: Sequence[str], x: float, top: float, *, centred: bool = False) -> None:
    """Lines below each other. Nothing in them is mathematics or markup."""
    for n, line in enumerate(lines):
        left, y, _, _ = _share(figure, (x, top - (n + 0.5) * _LINE, 0, 0))
        side: Literal["center", "left"] = "center" if centred else "left"
        figure.text(left, y, line, size=_SIZE, ha=side, va="center_baseline", parse_math=False)


def _bar(figure: Figure, scale: Colours, box: tuple[float, float, float, float]) -> None:
    from matplotlib.cm import ScalarMappable  # pyright: ignore[reportMissingImports]
    from matplotlib.colors import Normalize  # pyright: ignore[reportMissingImports]

    colours = ScalarMappable(Normalize(0, 1), _NAMES.get(scale.colormap, scale.colormap))
    bar = figure.colorbar(
        colours, cax=figure.add_axes(_share(figure, box)), orientation="horizontal", ticks=[0, 0.5, 1]
    )
    bar.ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    bar.ax.tick_params(labelsize=_SIZE - 1, length=2, pad=1)
    bar.outline.set_linewidth(0.4)  # type: ignore[operator]
    first, *_, last = bar.ax.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def _wrapped(text: str, width: float, font: FontProperties) -> list[str]:
    """The lines of a text that is at most `width` inches wide; a word that is wider than that is broken."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}".strip()
            if _fits(joined, width, font):
                line = joined
                continue
            lines += [line] if line else []
            line = word
            while not _fits(line, width, font):
                end = max(1, _longest(line, width, font))
                lines.append(line[:end])
                line = line[end:]
        lines.append(line)
    return lines


def _longest(word: str, width: float, font: FontProperties) -> int:
    """How many characters of a word fit, by halving."""
    low, high = 0, len(word)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fits(word[:middle], width, font) else (low, middle)
    return low


def _fits(text: str, width: float, font: FontProperties) -> bool:
    return len(text) <= 1 or _length(text, font) <= width


def _length(text: str, font: FontProperties) -> float:
    """How wide a line is, in inches."""
    from matplotlib.textpath import text_to_path  # pyright: ignore[reportMissingImports]

    with warnings.catch_warnings():  # of glyphs that the font lacks: drawing tells of them, too
        warnings.simplefilter("ignore")
        return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72
