"""Failures by cause: messages that differ only in their row's own values have the same cause."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from api_graph.errors import shown
from api_graph.report.row import ReportRow
from api_graph.report.sample import EvenSample
from api_graph.report.text import as_text, clipped

MOST_CAUSES, MOST_ROWS = 200, 25
_LONGEST = 300  # characters of a message

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SHORTEST = 4  # a shorter value counts only in quotes, because "a" and "the" are in any message
_QUOTES = ("'", '"', "`")
_WORD = re.compile(r"\w")
_KEPT, _LONGEST_CUT = 30, 80  # characters of a shortened text: certainly kept at either end; about, in all


@dataclass
class Cause:
    """Rows that failed at one node with one message. `message` has `⟨column⟩` in place of the row's value."""

    where: str
    message: str
    count: int = 0
    rows: EvenSample[ReportRow] = field(default_factory=lambda: EvenSample(MOST_ROWS))


class Causes:
    """Counts the failed rows of each cause. Beyond MOST_CAUSES, the rows of new causes are only `uncounted`."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], Cause] = {}
        self.uncounted = 0

    def add(
        self, number: int, where: str, message: str, values: Mapping[str, object], row: Callable[[], ReportRow]
    ) -> None:
        """Count a failed row. `row` is called if the row belongs to the sample of its cause."""
        general = clipped(generalised(message, values), _LONGEST)
        key = (where, _NUMBER.sub("#", general))
        if key not in self._causes and len(self._causes) >= MOST_CAUSES:
            self.uncounted += 1
            return
        cause = self._causes.setdefault(key, Cause(where, general))
        if cause.message != general:
            cause.message = key[1]  # the rows differ in a number
        cause.count += 1
        if cause.rows.wants(number):
            cause.rows.add(number, row())

    def by_count(self) -> list[Cause]:
        """The causes, the most frequent first."""
        return sorted(self._causes.values(), key=lambda cause: -cause.count)


def generalised(message: str, values: Mapping[str, object]) -> str:
    """`message` with `⟨column⟩` wherever it quotes the row's value in that column."""
    texts = {column: as_text(value) for column, value in values.items()}
    # The longest first: "cat" may be part of another column's text.
    for column in sorted(texts, key=lambda column: -len(texts[column])):
        for form in _forms(texts[column]):
            message = _replaced(message, form, f"⟨{column}⟩")
        message = _replaced_if_cut(message, texts[column], f"⟨{column}⟩")
    return message


def _forms(text: str) -> list[str]:
    """The forms in which a message may quote `text`: as it is, escaped by Python or JSON, or shortened."""
    inner = {text, repr(text)[1:-1], shown(text)[1:-1], json.dumps(text)[1:-1]}
    return sorted(inner - {""}, key=len, reverse=True)


def _replaced(message: str, form: str, name: str) -> str:
    """`message` with `name` for each `form` that is not part of a word, and for the quotes around it."""
    at = message.find(form)
    while at >= 0:
        start, end = at, at + len(form)
        before, after = message[:at][-1:], message[end:][:1]
        if quoted := before == after and before in _QUOTES:
            start, end = start - 1, end + 1
        if quoted or (len(form) >= _SHORTEST and not _WORD.match(before) and not _WORD.match(after)):
            message, end = message[:start] + name + message[end:], start + len(name)
        at = message.find(form, end)
    return message


def _replaced_if_cut(message: str, text: str, name: str) -> str:
    """`message` with `name` for a long `text` that is cut at its end or in the middle, and for the quotes around it."""
    if len(text) <= 2 * _KEPT or (at := message.find(text[:_KEPT])) < 0:
        return message
    dots = message.find("…", at + _KEPT, at + _KEPT + _LONGEST_CUT)
    if dots < 0:
        return message
    tail = message.find(text[-_KEPT:], dots, dots + _LONGEST_CUT)
    cut = message[at : dots + 1 if tail < 0 else tail + _KEPT]
    return _replaced(message, cut, name)
