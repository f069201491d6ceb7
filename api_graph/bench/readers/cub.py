"""CUB-200-2011 in its official layout: lists of `id value` lines beside an `images` folder."""

from __future__ import annotations

import os
from pathlib import Path

from api_graph.bench.readers.example import Benchmark, LabelledImage
from api_graph.bench.readers.record import Box, bad_record, spaced_lines
from api_graph.tasks.labels import readable_name

_BOX = ("id", "x", "y", "width", "height")


def read_cub(root: str | os.PathLike[str], split: str = "test") -> Benchmark:
    """The pictures of CUB_200_2011 with their labels and boxes; `split` is "test" (5,794 images) or "train"."""
    folder = Path(root)
    names = {r.integer("id", 1): readable_name(r.text("name")) for r in spaced_lines(folder / "classes.txt", CLASS)}
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


CLASS = ("id", "name")


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
