"""Waterbirds: CUB's birds pasted onto land and water; boxes come from CUB, whose pictures have the same size."""

from __future__ import annotations

import os
from pathlib import Path

from api_graph.bench.readers.cub import read_boxes
from api_graph.bench.readers.example import Benchmark, LabelledImage
from api_graph.bench.readers.record import csv_rows
from api_graph.errors import BadInput
from api_graph.tasks.labels import WATERBIRDS

_COLUMNS = ("img_id", "img_filename", "y", "split", "place")
_SPLITS = {"train": 0, "val": 1, "test": 2}
_PLACES = ("land", "water")


def read_waterbirds(
    root: str | os.PathLike[str], cub_boxes: str | os.PathLike[str] | None = None, split: str = "test"
) -> Benchmark:
    """The pictures of metadata.csv; `group` is bird and place, as in "landbird on water".

    `cub_boxes` is CUB's bounding_boxes.txt; without it no picture has a box.
    """
    if split not in _SPLITS:
        raise BadInput("there is no such split", input="split", value=split, hint=f"Use one of {', '.join(_SPLITS)}.")
    folder = Path(root)
    boxes = {} if cub_boxes is None else read_boxes(cub_boxes)
    examples = []
    for row in csv_rows(folder / "metadata.csv", _COLUMNS):
        label, place = row.integer("y", 0, 1), row.integer("place", 0, 1)
        if row.integer("split", 0, 2) != _SPLITS[split]:
            continue
        id = row.integer("img_id")
        if boxes and id not in boxes:
            raise row.fail("img_id", "CUB has no box for this image", id)
        box = (boxes[id],) if boxes else ()
        group = f"{WATERBIRDS[label]} on {_PLACES[place]}"
        examples.append(LabelledImage(folder / row.text("img_filename"), label, box, group=group))
    return Benchmark("Waterbirds", WATERBIRDS, tuple(examples))
