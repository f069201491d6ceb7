"""How messages write names and values: on one line, short, as the graph's file writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache

_LONGEST = 80
_MOST_LISTED = 10
_SHORTEST_START = 3
_LONGEST_TO_COMPARE = 60  # difflib is quadratic in the length


def one_line(text: str) -> str:
    """`text` on one line that every terminal can print, shortened."""
    line = "".join(c if c.isprintable() else " " for c in text[: _LONGEST + 1])
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def path_words(path: object) -> str:
    """A path on one line, shortened at its start: its end says most."""
    text = str(path)
    return one_line(text if len(text) <= _LONGEST else "…" + text[1 - _LONGEST :])


def quoted(text: str) -> str:
    """`text` in double quotes, on one line."""
    return f'"{one_line(text)}"'


def as_json(value: object) -> str:
    """`value` as a graph's file writes it, shortened to fit on a line."""
    try:
        return one_line(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):  # a caller's own object, or a list that holds itself
        return one_line(f"<{type(value).__name__}>")


def node_label(id: str, title: str) -> str:
    """`3 "Mean filter"`: how every message names a node."""
    return f"{one_line(id)} {quoted(title)}"


def listed(names: Sequence[str]) -> str:
    """`"a", "b", "c"`; a long list is cut, and says how many there are in all."""
    shown = ", ".join(quoted(n) for n in names[:_MOST_LISTED])
    return shown if len(names) <= _MOST_LISTED else f"{shown}, … ({len(names)} in all)"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or None."""
    return _closest(name, tuple(known)) if len(name) <= _LONGEST_TO_COMPARE else None


@lru_cache(maxsize=256)
def _closest(name: str, known: tuple[str, ...]) -> str | None:
    by_lower = {k.lower(): k for k in known if len(k) <= _LONGEST_TO_COMPARE}
    found = get_close_matches(name.lower(), by_lower, n=1)
    if not found and len(name) >= _SHORTEST_START:  # a file's name without its ending
        found = [k for k in by_lower if k.startswith(name.lower())]
    return by_lower[found[0]] if found else None
