"""What matplotlib draws, which is the extra `plots`, and the PDF, SVG and PNG files that it becomes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from api_graph.errors import BadInput
from api_graph.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

FORMATS = ("pdf", "svg", "png")
WIDTH, DPI = 7.0, 300
"""Inches, and pixels an inch of what is no line."""

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
