"""RefCOCO, RefCOCO+ and RefCOCOg as ReCLIP distributes them: JSON Lines, one referred object each."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from api_graph.tasks.examples import ReferringExample
from api_graph.tasks.record import Box, Record, bad_record, json_file, json_lines

_NUMBERED = re.compile(r"(?P<image>.+_\d{12})_\d+(\.\w+)?", re.ASCII)
"""COCO_train2014_<image>_<referred object>.jpg"""


def read_reclip(
    path: str | os.PathLike[str],
    images: str | os.PathLike[str],
    *,
    detections: str | os.PathLike[str] | None = None,
) -> list[ReferringExample]:
    """Read a ReCLIP JSON Lines file whose pictures lie in the folder `images`.

    Gold setting: the candidates are all annotated boxes of a record. With `detections` (a JSON file, either image
    id -> boxes or a list of {image_id, box}; boxes as x, y, width, height) they are the detected ones.
    Raises BadInput naming file, line and field of a malformed record.
    """
    detected = None if detections is None else _read_detections(Path(detections))
    return [_example(record, Path(images), detected) for record in json_lines(path)]


def _example(record: Record, images: Path, detected: Mapping[int, tuple[Box, ...]] | None) -> ReferringExample:
    annotated = {a.integer("id"): a.box("bbox") for a in record.records("anns")}
    asked = record.value("ann_id")
    ids = asked if isinstance(asked, list) else [asked]
    targets = tuple(annotated[id] for id in ids if isinstance(id, int | float) and id in annotated)
    if not ids or len(targets) < len(ids):
        raise record.fail("ann_id", "none of the annotations has this id", asked)
    boxes = tuple(annotated.values()) if detected is None else detected.get(record.integer("image_id"), ())
    captions = tuple(sentence.text("raw") for sentence in record.records("sentences"))
    return ReferringExample(images / _file_name(record), boxes, targets, captions)


def _file_name(record: Record) -> str:
    """The picture's file. COCO's names end with the number of the referred object, which no file's name has."""
    name = record.text("file_name")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise record.fail("file_name", "it leads out of the image folder", name)
    match = _NUMBERED.fullmatch(name) if "coco" in name.lower() else None
    return f"{match['image']}.jpg" if match else name


def _read_detections(path: Path) -> dict[int, tuple[Box, ...]]:
    content = json_file(path)
    if isinstance(content, list):
        return _grouped(path, content)
    if not isinstance(content, Mapping):
        raise bad_record(path, "expected image id -> boxes, or a list of {image_id, box}", value=content)
    file = Record(path, None, content)
    found: dict[int, tuple[Box, ...]] = {}
    for id in content:
        if not str(id).isdecimal():
            raise file.fail(str(id), "an image id is a whole number")
        boxes = enumerate(file.list(id))
        found[int(id)] = tuple(file.box_in(f"{id}[{index}]", box) for index, box in boxes)
    return found


def _grouped(path: Path, content: Sequence[object]) -> dict[int, tuple[Box, ...]]:
    found: dict[int, list[Box]] = {}
    for detection in Record(path, None, {"": content}).records(""):
        found.setdefault(detection.integer("image_id"), []).append(detection.box("box"))
    return {id: tuple(boxes) for id, boxes in found.items()}
