"""The pictures of a row: its image, its heatmaps, its annotated images; from the run's own folders alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote

from api_graph.errors import BadInput
from api_graph.folders import Folders, inside
from api_graph.report.entry import Entry
from api_graph.report.facts import Facts
from api_graph.report.text import clipped
from api_graph.report.thumbnails import NoPicture, Thumbnail, thumbnail

Kind = Literal["original", "heatmap", "annotated"]

_ORDER: tuple[Kind, ...] = ("original", "heatmap", "annotated")
_LONGEST_NAME = 120
_MARKUP = 300  # bytes of HTML around a picture, about
_ORIGINALS_KEPT = 256  # neighbouring rows often ask about one image
_AHEAD = 64


@dataclass(frozen=True)
class Picture:
    """A picture on the page; `thumbnail` is None where there is none to show, and `problem` says why.

    `link` is the address of the file, relative to the run's folder, where it lies in there.
    """

    kind: Kind
    label: str
    name: str
    thumbnail: Thumbnail | None = None
    problem: str = ""
    link: str = ""


@dataclass(frozen=True)
class Card:
    """A row with its pictures."""

    entry: Entry
    pictures: Sequence[Picture]

    @property
    def size(self) -> int:
        """Bytes that the card takes on the page, about."""
        return self.entry.size + sum(_MARKUP + len(p.thumbnail.uri if p.thumbnail else "") for p in self.pictures)


class Pictures:
    """Finds and shrinks the pictures of rows. Nothing outside `folder` and the run's input folders is read."""

    def __init__(self, folder: Path, facts: Facts) -> None:
        self._root, self._facts = Path(os.path.realpath(folder)), facts
        self._folders = Folders(inputs=tuple(facts.inputs), output=folder, temp=folder)
        self._original = lru_cache(_ORIGINALS_KEPT)(thumbnail)

    def cards(self, entries: Sequence[Entry], budget: int) -> list[Card]:
        """The first of `entries` with their pictures, as many as go into `budget` bytes; read in several threads."""
        cards: list[Card] = []
        with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            warnings.simplefilter("ignore")  # Pillow's, about odd files
            waiting: list[Future[Card]] = []
            for n in range(len(entries)):
                waiting += [threads.submit(self._card, e) for e in entries[n + len(waiting) : n + _AHEAD]]
                card = waiting.pop(0).result()
                budget -= card.size
                if budget < 0:
                    threads.shutdown(wait=False, cancel_futures=True)
                    break
                cards.append(card)
        return cards

    def _card(self, entry: Entry) -> Card:
        found = [*self._originals(entry), *(self._saved(node, path) for node, path in entry.files)]
        return Card(entry, sorted(found, key=lambda picture: _ORDER.index(picture.kind)))

    def _originals(self, entry: Entry) -> Iterator[Picture]:
        if not entry.image:
            return
        name = clipped(entry.image, _LONGEST_NAME)
        try:
            file = self._folders.input_file(entry.image)
        except (BadInput, OSError, ValueError):  # ValueError: a name that no file system takes
            yield Picture("original", "original", name, problem="not in the input folders")
            return
        try:
            yield Picture("original", "original", name, self._original(file))
        except NoPicture as error:
            yield Picture("original", "original", name, problem=str(error))

    def _saved(self, node: str, path: str) -> Picture:
        kind: Kind = "heatmap" if self._facts.makes_heatmaps(node) else "annotated"
        label, name = self._facts.title(node), clipped(PurePosixPath(path).name, _LONGEST_NAME)
        file = self._file(path)
        if file is None:
            return Picture(kind, label, name, problem="no such file")
        link = quote(os.fsencode(file.relative_to(self._root).as_posix()))
        try:
            return Picture(kind, label, name, thumbnail(file), link=link)
        except NoPicture as error:
            return Picture(kind, label, name, problem=str(error), link=link)

    def _file(self, path: str) -> Path | None:
        try:
            file = inside(self._root, path)
        except (OSError, ValueError):
            return None
        return file if file is not None and os.path.isfile(file) else None
