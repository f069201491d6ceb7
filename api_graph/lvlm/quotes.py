"""Quotation marks around what a model said: of all kinds, nested, or left on one side alone."""

from __future__ import annotations

import re

_CLOSERS = {
    '"': '"',
    "'": "'",
    "`": "`'´",
    "´": "´",
    "“": '”"',
    "”": "”",
    "‘": "’'",
    "’": "’",
    "„": '“”"',
    "‚": "‘’'",
    "‟": "”",
    "‛": "’",
    "«": "»",
    "»": "«»",
    "‹": "›",
    "›": "‹›",
    "「": "」",
    "『": "』",
    "〝": "〞〟",
    "＂": "＂",
    "＇": "＇",
}
"""What may close each mark that may open; some languages open with what others close with."""

_MARKS = {*_CLOSERS, *"".join(_CLOSERS.values())}
_APOSTROPHES = "'’＇`´"
_CLIPPED = re.compile(r"(?:tis|twas|twere|em|cause|til|\d\d?0s)\b", re.IGNORECASE)
_AFTER = " \t\n.,;:!?…。，！？"
"""What may stand after a closing mark and belongs to it rather than to what is quoted."""


def unquoted(text: str) -> str:
    """`text` without the marks around it, one pair within the other, and without one that stands at an end alone.

    Marks of words inside ('He said "stop"') stay, and so do apostrophes. It is always a part of `text` as it stands.
    """
    while True:
        text = text.strip()
        partner = _partners(text)
        last = len(text.rstrip(_AFTER)) - 1
        if last < 0 or not partner:
            return text
        if 0 in partner and partner[0] in (None, last):
            text = text[1 : last if partner[0] else None]
        elif last in partner and partner[last] is None:
            text = text[:last]
        else:
            return text


def _partners(text: str) -> dict[int, int | None]:
    """The place of each quotation mark, and of the mark that it goes with; None where it stands alone."""
    found: dict[int, int | None] = {}
    opened: list[int] = []
    places = [i for i, character in enumerate(text) if character in _MARKS and not _is_apostrophe(text, i)]
    for i in places:
        depth = next((d for d in reversed(range(len(opened))) if text[i] in _CLOSERS[text[opened[d]]]), None)
        if depth is not None and _closes(text, i) and not _is_possessive(text, i, places):
            start = opened[depth]
            del opened[depth:]
            found[start], found[i] = i, start
        else:
            found[i] = None
            if text[i] in _CLOSERS and _opens(text, i):
                opened.append(i)
    return {i: other for i, other in found.items() if other is not None or not _is_clipped(text, i)}


def _opens(text: str, i: int) -> bool:
    """Whether a mark may open something: there is a text after it, and no word before it."""
    left, right = _around(text, i)
    return bool(right.strip()) and not left.isalnum()


def _closes(text: str, i: int) -> bool:
    """Whether a mark may close something: there is a text before it, and no word after it."""
    left, right = _around(text, i)
    return bool(left.strip()) and not right.isalnum()


def _around(text: str, i: int) -> tuple[str, str]:
    """The characters before and after a mark and those that stand with it; empty at the ends of the text."""
    first, last = i, i + 1
    while first and text[first - 1] in _MARKS:
        first -= 1
    while last < len(text) and text[last] in _MARKS:
        last += 1
    return text[first - 1 : first] if first else "", text[last : last + 1]


def _is_apostrophe(text: str, i: int) -> bool:
    """Whether a mark stands inside a word."""
    return text[i] in _APOSTROPHES and text[i - 1 : i].isalnum() and text[i + 1 : i + 2].isalnum()


def _is_clipped(text: str, i: int) -> bool:
    """Whether a mark stands where the beginning of a word was left out, as in 'tis."""
    return text[i] in "'’" and not text[i - 1 : i].strip() and _CLIPPED.match(text, i + 1) is not None


def _is_possessive(text: str, i: int, places: list[int]) -> bool:
    """Whether it is that of "the dogs' bowl", or of a 5" pipe: more such marks close after it than open."""
    kin, before = ('"„“', "0123456789") if text[i] == '"' else ("'’‘‚‛", "sS")
    if text[i] not in "\"'’" or text[i - 1] not in before or not re.match(r"\s\w", text[i + 1 :]):
        return False
    later = [j for j in places if j > i and text[j] in kin]
    return sum(_closes(text, j) for j in later) > sum(_opens(text, j) for j in later)
