"""Failures by cause: messages that differ in nothing but their row's own values are one cause."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api_graph.errors import shown
from api_graph.table.report.entry import Entry
from api_graph.table.report.sample import EvenSample
from api_graph.table.report.text import worded

MOST_CAUSES, MOST_ROWS = 200, 25

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SHORTEST = 4  # a shorter value is found between quotes only: "a" and "the" stand in any message
_QUOTES = "'\"`"


@dataclass
class Cause:
    """Rows that failed at one node with one message. `message` has `⟨column⟩` in place of the row's value."""

    where: str
    message: str
    count: int = 0
    rows: EvenSample[Entry] = field(default_factory=lambda: EvenSample(MOST_ROWS))


class Causes:
    """Counts causes as rows come. Beyond MOST_CAUSES, new ones are counted together."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], Cause] = {}
        self.uncounted = 0

    def add(self, entry: Entry, message: str, values: Mapping[str, Any]) -> None:
        """Count a failed row. `message` and `values` are the whole ones, where `entry` may have them clipped."""
        general = generalised(message, values)
        key = (entry.where, _NUMBER.sub("#", general))
        if key not in self._causes and len(self._causes) >= MOST_CAUSES:
            self.uncounted += 1
            return
        cause = self._causes.setdefault(key, Cause(entry.where, general))
        if cause.message != general:
            cause.message = key[1]  # the rows differ in a number
        cause.count += 1
        cause.rows.add(entry.number, entry)

    def by_count(self) -> list[Cause]:
        """The causes, the most frequent first."""
        return sorted(self._causes.values(), key=lambda cause: -cause.count)


def generalised(message: str, values: Mapping[str, Any]) -> str:
    """`message` with `⟨column⟩` wherever it quotes the row's value in that column."""
    texts = {column: worded(value) for column, value in values.items()}
    longest_first = sorted((column for column in texts if texts[column]), key=lambda column: -len(texts[column]))
    for column in longest_first:
        message = _pattern(texts[column]).sub(lambda _, name=column: f"⟨{name}⟩", message)
    return message


def _pattern(text: str) -> re.Pattern[str]:
    """What `text` looks like in a message: itself, escaped as Python or JSON write it, or shortened."""
    forms = "|".join(re.escape(form) for form in _forms(text))
    if len(text) < _SHORTEST:
        return re.compile(rf"(?<=[{_QUOTES}])(?:{forms})(?=[{_QUOTES}])")
    # The message may be cut within a long text, at one end or in the middle.
    cut = rf"|{re.escape(text[:30])}[^\n]{{0,60}}?…(?:[^\n]{{0,60}}?{re.escape(text[-30:])})?" if len(text) > 60 else ""
    return re.compile(rf"(?<!\w)(?:{forms}{cut})(?!\w)")


def _forms(text: str) -> Iterable[str]:
    inner = {text, repr(text)[1:-1], shown(text)[1:-1], worded([text])[2:-2]}
    return sorted(inner, key=len, reverse=True)
