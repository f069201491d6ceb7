"""One row of the table as the page shows it: short texts, whatever the record held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePosixPath
from typing import Any

from api_graph.report.facts import Facts
from api_graph.report.text import clipped, worded

LONGEST_VALUE, LONGEST_TEXT = 160, 400
_MOST_VALUES, _MOST_TEXTS, _MOST_FILES = 10, 6, 12
_IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2"}
_MARKUP, _PAIR = 210, 40  # bytes of HTML around a row, and around a name with its text


@dataclass(frozen=True)
class Entry:
    """A row. `texts` are (title, text); `files` are (node, path relative to the run's folder)."""

    number: int
    ok: bool
    values: Sequence[tuple[str, str]]
    texts: Sequence[tuple[str, str]]
    error: str
    where: str
    seconds: float | None
    image: str
    files: Sequence[tuple[str, str]]

    @property
    def size(self) -> int:
        """Bytes that the row's texts take on the page, about."""
        pairs = [*self.values, *self.texts]
        texts = [self.error, self.where, *(text for pair in pairs for text in pair)]
        return _MARKUP + _PAIR * len(pairs) + sum(len(escape(text).encode()) for text in texts)


def entry_of(record: Mapping[str, Any], facts: Facts) -> Entry:
    """The row in a record of results.jsonl."""
    values = mapping(record.get("values"))
    error = mapping(record.get("error"))
    seconds = record.get("seconds")
    return Entry(
        number=record["row"],
        ok=record["ok"],
        values=[(clipped(name, 40), clipped(worded(v), LONGEST_VALUE)) for name, v in _first(values, _MOST_VALUES)],
        texts=[pair for pair, _ in zip(_texts(record, facts), range(_MOST_TEXTS), strict=False)],
        error="" if record["ok"] else clipped(message_of(error), LONGEST_TEXT),
        where=where_of(error, facts),
        seconds=seconds if isinstance(seconds, int | float) else None,
        image=_image(values, facts),
        files=[pair for pair, _ in zip(_files(record), range(_MOST_FILES), strict=False)],
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def message_of(error: Mapping[str, Any]) -> str:
    """What went wrong with a row, and how many other things did."""
    others = error.get("others")
    more = f" (and {others} more)" if isinstance(others, int) and others > 0 else ""
    return worded(error.get("message") or "no reason was given") + more


def where_of(error: Mapping[str, Any], facts: Facts) -> str:
    """What failed: the title of the node, or the row itself. Empty where nothing did."""
    if not error:
        return ""
    if error.get("kind") == "row" or error.get("node") is None:
        return "the row itself"
    return clipped(worded(error.get("title") or facts.title(str(error["node"]))), 80)


def _first(values: Mapping[str, Any], most: int) -> list[tuple[str, Any]]:
    return list(values.items())[:most]


def _texts(record: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    """Texts that nodes showed; of output nodes that showed none, their outputs."""
    texts = mapping(record.get("texts"))
    for node, shown in texts.items():
        for text in shown if isinstance(shown, list) else [shown]:
            yield facts.title(node), clipped(worded(text), LONGEST_TEXT)
    for node, outputs in mapping(record.get("outputs")).items():
        if node not in texts:
            for name, value in mapping(outputs).items():
                yield f"{facts.title(node)}: {clipped(name, 40)}", clipped(worded(value), LONGEST_TEXT)


def _files(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for node, paths in mapping(record.get("files")).items():
        yield from ((node, path) for path in (paths if isinstance(paths, list) else ()) if isinstance(path, str))


def _image(values: Mapping[str, Any], facts: Facts) -> str:
    """The name of the row's own image: of a column that feeds an image, of one that names one, or the graph's."""
    for column in facts.image_columns:
        if isinstance(values.get(column), str):
            return values[column]
    named = (v for v in values.values() if isinstance(v, str) and PurePosixPath(v).suffix.lower() in _IMAGES)
    return next(named, facts.image)
