"""What matplotlib draws, which is the extra `plots`, and the PDF, SVG and PNG files that it becomes."""

from __future__ import annotations

import io
import re
import warnings
from abc import ABC
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from api_graph.errors import BadInput
from api_graph.files import whole_file
from api_graph.notebook import display, in_notebook

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]
    from PIL.Image import Image

FORMATS = ("pdf", "svg", "png")
WIDTH, DPI = 7.0, 300
"""Inches, and pixels an inch of what is no line."""
_TITLE, _TALLEST = 0.3, 40.0
_NOTEBOOK_DPI = 100

_SETTINGS = {
    "pdf.fonttype": 42,  # the fonts themselves, which some conferences ask for
    "svg.hashsalt": "api-graph",
    "savefig.facecolor": "white",
}
_METADATA: Mapping[str, dict[str, str | None]] = {
    "pdf": {"Creator": "API Graph", "CreationDate": None},
    "svg": {"Creator": "API Graph", "Date": None},
    "png": {"Software": "API Graph"},
}
_GLYPH = re.compile(r"Glyph \d+")


def format_of(path: Path, what: str) -> str:
    """The format that a file's ending says. `what` is drawn, as errors call it. Raises BadInput for another one."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise BadInput(f"a {what} is a .pdf, .svg or .png file", input="--out", value=path.name)
    if path.is_dir():
        raise BadInput("this is a folder", input="--out", value=str(path), hint="Name a file in it.")
    return kind


def check_within(option: str, value: float, low: float, high: float) -> None:
    """Raise BadInput for a number that is out of bounds."""
    if not low <= value <= high:
        raise BadInput(f"it must lie within {low} and {high}", input=option, value=value)


@contextmanager
def drawing(settings: Mapping[str, object], what: str) -> Iterator[None]:
    """Inside, matplotlib draws by its own defaults and these settings, whatever the user's file of settings says.

    `what` is drawn, in the plural. Raises BadInput where matplotlib is not installed.
    """
    try:
        import matplotlib  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        hint = "Install it with: pip install 'api-graph[plots]'"
        raise BadInput(f"{what} need matplotlib ({error})", input="matplotlib", hint=hint) from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_SETTINGS, **settings})  # pyright: ignore[reportCallIssue, reportArgumentType]
        yield


def save_figure(figure: Figure, path: Path, kind: str, dpi: int) -> bool:
    """Write a figure, the same bytes each time. Says whether the font had all letters. Raises BadInput."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=_METADATA[kind])
    try:
        with whole_file(path) as file:
            file.write(buffer.getvalue())
    except OSError as error:
        problem, hint = f"it cannot be written ({error.strerror or error})", "Choose a file in a folder of your own."
        raise BadInput(problem, input="--out", value=str(path), hint=hint) from error
    return not any(_GLYPH.search(str(each.message)) for each in caught)


class DrawnFiles(ABC):
    """What was drawn into `files`, which a notebook shows."""

    files: Sequence[Path]

    def _repr_html_(self) -> str:
        return "".join(map(_as_html, self.files))

    def show(self) -> None:
        """Show what was drawn: below the cell in a notebook, else a PNG in the system's viewer. Raises BadInput."""
        if in_notebook():
            display(self)
            return
        from PIL import Image

        pictures = [path for path in self.files if path.suffix.lower() == ".png"]
        if not pictures:
            names = ", ".join(path.name for path in self.files)
            raise BadInput("only a PNG can be shown", input="out", value=names, hint="Draw a .png as well.")
        with Image.open(pictures[0]) as picture:
            picture.show()


def _as_html(path: Path) -> str:
    kind = {".png": "image/png", ".svg": "image/svg+xml"}.get(path.suffix.lower())
    if kind is None or not path.is_file():
        return f"<p>{escape(path.name)}</p>"
    return f'<img alt="{escape(path.name)}" src="data:{kind};base64,{b64encode(path.read_bytes()).decode()}">'


class Panel(NamedTuple):
    """A picture of a figure, with what stands above it; `is_map`: its colours are a map's, from 0 to 1."""

    title: str
    picture: Image
    is_map: bool = False


def draw_panels(rows: Sequence[Sequence[Panel]]) -> Figure:
    """Rows of pictures, with a colour bar beside each map. Raises BadInput where matplotlib is not installed."""
    with drawing({"font.size": 8.0}, "figures"):
        from matplotlib.cm import ScalarMappable  # pyright: ignore[reportMissingImports]
        from matplotlib.colors import Normalize  # pyright: ignore[reportMissingImports]
        from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

        class ShownFigure(Figure):
            """Seen as a notebook's last line also where pyplot, which sees to that, was never imported."""

            def _repr_png_(self) -> bytes:
                buffer = io.BytesIO()
                self.savefig(buffer, format="png", dpi=_NOTEBOOK_DPI)
                return buffer.getvalue()

        columns = max(map(len, rows))
        tall = sum(max(one.picture.height / one.picture.width for one in row) for row in rows)
        height = WIDTH / columns * tall + _TITLE * len(rows)
        figure = ShownFigure(figsize=(WIDTH, min(height, _TALLEST)), layout="constrained")
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for line, row in zip(grid, rows, strict=True):
            for axes in line:
                axes.set_axis_off()
            for axes, panel in zip(line, row, strict=False):
                axes.imshow(panel.picture)
                axes.set_title(panel.title, parse_math=False, wrap=True)
                if panel.is_map:
                    figure.colorbar(ScalarMappable(Normalize(0, 1), "turbo"), ax=axes, shrink=0.8, ticks=[0, 1])
        return figure
