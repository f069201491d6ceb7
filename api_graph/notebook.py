"""What results are where people look at them: a line, a table of a notebook, a picture on the screen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from html import escape

_LONGEST = 60


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel. IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def one_line(thing: object, *facts: object) -> str:
    """A repr of one line: the class, and the facts that are not empty."""
    said = ", ".join(str(fact) for fact in facts if fact not in (None, ""))
    return f"{type(thing).__name__}({said})"


def quoted(text: str) -> str:
    """A text in quotation marks, on one line, with its end cut off where it is long."""
    return repr(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def counted(number: int, noun: str) -> str:
    """ "1 map", "2 maps"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> str:
    """A table for a notebook, with a note below it. Nothing in the cells is markup."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{below}"


def display(thing: object) -> None:
    """Show something below the cell of a notebook."""
    from IPython.display import display as show  # pyright: ignore[reportMissingImports]

    show(thing)
