"""OFF and its kin with normals and colours, as text; the vertices' first three numbers are the points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.tasks.record import Record, bad_record, text_lines

_KEYWORD = re.compile(r"(ST)?(C)?(N)?4?OFF", re.IGNORECASE)

Words = tuple[int, list[str]]
"""A line's number and its words."""


def parse_off(path: Path, text: str) -> NDArray[np.float64]:
    """The points, (N, 3). ModelNet's files write the counts right behind "OFF"; others wrap a vertex over lines."""
    lines = [(number, line.split("#")[0].split()) for number, line in enumerate(text_lines(text), 1)]
    lines = [(number, words) for number, words in lines if words]
    keyword = _KEYWORD.match(lines[0][1][0]) if lines else None
    if keyword is None:
        raise bad_record(path, 'the first line does not say "OFF"', line=1)
    number, words = lines.pop(0)
    if "4" in keyword[0] or "nOFF" in keyword[0]:
        raise bad_record(path, "its vertices have four or more dimensions", line=number, value=words[0])
    counts = [word for word in (words[0][keyword.end() :], *words[1:]) if word]
    if "BINARY" in counts:
        raise bad_record(path, "a binary OFF is not read", line=number, hint="Save it as text, or as PLY.")
    if not counts:
        if not lines:
            raise bad_record(path, "the file ends before its counts", line=number)
        number, counts = lines.pop(0)
    header = Record(path, number, dict(zip(("vertices", "faces", "edges"), counts, strict=False)))
    count = header.integer("vertices", 0)
    faces = header.integer("faces", 0) if len(counts) > 1 else 0
    if any(len(words) < 3 for _, words in lines[:count]) or not _faces(lines[count:], faces, count):
        lines = _wrapped(lines, count, faces, keyword) or lines
    if len(lines) < count:
        last = lines[-1][0] if lines else number
        raise bad_record(path, f"the file ends after {len(lines)} of {count} vertices", line=last)
    return _points(path, lines[:count])


def _wrapped(lines: Sequence[Words], count: int, faces: int, keyword: re.Match[str]) -> list[Words] | None:
    """The vertices where lines do not end with them; None if no reading uses up the file."""
    words = [(number, word) for number, line in lines for word in line]
    for width in _widths(keyword):
        end = count * width
        if end > len(words):
            continue
        rest = [line for line in lines if line[0] > words[end - 1][0]] if end else list(lines)
        parted = sum(len(line) for _, line in rest) == len(words) - end and _faces(rest, faces, count)
        if parted or _run_of_faces([word for _, word in words[end:]], faces, count):
            parts = [words[start : start + width] for start in range(0, end, width)]
            return [(part[0][0], [word for _, word in part]) for part in parts]
    return None


def _widths(keyword: re.Match[str]) -> list[int]:
    """How many numbers a vertex may have: x, y, z, a normal, four or three of a colour, two of a texture."""
    fixed = 3 + (3 if keyword[3] else 0) + (2 if keyword[1] else 0)
    return [fixed + 4, fixed + 3] if keyword[2] else [fixed]


def _faces(lines: Sequence[Words], faces: int, count: int) -> bool:
    """Whether these lines are just so many faces: how many corners, their vertices, and perhaps a colour."""
    return len(lines) == faces and all(_corners(words, 0, count) is not None for _, words in lines)


def _run_of_faces(words: Sequence[str], faces: int, count: int) -> bool:
    """Whether these words are just so many faces without colours, wherever their lines end."""
    at = 0
    for _ in range(faces):
        corners = _corners(words, at, count)
        if corners is None:
            return False
        at += 1 + corners
    return at == len(words)


def _corners(words: Sequence[str], at: int, count: int) -> int | None:
    """How many corners the face that begins there has; None if it is no face."""
    corners = _whole(words[at]) if at < len(words) else None
    if not corners or len(words) <= at + corners:
        return None
    inside = all((index := _whole(word)) is not None and index < count for word in words[at + 1 : at + 1 + corners])
    return corners if inside else None


def _whole(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 12 else None


def _points(path: Path, lines: Sequence[Words]) -> NDArray[np.float64]:
    points = np.empty((len(lines), 3))
    for row, (number, words) in enumerate(lines):
        vertex = Record(path, number, dict(zip("xyz", words, strict=False)))
        points[row] = [vertex.number_or_nan(field) for field in "xyz"]
    return points
