"""PLY: text, or binary of either byte order; the vertices' x, y and z are the points."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.tasks.record import Record, bad_record

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1 << 16


@dataclass
class Element:
    """A kind of thing that the file lists: its name, how many there are, and (name, numpy type) of its properties."""

    name: str
    count: int
    line: int
    properties: list[tuple[str, str]] = field(default_factory=list)
    has_lists: bool = False


@dataclass(frozen=True)
class Header:
    """What a PLY says of itself: byte order ("" for text), its elements in order, and where the data begins."""

    order: str
    elements: tuple[Element, ...]
    lines: int
    size: int


def parse_ply(path: Path, content: bytes) -> NDArray[np.float64]:
    """The points, (N, 3). BadInput where the header or the data is malformed, or the vertices have no x, y and z."""
    header = read_header(path, content)
    before: list[Element] = []
    for element in header.elements:
        if element.name == "vertex":
            break
        before.append(element)
    else:
        raise bad_record(path, "it has no vertices", line=header.lines, field="element vertex")
    lists = [e for e in (*before, element) if e.has_lists]
    if lists:
        raise bad_record(path, "a list stands before the points, which is not read", line=lists[0].line)
    missing = {"x", "y", "z"} - {name for name, _ in element.properties}
    if missing:
        raise bad_record(path, "the vertices lack it", line=element.line, field=min(missing))
    read = _from_binary if header.order else _from_text
    return read(path, content, header, before, element)


def read_header(path: Path, content: bytes) -> Header:
    """Everything up to `end_header`."""
    lines, size = _header_lines(path, content)
    order, elements = None, list[Element]()
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format" and len(words) == 3 and words[1] in _ORDERS:
            order = _ORDERS[words[1]]
        elif words[0] == "element" and len(words) == 3:
            count = Record(path, number, {f"element {words[1]}": words[2]}).integer(f"element {words[1]}", 0)
            elements.append(Element(words[1], count, number))
        elif words[0] == "property" and elements:
            _add_property(path, number, elements[-1], words[1:])
        else:
            raise bad_record(path, "this line of the header means nothing", line=number, value=line)
    if order is None:
        raise bad_record(path, "the header does not say its format", line=len(lines), field="format")
    return Header(order, tuple(elements), len(lines) + 1, size)


def _header_lines(path: Path, content: bytes) -> tuple[list[str], int]:
    """The header's lines without `end_header`, and how many bytes it takes."""
    end = content.find(b"end_header", 0, _LONGEST_HEADER)
    if not content.startswith(b"ply") or end < 0:
        raise bad_record(path, 'a PLY begins with "ply" and has a line "end_header"', line=1)
    newline = content.find(b"\n", end)
    size = newline + 1 if newline >= 0 else len(content)
    return content[:end].decode("ascii", "replace").splitlines(), size


def _add_property(path: Path, line: int, element: Element, words: list[str]) -> None:
    if len(words) == 4 and words[0] == "list":
        element.has_lists = True
    elif len(words) == 2 and words[0] in _TYPES:
        if words[1] in dict(element.properties):
            raise bad_record(path, "the property stands twice", line=line, field=words[1])
        element.properties.append((words[1], _TYPES[words[0]]))
    else:
        raise bad_record(path, "this is no property", line=line, value=" ".join(words))


def _from_text(
    path: Path, content: bytes, header: Header, before: list[Element], vertex: Element
) -> NDArray[np.float64]:
    lines = content[header.size :].decode("ascii", "replace").splitlines()
    first = sum(element.count for element in before)
    names = [name for name, _ in vertex.properties]
    if len(lines) < first + vertex.count:
        found, line = max(0, len(lines) - first), header.lines + len(lines)
        raise bad_record(path, f"the file ends after {found} of {vertex.count} vertices", line=line)
    points = np.empty((vertex.count, 3))
    for row, line in enumerate(lines[first : first + vertex.count]):
        number = header.lines + first + row + 1
        record = Record(path, number, dict(zip(names, line.split(), strict=False)))
        points[row] = [record.number(field) for field in "xyz"]
    return points


def _from_binary(
    path: Path, content: bytes, header: Header, before: list[Element], vertex: Element
) -> NDArray[np.float64]:
    start = header.size + sum(_layout(element, header.order).itemsize * element.count for element in before)
    layout = _layout(vertex, header.order)
    found = max(0, len(content) - start) // layout.itemsize
    if found < vertex.count:
        raise bad_record(path, f"the file ends after {found} of {vertex.count} vertices", field="element vertex")
    table = np.frombuffer(content, layout, vertex.count, start)
    return np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)


def _layout(element: Element, order: str) -> np.dtype:
    return np.dtype([(name, order + kind) for name, kind in element.properties])
