"""One row of the table as the page shows it: short texts, whatever its record holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from math import isfinite
from pathlib import PurePosixPath

from api_graph.report.facts import Facts
from api_graph.report.journals import UncheckedRecord, mapping
from api_graph.report.text import as_text, clipped

LONGEST_VALUE, LONGEST_TEXT = 160, 400
_MOST_VALUES, _MOST_TEXTS, _MOST_FILES = 10, 6, 12
_IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2"}
_MOST_FIGURES = 12
_MARKUP, _PAIR, _FIGURE = 240, 40, 60  # bytes of HTML around a row, around a name with its text, and of a number


@dataclass(frozen=True)
class ReportRow:
    """A row on the page. `texts` are (title, text); `files` are (node, path relative to the run's folder); `figures`
    are the numbers that nodes gave, by the names that `compare --figure` takes.
    """

    number: int
    ok: bool
    values: Sequence[tuple[str, str]]
    texts: Sequence[tuple[str, str]]
    error: str
    where: str
    seconds: float | None
    image: str
    files: Sequence[tuple[str, str]]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Approximate number of bytes that the row's texts take on the page."""
        pairs = [*self.values, *self.texts]
        texts = [self.error, self.where, self.shown_image, *(text for pair in pairs for text in pair)]
        numbers = _FIGURE * len(self.figures)
        return _MARKUP + _PAIR * len(pairs) + numbers + sum(len(escape(text).encode()) for text in texts)

    @property
    def shown_image(self) -> str:
        """The name of the row's image as the page shows it."""
        return clipped(self.image, LONGEST_VALUE)


def report_row(record: UncheckedRecord, facts: Facts) -> ReportRow:
    """The row of a record."""
    values = mapping(record.members.get("values"))
    error = mapping(record.members.get("error"))
    seconds = record.members.get("seconds")
    first = islice(values.items(), _MOST_VALUES)
    return ReportRow(
        number=record.number,
        ok=record.ok,
        values=[(clipped(name, 40), clipped(as_text(value), LONGEST_VALUE)) for name, value in first],
        texts=list(islice(_texts(record.members, facts), _MOST_TEXTS)),
        error="" if record.ok else clipped(message_of(error), LONGEST_TEXT),
        where=where_of(error, facts),
        seconds=seconds if isinstance(seconds, int | float) else None,
        image=image_of(values, facts),
        files=list(islice(_files(record.members), _MOST_FILES)),
        figures=dict(islice(_figures(record.members, facts), _MOST_FIGURES)),
    )


def message_of(error: Mapping[str, object]) -> str:
    """What went wrong with a row, and how many other things did."""
    others = error.get("others")
    more = f" (and {others} more)" if isinstance(others, int) and others > 0 else ""
    return as_text(error.get("message") or "no reason was given") + more


def where_of(error: Mapping[str, object], facts: Facts) -> str:
    """What failed: the title of a node, or "the row itself". Empty if nothing did."""
    if not error:
        return ""
    if error.get("kind") == "row" or error.get("node") is None:
        return "the row itself"
    return clipped(as_text(error.get("title") or facts.title(str(error["node"]))), 80)


def _texts(record: Mapping[str, object], facts: Facts) -> Iterator[tuple[str, str]]:
    """Texts that nodes showed, and the outputs of output nodes that showed none."""
    texts, told = mapping(record.get("texts")), list[object]()
    for node, shown in texts.items():
        for text in shown if isinstance(shown, list) else [shown]:
            told.append(text)
            yield facts.title(node), clipped(as_text(text), LONGEST_TEXT)
    for node, outputs in mapping(record.get("outputs")).items():
        if node not in texts:
            for name, value in mapping(outputs).items():
                if isinstance(value, str) and value in told:
                    continue
                yield f"{facts.title(node)}: {clipped(name, 40)}", clipped(as_text(value), LONGEST_TEXT)


def _figures(record: Mapping[str, object], facts: Facts) -> Iterator[tuple[str, float]]:
    """The numbers among the outputs, one of a list that holds no more: `Figures.peak`."""
    for node, outputs in mapping(record.get("outputs")).items():
        for name, value in mapping(outputs).items():
            number = value[0] if isinstance(value, list) and len(value) == 1 else value
            if isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number):
                yield f"{facts.title(node)}.{clipped(name, 40)}", number


def _files(record: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for node, paths in mapping(record.get("files")).items():
        yield from ((node, path) for path in (paths if isinstance(paths, list) else ()) if isinstance(path, str))


def image_of(values: Mapping[str, object], facts: Facts) -> str:
    """The name of the row's image: from a column that sets an image, from any that looks like one, or the graph's."""
    for column in facts.image_columns:
        name = values.get(column)
        if isinstance(name, str):
            return name
    named = (v for v in values.values() if isinstance(v, str) and PurePosixPath(v).suffix.lower() in _IMAGES)
    return next(named, facts.image)
