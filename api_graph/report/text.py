"""Texts of a table, which may hold anything, as they can stand on a page."""

from __future__ import annotations

import json
import re
from typing import Any

# Control characters, halves of characters, and those that turn the direction of the text after them. Marks and joiners,
# which words in Arabic, Hebrew or Hindi need, stay.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """`text` with a replacement character for each that has no place on a page, and one kind of line end."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def clipped(text: str, most: int) -> str:
    """At most `most` characters of `text`, clean; one that is cut ends in an ellipsis."""
    return clean(text if len(text) <= most else text[: most - 1] + "…")


def worded(value: Any) -> str:
    """A JSON value as people write it: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
