"""The pictures of a row: its image, its heatmaps and its annotated images, from the run's own folders only."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote

from api_graph.errors import BadInput
from api_graph.folders import Folders, inside
from api_graph.report.facts import Facts
from api_graph.report.row import ReportRow
from api_graph.report.text import clipped
from api_graph.report.thumbnails import NoPicture, Thumbnail, thumbnail
from api_graph.table.tars import is_in_tar

Kind = Literal["original", "heatmap", "annotated"]

_ORDER: tuple[Kind, ...] = ("original", "heatmap", "annotated")
_LONGEST_NAME = 120
_MARKUP = 300  # approximate bytes of HTML around a picture
_ORIGINALS_KEPT = 256  # neighbouring rows are often about the same image
_AHEAD = 64  # rows


@dataclass(frozen=True)
class Picture:
    """A picture on the page. If it cannot be shown, `thumbnail` is None and `problem` says why.

    `link` is the address of the file relative to the run's folder; empty for a file outside of it.
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

    row: ReportRow
    pictures: Sequence[Picture]

    @property
    def size(self) -> int:
        """Approximate number of bytes that the card takes on the page."""
        return self.row.size + sum(_MARKUP + len(p.thumbnail.uri if p.thumbnail else "") for p in self.pictures)


class Pictures:
    """Finds and shrinks the pictures of rows. Reads nothing outside `folder` and the run's input folders."""

    def __init__(self, folder: Path, facts: Facts) -> None:
        self._root, self._facts = Path(os.path.realpath(folder)), facts
        self._folders = Folders(inputs=tuple(facts.inputs), output=folder, temp=folder)
        self._original_thumbnail = lru_cache(_ORIGINALS_KEPT)(thumbnail)

    def cards(self, rows: Sequence[ReportRow], budget: int) -> list[Card]:
        """The first of `rows` with their pictures, as many as fit into `budget` bytes. Uses several threads."""
        cards: list[Card] = []
        with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            warnings.simplefilter("ignore")  # Pillow's, about odd files
            waiting: list[Future[Card]] = []
            for n in range(len(rows)):
                waiting += [threads.submit(self._card, row) for row in rows[n + len(waiting) : n + _AHEAD]]
                card = waiting.pop(0).result()
                budget -= card.size
                if budget < 0:
                    threads.shutdown(wait=False, cancel_futures=True)
                    break
                cards.append(card)
        return cards

    def _card(self, row: ReportRow) -> Card:
        originals = [self._original(row.image)] if row.image else []
        found = [*originals, *(self._saved(node, path) for node, path in row.files)]
        return Card(row, sorted(found, key=lambda picture: _ORDER.index(picture.kind)))

    def _original(self, image: str) -> Picture:
        name = clipped(image, _LONGEST_NAME)
        try:
            file = self._folders.input_file(image)
        except (BadInput, OSError, ValueError):  # ValueError: a name that no file system allows
            return Picture("original", "original", name, problem="not in the input folders")
        try:
            return Picture("original", "original", name, self._original_thumbnail(file))
        except NoPicture as error:
            return Picture("original", "original", name, problem=str(error))

    def _saved(self, node: str, path: str) -> Picture:
        kind: Kind = "heatmap" if self._facts.makes_heatmaps(node) else "annotated"
        label, name = self._facts.title(node), clipped(PurePosixPath(path).name, _LONGEST_NAME)
        try:
            file = inside(self._root, path)
        except (OSError, ValueError):  # as above
            file = None
        if file is None or not (os.path.isfile(file) or is_in_tar(file)):
            return Picture(kind, label, name, problem="no such file")
        if is_in_tar(file) and file.suffix == ".html":
            return Picture(kind, label, name, problem="a page, in a tar")
        link = "" if is_in_tar(file) else quote(os.fsencode(file.relative_to(self._root).as_posix()))
        if file.suffix == ".html":
            return Picture(kind, label, name, problem="a page", link=link)
        try:
            return Picture(kind, label, name, thumbnail(file), link=link)
        except NoPicture as error:
            return Picture(kind, label, name, problem=str(error), link=link)
