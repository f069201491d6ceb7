"""Point clouds from files that nobody vouches for: arrays, tables, PLY and OFF."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.tasks.pointcloud.ply import parse_ply
from api_graph.tasks.record import Record, bad_record, read_bytes, read_text

MOST_BYTES = 1 << 30

Points = NDArray[np.float64]


def read_points(path: str | os.PathLike[str]) -> Tensor:
    """The points of a file, float32 (N, 3): .npy, .txt, .xyz, .pts, .csv, .ply (text or binary) or .off.

    Of tables and arrays the first three columns count; a PLY's or OFF's faces do not. Raises BadInput naming file,
    line and field of what is malformed.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in READERS:
        hint = f"Save it as one of {', '.join(READERS)}."
        raise BadInput("this kind of file is not read", input="path", value=str(path), hint=hint)
    points = READERS[suffix](file)
    if not len(points):
        raise bad_record(file, "there is no point in it")
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        raise bad_record(file, f"point {bad[0] + 1} is NaN or infinite", value=points[bad[0]].tolist())
    return torch.from_numpy(points.astype(np.float32))


def _array(path: Path) -> Points:
    content = read_bytes(path, most=MOST_BYTES)
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # numpy answers a damaged file with nearly any exception
        raise bad_record(path, f"this is no array of numbers ({error})", hint="Save it with numpy.save.") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] < 3 or array.dtype.kind not in "fiu":
        shape = getattr(array, "shape", None)
        raise bad_record(path, "an array of numbers (N, 3) is needed", value=shape)
    return array[:, :3].astype(np.float64)


def _table(path: Path) -> Points:
    """Numbers parted by commas, semicolons or blanks; a first line of names and lines with # are passed over."""
    rows: list[list[float]] = []
    for number, line in enumerate(read_text(path, most=MOST_BYTES).splitlines(), 1):
        words = line.replace(",", " ").replace(";", " ").split()
        if not words or words[0].startswith("#") or (number == 1 and not _is_number(words[0])):
            continue
        if len(words) < 3:
            raise bad_record(path, "a point needs x, y and z", line=number, value=line)
        rows.append([_coordinate(path, number, field, word) for field, word in zip("xyz", words, strict=False)])
    return np.asarray(rows, dtype=np.float64).reshape(-1, 3)


def _coordinate(path: Path, line: int, field: str, word: str) -> float:
    if not _is_number(word):
        raise bad_record(path, "this is no number", line=line, field=field, value=word)
    return float(word)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _ply(path: Path) -> Points:
    return parse_ply(path, read_bytes(path, most=MOST_BYTES))


def _off(path: Path) -> Points:
    """A mesh as text, whose vertices are the points. ModelNet's files write the counts right behind "OFF"."""
    text = read_text(path, most=MOST_BYTES)
    lines = [(number, line.split("#")[0].split()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, words) for number, words in lines if words]
    if not lines or not lines[0][1][0].upper().startswith("OFF"):
        raise bad_record(path, 'the first line does not say "OFF"', line=1)
    number, words = lines.pop(0)
    counts = [words[0][len("OFF") :], *words[1:]]
    counts = [word for word in counts if word]
    if not counts:
        if not lines:
            raise bad_record(path, "the file ends before its counts", line=number)
        number, counts = lines.pop(0)
    header = Record(path, number, dict(zip(("vertices", "faces", "edges"), counts, strict=False)))
    count = header.integer("vertices", 0)
    if len(lines) < count:
        last = lines[-1][0] if lines else number
        raise bad_record(path, f"the file ends after {len(lines)} of {count} vertices", line=last)
    points = np.empty((count, 3))
    for row, (number, words) in enumerate(lines[:count]):
        vertex = Record(path, number, dict(zip("xyz", words, strict=False)))
        points[row] = [vertex.number(field) for field in "xyz"]
    return points


READERS: dict[str, Callable[[Path], Points]] = {
    ".npy": _array,
    ".txt": _table,
    ".xyz": _table,
    ".pts": _table,
    ".csv": _table,
    ".ply": _ply,
    ".off": _off,
}
