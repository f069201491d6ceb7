"""CUB-200-2011, and Waterbirds, which pastes CUB's birds onto land and water, in their official layouts."""

from __future__ import annotations

import os
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.tasks.examples import Benchmark, LabelledImage
from api_graph.tasks.labels import WATERBIRDS, readable_name
from api_graph.tasks.record import Box, bad_record, csv_rows, spaced_lines

_CLASS = ("id", "name")
_BOX = ("id", "x", "y", "width", "height")

_WATERBIRD = ("img_id", "img_filename", "y", "split", "place")
_SPLITS = {"train": 0, "val": 1, "test": 2}
_BACKGROUNDS = ("land", "water")


def read_cub(root: str | os.PathLike[str], split: str = "test") -> Benchmark:
    """The pictures of CUB_200_2011 with their labels and boxes; `split` is "test" (5,794 images) or "train"."""
    folder = Path(root)
    names = {r.integer("id", 1): readable_name(r.text("name")) for r in spaced_lines(folder / "classes.txt", _CLASS)}
    if sorted(names) != list(range(1, len(names) + 1)):
        raise bad_record(folder / "classes.txt", "the classes are not numbered from 1 without a gap", field="id")
    labels = _column(folder / "image_class_labels.txt", 1, len(names))
    in_train = _column(folder / "train_test_split.txt", 0, 1)
    boxes = read_boxes(folder / "bounding_boxes.txt")
    examples = []
    for record in spaced_lines(folder / "images.txt", ("id", "file")):
        id, file = record.integer("id"), record.text("file")
        for table, of in ((labels, "class label"), (in_train, "split"), (boxes, "box")):
            if id not in table:
                raise record.fail("id", f"this image has no {of}", id)
        if in_train[id] == (split == "train"):
            examples.append(LabelledImage(folder / "images" / file, labels[id] - 1, (boxes[id],)))
    return Benchmark("CUB-200-2011", tuple(names[i] for i in sorted(names)), tuple(examples))


def read_waterbirds(
    root: str | os.PathLike[str], cub_boxes: str | os.PathLike[str] | None = None, split: str = "test"
) -> Benchmark:
    """The pictures of metadata.csv; `group` is bird and background, as in "landbird on water".

    Boxes come from CUB, whose pictures have the same size: `cub_boxes` is CUB's bounding_boxes.txt. Without it no
    picture has a box.
    """
    if split not in _SPLITS:
        raise BadInput("there is no such split", input="split", value=split, hint=f"Use one of {', '.join(_SPLITS)}.")
    folder = Path(root)
    boxes = {} if cub_boxes is None else read_boxes(cub_boxes)
    examples = []
    for row in csv_rows(folder / "metadata.csv", _WATERBIRD):
        label, background = row.integer("y", 0, 1), row.integer("place", 0, 1)
        if row.integer("split", 0, 2) != _SPLITS[split]:
            continue
        id = row.integer("img_id")
        if boxes and id not in boxes:
            raise row.fail("img_id", "CUB has no box for this image", id)
        box = (boxes[id],) if boxes else ()
        group = f"{WATERBIRDS[label]} on {_BACKGROUNDS[background]}"
        examples.append(LabelledImage(folder / row.text("img_filename"), label, box, group=group))
    return Benchmark("Waterbirds", WATERBIRDS, tuple(examples))


def read_boxes(path: str | os.PathLike[str]) -> dict[int, Box]:
    """bounding_boxes.txt: image id -> (left, top, right, bottom)."""
    boxes: dict[int, Box] = {}
    for record in spaced_lines(path, _BOX):
        x, y = record.number("x"), record.number("y")
        width, height = record.number("width"), record.number("height")
        if width <= 0 or height <= 0:
            raise record.fail("width", "a box needs sides above 0", (width, height))
        boxes[record.integer("id")] = (x, y, x + width, y + height)
    return boxes


def _column(path: Path, low: int, high: int) -> dict[int, int]:
    return {r.integer("id"): r.integer("value", low, high) for r in spaced_lines(path, ("id", "value"))}
