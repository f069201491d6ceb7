"""What heads are found over: a picture, a question, and the boxes of what it asks about."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image
from torch import Tensor

from api_graph.demo.questions import asked_scenes
from api_graph.demo.scenes import VALIDATION_SEEDS
from api_graph.errors import BadInput
from api_graph.files import real_path
from api_graph.pixels.given import Images, as_pictures
from api_graph.regions import Boxes, read_boxes
from api_graph.tasks.record import Record, csv_rows, json_lines

SCENE_SEEDS = VALIDATION_SEEDS[500_000:]
"""Scenes that the demo models were not trained on, and that no figure is reported of."""
KINDS = ("colour", "shape")

_QUERIES, _BOXES = ("query", "question"), ("boxes", "box")


@dataclass(frozen=True, eq=False)
class HeadItem:
    """One question about one place: the `boxes` of the picture are what the `query` asks about.

    `image` is a PIL image, a path or a tensor, as `ask` takes one. `boxes` are rows of left, top, right and bottom in
    its pixels, or a text with them. `where` says in complaints which item it is.
    """

    image: Images
    query: str
    boxes: Boxes | str | Sequence[Sequence[float]]
    where: str = ""

    @classmethod
    def of(cls, given: object, where: str) -> HeadItem:
        """An item from what a caller may give: one, or a mapping with image, query (or question) and boxes (or box)."""
        if isinstance(given, HeadItem):
            return given if given.where else cls(given.image, given.query, given.boxes, where)
        if isinstance(given, Mapping):
            return cls(
                _field(given, ("image",), where), _field(given, _QUERIES, where), _field(given, _BOXES, where), where
            )
        if isinstance(given, tuple | list) and len(given) == 3:
            image, query, boxes = given
            return cls(image, query, boxes, where)
        raise BadInput(
            f"{where} is no picture with a question and boxes",
            input="items",
            value=given,
            hint='Give {"image": ..., "query": ..., "boxes": ...}, a tuple of these three, or a HeadItem.',
        )

    def opened(self) -> OpenItem:
        """The item with its picture read, and its boxes in it. Raises BadInput, which says which item it is."""
        try:
            pictures = as_pictures(self.image)
            if len(pictures) != 1:
                raise BadInput("an item has one picture", input="image", value=len(pictures))
            if not isinstance(self.query, str) or not self.query.strip():
                raise BadInput("there is no question", input="query", value=self.query)
            return OpenItem(pictures[0].convert("RGB"), self.query, _boxes_in(self.boxes, pictures[0].size))
        except BadInput as error:
            raise BadInput(f"{self.where}: {error}".rstrip("."), input="items") from error


@dataclass(frozen=True, eq=False)
class OpenItem:
    """An item as the model gets it: an RGB picture, the question, and the boxes in the picture."""

    image: Image.Image
    query: str
    boxes: Boxes


Item: TypeAlias = "HeadItem | Mapping[str, object] | tuple[Images, str, Sequence[Sequence[float]]]"
"""What `find_heads` takes as an item."""


def scene_items(count: int, seeds: range = SCENE_SEEDS) -> Iterator[HeadItem]:
    """`count` questions about the colour or the shape of one object each, of rendered scenes.

    Raises BadInput where the seeds do not have so many.
    """
    if count < 1:
        raise BadInput("at least one scene is needed", input="scenes", value=count)
    found = 0
    for seed in seeds:
        asked = next((a for kind in _turn(found) for a in asked_scenes([seed], kind, 1, targeted=True)), None)
        if asked is None or asked.question.target is None:
            continue
        box = [float(edge) for edge in asked.question.target.box]
        yield HeadItem(asked.scene.image, asked.question.text, [box], f"scene {seed}")
        found += 1
        if found == count:
            return
    raise BadInput(f"the seeds have {found} such scenes", input="scenes", value=count, hint="Ask for fewer.")


def _turn(number: int) -> tuple[str, ...]:
    """Kinds of questions in the order in which they are tried: by turns the one and the other comes first."""
    return KINDS if number % 2 == 0 else KINDS[::-1]


@dataclass(frozen=True)
class ItemTable:
    """A table, .csv or .jsonl, with the columns image, query (or question) and boxes (or box); its first `limit` rows.

    `picture_of` says which file a cell of the column image means: it alone decides what may be read. Without it,
    pictures lie in the folder of the table, or below it.
    """

    path: str | os.PathLike[str]
    picture_of: Callable[[str], Path] | None = None
    limit: int | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)

    def items(self) -> list[HeadItem]:
        """An item for each row; pictures are not opened. Raises BadInput, which names file, line and field."""
        readers: dict[str, Callable[[str | os.PathLike[str]], Iterator[Record]]] = {
            ".csv": lambda table: csv_rows(table, ["image"]),
            ".jsonl": json_lines,
        }
        ending = os.path.splitext(self.path)[1].lower()
        if ending not in readers:
            hint = "Write it as .csv with a line of names, or as .jsonl."
            raise BadInput("a table is a .csv or a .jsonl file", input="table", value=self.name, hint=hint)
        picture_of = self.picture_of or picture_beside(self.path)
        found = [self._item(record, picture_of) for record in itertools.islice(readers[ending](self.path), self.limit)]
        if not found:
            raise BadInput("the table has no rows", input="table", value=self.name)
        return found

    def _item(self, record: Record, picture_of: Callable[[str], Path]) -> HeadItem:
        query, boxes, image = _named(record, _QUERIES), record.value(_named(record, _BOXES)), record.text("image")
        try:
            file = picture_of(image)
        except BadInput as error:
            raise record.fail("image", error.problem, image, error.hint) from error
        where = f"{self.name}, line {record.line}"
        return HeadItem(file, record.text(query), boxes, where)  # pyright: ignore[reportArgumentType]


def picture_beside(path: str | os.PathLike[str]) -> Callable[[str], Path]:
    """Cells of a table as files in the folder of the table, or below it: none elsewhere."""
    folder = real_path(os.path.dirname(os.path.abspath(path)))

    def found(name: str) -> Path:
        try:
            file = real_path(folder / name)
            if file.is_file() and file.is_relative_to(folder):
                return file
        except (OSError, ValueError):  # what can be no file's name
            pass
        hint = "Pictures lie in the folder of the table, or below it."
        raise BadInput(f"there is no such file in {folder}", input="image", value=name, hint=hint)

    return found


def _named(record: Record, names: Sequence[str]) -> str:
    """Which of two names a record has; the first where it has neither."""
    own = [name for name in names if record.fields.get(name) is not None]
    if len(own) > 1:
        raise record.fail(own[1], f"there is {own[0]} too", hint="Leave one of them out.")
    return (own or names)[0]


def _field(given: Mapping[str, Any], names: Sequence[str], where: str) -> Any:
    own = [name for name in names if given.get(name) is not None]
    if len(own) != 1:
        problem = f"{where} has {' and '.join(own) if own else 'no ' + ' or '.join(names)}"
        raise BadInput(problem, input="items", value=sorted(map(str, given)), hint=f"Give {' or '.join(names)}.")
    return given[own[0]]


def _boxes_in(given: object, size: tuple[int, int]) -> Boxes:
    if isinstance(given, Boxes):
        if given.size != size:
            of, has = (f"{width}×{height}" for width, height in (given.size, size))
            raise BadInput(f"they are of a picture of {of} pixels, and this one has {has}", input="boxes")
        return read_boxes(given.values, size)
    if isinstance(given, list | tuple) and len(given) == 4 and all(isinstance(edge, int | float) for edge in given):
        given = [given]  # one box as it is
    if not isinstance(given, str | list | tuple | Tensor):
        raise BadInput("these are no boxes", input="boxes", value=given, hint="Write rows of four numbers.")
    return read_boxes(given, size)
