"""Boxes in PASCAL VOC's XML."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from api_graph.bench.readers.record import Box, Record, bad_record, read_text

_MOST_BYTES = 1 << 20
_SIDES = ("xmin", "ymin", "xmax", "ymax")
# Entities can only be declared in a document type, and no annotation has one.
_DECLARATION = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_voc_boxes(path: str | os.PathLike[str]) -> tuple[Box, ...]:
    """Every object/bndbox of an annotation, as (left, top, right, bottom)."""
    text = read_text(path, most=_MOST_BYTES)
    if _DECLARATION.search(text):
        raise bad_record(Path(path), "an annotation declares no document type and no entities")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise bad_record(Path(path), f"this is no XML ({error})", line=error.position[0]) from error
    boxes = tuple(_box(Path(path), index, box) for index, box in enumerate(root.iterfind("object/bndbox")))
    if not boxes:
        raise bad_record(Path(path), "it holds no object with a box", field="object/bndbox")
    return boxes


def _box(path: Path, index: int, element: ET.Element) -> Box:
    record = Record(path, None, {side: element.findtext(side) for side in _SIDES}, f"object[{index}].")
    left, top, right, bottom = (record.number(side) for side in _SIDES)
    if right <= left or bottom <= top:
        raise record.fail("bndbox", "a box needs sides above 0", (left, top, right, bottom))
    return left, top, right, bottom
