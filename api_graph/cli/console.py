"""What is written where: results on stdout, all else on stderr; warnings, JSON, tables, sizes for people."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import shutil
import sys
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.json_values import Json

if TYPE_CHECKING:
    from rich.console import Console

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_WIDEST = 10_000  # characters of a table that nobody looks at
_NARROWEST = 20  # characters of a column with longer cells: below that, words break
_SIZE_FACTORS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def is_live() -> bool:
    """Whether stderr is a terminal on which lines can be drawn over."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def say(text: str = "") -> None:
    """A result, on stdout. A graph's texts are untrusted: no control characters reach the terminal."""
    text = printable(text)
    print(fitted(text) if sys.stdout.isatty() else text)


def tell(line: str) -> None:
    """One line on stderr, written as one: what a signal has to say might come between a line and its end.

    Nothing depends on its being read: where its disk is full or its reader has left, work goes on.
    """
    with suppress(OSError):
        print(f"{line}\n", end="", file=sys.stderr, flush=True)


def complain(text: str, kind: str = "error") -> None:
    """One line on stderr, of some kind; on a terminal as many as it takes."""
    line = f"{kind}: {one_line(text)}"
    tell(fitted(line) if sys.stderr.isatty() else line)


def fitted(text: str) -> str:
    """`text` with its lines broken at words where the terminal is narrower, indented as they begin.

    A word that is longer stays whole: it may be a path.
    """
    width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width) if len(line) > width else line for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    broken = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(broken)


def printable(text: str) -> str:
    """`text` without control characters, but for line ends and tabs."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def one_line(text: str) -> str:
    """`text` on one line."""
    return printable(" ".join(text.split()))


@contextmanager
def quiet_libraries(*, debug: bool) -> Iterator[None]:
    """Say each warning of ours once, as a line on stderr; keep the libraries' own to those who debug."""
    said: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = str(message) if issubclass(category, ApiGraphWarning) else f"{category.__name__}: {message}"
        if text not in said:
            said.add(text)
            complain(text, "warning")

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", ApiGraphWarning)
        if not debug:
            root = logging.getLogger()
            if not root.handlers:  # Python would print the warnings that libraries log
                root.addHandler(logging.NullHandler())
            os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        yield


@contextmanager
def clean_stdout() -> Iterator[list[str]]:
    """Inside, whatever libraries print goes to stderr, for stdout is for results. Gives the texts of our warnings
    inside, which are shown as well.
    """
    texts: list[str] = []
    show = warnings.showwarning

    def collect(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = one_line(str(message))
        if issubclass(category, ApiGraphWarning) and text not in texts:
            texts.append(text)
        show(message, category, filename, lineno, file, line)

    warnings.showwarning = collect
    try:
        with redirect_stdout(sys.stderr):
            yield texts
    finally:
        warnings.showwarning = show


def print_json(document: object) -> None:
    """One JSON document on stdout, in ASCII, so that no terminal's encoding can break it."""
    print(json.dumps(plain(document), indent=2, allow_nan=False))


def plain(value: object) -> Json:
    """`value` as JSON has it: paths as texts, null for NaN and infinities, a note for what has no JSON form."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [plain(v) for v in value]
    shape = getattr(value, "shape", None)
    return {"type": type(value).__name__} | ({} if shape is None else {"shape": list(shape)})


def human_size(count: int) -> str:
    """`1536` -> `1.5 KiB`."""
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def parse_size(text: str, option: str = "--to") -> int:
    """`500M`, `1.5 GiB`, `2gb`, `1024` -> bytes; K, M, G and T are powers of 1024. Raises BadInput."""
    digits = text.strip().rstrip("BbIi").rstrip()
    number, unit = (digits[:-1], digits[-1].upper()) if digits[-1:].isalpha() else (digits, "")
    try:
        size = float(number) * _SIZE_FACTORS[unit]
    except (ValueError, KeyError):
        size = -1.0
    if not 0 <= size < 2**63:
        raise BadInput("is not a size", input=option, value=text, hint="Write for example 500M or 2G.")
    return int(size)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout: as wide as the terminal is, or as wide as it needs to be where nobody looks.

    Where a terminal is too narrow for columns that can be read, each row is a block with a line or more for each cell.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    seen, cells = sys.stdout.isatty(), [[one_line(cell) for cell in row] for row in rows]
    columns, lines = shutil.get_terminal_size()  # given to rich, which has its own idea of a dumb one's
    console = (
        Console(width=columns, height=lines)
        if seen
        else Console(file=io.StringIO(), force_terminal=False, width=_WIDEST)
    )
    widest = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    if sum(min(width, _NARROWEST) + 2 for width in widest) - 2 > console.width:
        _print_blocks(console, headings, cells)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    if seen:
        console.print(table)
        return
    # In a pipe a row is a line: whoever greps or cuts wants it whole.
    with console.capture() as drawn:
        console.print(table)
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _print_blocks(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each row on its own: its first cell, and below it the others that hold something, by their headings."""
    from rich.padding import Padding
    from rich.text import Text

    for first, *others in rows:
        console.print(Text(first, style="bold", overflow="fold"))
        for heading, cell in zip(headings[1:], others, strict=True):
            if cell:
                console.print(Padding(Text(f"{heading}: {cell}", overflow="fold"), (0, 0, 0, 2)))
