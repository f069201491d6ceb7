"""OFF: a mesh as text; its vertices are the points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.tasks.record import Record, bad_record


def parse_off(path: Path, text: str) -> NDArray[np.float64]:
    """The vertices, (N, 3). ModelNet's own files, which write the counts right behind "OFF", are read as well."""
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
