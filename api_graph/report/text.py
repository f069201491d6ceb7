"""Texts of a table, which may contain anything, made fit for a page."""

from __future__ import annotations

import json
import re

# Control characters, lone surrogates, and characters that change the direction of the text after them. Marks and
# joiners, which words in Arabic, Hebrew or Hindi need, stay.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """`text` with "\\n" for every line end, and a replacement character for whatever does not belong on a page."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def clipped(text: str, most: int) -> str:
    """At most `most` characters of `text`, clean; a text that is cut ends in an ellipsis."""
    return clean(text if len(text) <= most else text[: most - 1] + "…")


def as_text(value: object) -> str:
    """A JSON value as people write it: a text without quotes, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
