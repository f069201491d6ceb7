"""PLY: text, or binary of either byte order; the vertices' x, y and z are the points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.tasks.record import Record, bad_record, text_lines

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1 << 16


@dataclass(frozen=True)
class Property:
    """A property: its numpy type, and that of its length where it is a list."""

    name: str
    kind: str
    length: str = ""


@dataclass
class Element:
    """A kind of thing that the file lists: its name, how many there are, and its properties in order."""

    name: str
    count: int
    line: int
    properties: list[Property] = field(default_factory=list)

    @property
    def has_lists(self) -> bool:
        """Whether its instances differ in length."""
        return any(one.length for one in self.properties)


@dataclass(frozen=True)
class Header:
    """What a PLY says of itself: byte order ("" for text), its elements in order, and where the data begins.

    `lines` counts its lines, `size` its bytes.
    """

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
    missing = {"x", "y", "z"} - {one.name for one in element.properties if not one.length}
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
    newline = b"\r" if content[3:4] == b"\r" and content[4:5] != b"\n" else b"\n"
    end = re.compile(newline + rb"end_header[ \t]*" + (b"\r" if newline == b"\r" else rb"(?:\r?\n|\Z)"))
    found = end.search(content[:_LONGEST_HEADER])
    if not content.startswith(b"ply") or found is None:
        raise bad_record(path, 'a PLY begins with "ply" and has a line "end_header"', line=1)
    lines = content[: found.start()].decode("ascii", "replace").split(newline.decode())
    return [line.removesuffix("\r") for line in lines], found.end()


def _add_property(path: Path, line: int, element: Element, words: list[str]) -> None:
    *kinds, name = words or [""]
    plain = len(kinds) == 1 and kinds[0] in _TYPES
    listed = len(kinds) == 3 and kinds[0] == "list" and set(kinds[1:]) <= set(_TYPES) and "f" not in _TYPES[kinds[1]]
    if not plain and not listed:
        raise bad_record(path, "this is no property", line=line, value=" ".join(words))
    if name in [one.name for one in element.properties]:
        raise bad_record(path, "the property stands twice", line=line, field=name)
    length = _TYPES[kinds[1]] if listed else ""
    element.properties.append(Property(name, _TYPES[kinds[-1]], length))


def _from_text(
    path: Path, content: bytes, header: Header, before: list[Element], vertex: Element
) -> NDArray[np.float64]:
    text = text_lines(content[header.size :].decode("ascii", "replace"))
    lines = [(number, line.split()) for number, line in enumerate(text, header.lines + 1)]
    lines = [(number, words) for number, words in lines if words]
    first = sum(element.count for element in before)
    if len(lines) < first + vertex.count:
        found, line = max(0, len(lines) - first), header.lines + len(text)
        raise bad_record(path, f"the file ends after {found} of {vertex.count} vertices", line=line)
    points = np.empty((vertex.count, 3))
    for row, (number, words) in enumerate(lines[first : first + vertex.count]):
        record = Record(path, number, _fields(words, vertex))
        points[row] = [record.number_or_nan(field) for field in "xyz"]
    return points


def _fields(words: list[str], element: Element) -> dict[str, str]:
    """The words of a line by the property that they are; a list takes as many as it says."""
    if not element.has_lists:
        return dict(zip([one.name for one in element.properties], words, strict=False))
    fields: dict[str, str] = {}
    at = 0
    for one in element.properties:
        if at < len(words) and not one.length:
            fields[one.name] = words[at]
        length = words[at] if one.length and at < len(words) else "0"
        at += 1 + (int(length) if length.isascii() and length.isdigit() and len(length) < 9 else 0)
    return fields


def _from_binary(
    path: Path, content: bytes, header: Header, before: list[Element], vertex: Element
) -> NDArray[np.float64]:
    starts = np.array([header.size])
    for element in (*before, vertex):
        starts = _starts(content, header.order, element, int(starts[-1]))
        if len(starts) <= element.count:
            found = len(starts) - 1 if element is vertex else 0
            problem = f"the file ends after {found} of {vertex.count} vertices"
            raise bad_record(path, problem, field="element vertex")
    raw = np.frombuffer(content, np.uint8)
    points = np.empty((vertex.count, 3))
    for axis, name in enumerate("xyz"):
        kind, before_it = _place(vertex, name, header.order)
        if vertex.has_lists:
            offsets = np.array([_end(content, before_it, header.order, int(at)) for at in starts[:-1]], dtype=np.int64)
        else:
            offsets = starts[:-1] + sum(np.dtype(one.kind).itemsize for one in before_it)
        taken = raw[offsets[:, None] + np.arange(kind.itemsize)]  # (N, bytes of a number)
        points[:, axis] = np.ascontiguousarray(taken).view(kind)[:, 0]
    return points


def _place(vertex: Element, name: str, order: str) -> tuple[np.dtype, list[Property]]:
    """The type of a property of the vertices, and the properties that stand before it."""
    index = [one.name for one in vertex.properties].index(name)
    return np.dtype(order + vertex.properties[index].kind), vertex.properties[:index]


def _starts(content: bytes, order: str, element: Element, start: int) -> NDArray[np.int64]:
    """Where each instance of an element begins, and where the last one ends: (count + 1,), or fewer if cut off."""
    smallest = sum(np.dtype(one.length or one.kind).itemsize for one in element.properties)
    if not smallest:
        return np.full(min(element.count, len(content)) + 1, start)
    whole = min(element.count, max(0, len(content) - start) // smallest)
    if not element.has_lists:
        return start + smallest * np.arange(whole + 1)
    starts = [start]
    while len(starts) <= element.count and (end := _end(content, element.properties, order, starts[-1])) <= len(
        content
    ):
        starts.append(end)
    return np.array(starts, dtype=np.int64)


def _end(content: bytes, properties: Sequence[Property], order: str, at: int) -> int:
    """Where properties that begin at a byte end; behind the content's end where it is cut off."""
    for one in properties:
        if not one.length:
            at += np.dtype(one.kind).itemsize
            continue
        width = int(one.length[1])
        if at + width > len(content):
            return len(content) + 1
        signed = one.length[0] == "i"
        length = int.from_bytes(content[at : at + width], "big" if order == ">" else "little", signed=signed)
        if length < 0:
            return len(content) + 1
        at += width + length * int(one.kind[1])
    return at
