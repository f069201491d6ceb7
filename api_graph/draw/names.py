"""Names in a script: modules of node functions, and a variable for each node, after its title."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable

_LONGEST = 40


class Names:
    """Hands out names that are not taken. Python's own words and functions are never handed out."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*keyword.kwlist, *dir(builtins), *taken}

    def new(self, title: str, otherwise: str) -> str:
        """A name after `title`, or after `otherwise` where nothing of the title can stand in a name."""
        base = _identifier(title) or otherwise
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


def _identifier(title: str) -> str:
    """`Ψ cls` -> `psi_cls`."""
    letters = "".join(map(_ascii, unicodedata.normalize("NFKD", title)))
    name = re.sub(r"[^a-z0-9]+", "_", letters.lower()).strip("_")[:_LONGEST].strip("_")
    return f"n_{name}" if name[:1].isdigit() else name


def _ascii(character: str) -> str:
    """A Greek letter by its name; nothing for an accent; a gap for what ASCII lacks."""
    if character.isascii():
        return character
    if unicodedata.combining(character):
        return ""
    name = unicodedata.name(character, "")
    return name.rpartition(" LETTER ")[2] if name.startswith("GREEK ") else " "
